package demo

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestGenerate(t *testing.T) {
	load, err := Generate(5000, 7)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the same seed makes the same records, another seed others", func(t *testing.T) {
		again, err := Generate(5000, 7)
		if err != nil || !reflect.DeepEqual(load, again) {
			t.Error("the same seed made other records")
		}
		if other, err := Generate(5000, 8); err != nil || reflect.DeepEqual(load, other) {
			t.Error("another seed made the same records")
		}
	})
	t.Run("each kind of failure stands in one contact of a hundred, and its record has the fault that it is named for", func(t *testing.T) {
		parents, taken := map[string]Fate{}, map[string]bool{}
		for _, a := range load.Accounts {
			parents[a.ID] = a.Fate
		}
		for _, n := range load.SeededLoyalty {
			taken[n] = true
		}
		fates := map[Fate]int{}
		address := regexp.MustCompile(`^[a-z]+\.[a-z]+\.[0-9]+@people\.example$`)
		for _, c := range load.Contacts {
			fates[c.Fate]++
			parent, known := parents[c.AccountID]
			if (c.LastName == "") != (c.Fate == FateNoLastName) || address.MatchString(c.Email) == (c.Fate == FateBadEmail) ||
				taken[c.LoyaltyNumber] != (c.Fate == FateTakenLoyalty) || !known || (parent == FateLate) != (c.Fate == FateOrphan) {
				t.Errorf("%+v", c)
			}
		}
		for _, f := range []Fate{FateNoLastName, FateBadEmail, FateTakenLoyalty, FateLocked, FateOrphan} {
			if n := fates[f]; n != len(load.Contacts)/100 {
				t.Errorf("%d of %d contacts have the fate %q", n, len(load.Contacts), f)
			}
		}
	})
	t.Run("each entity is there once, and nothing of it can be anybody's", func(t *testing.T) {
		seen := map[string]bool{}
		for _, a := range load.Accounts {
			if seen[a.ID] || !strings.HasSuffix(a.Website, ".example") || !strings.HasPrefix(a.Phone, "+1 555 01") {
				t.Errorf("%+v", a)
			}
			seen[a.ID] = true
		}
		for _, c := range load.Contacts {
			if seen[c.ID] || !strings.HasPrefix(c.Phone, "+1 555 02") {
				t.Errorf("%+v", c)
			}
			seen[c.ID] = true
		}
	})
	t.Run("frames hold every record, and none is longer than it aims at", func(t *testing.T) {
		packed, err := frames(load.Contacts)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range packed {
			if len(f) > frameBytes {
				t.Errorf("a frame of %d bytes", len(f))
			}
			for line := range bytes.Lines(f) {
				var c Contact
				if err := json.Unmarshal(line, &c); err != nil || c.ID != load.Contacts[n].ID {
					t.Fatalf("record %d is %s: %v", n, line, err)
				}
				n++
			}
		}
		if n != len(load.Contacts) {
			t.Errorf("%d of %d records are in frames", n, len(load.Contacts))
		}
	})
	t.Run("too few records to show every failure are refused", func(t *testing.T) {
		if _, err := Generate(99, 1); err == nil {
			t.Error("99 records were made")
		}
	})
}
