package org_test

import (
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
)

func TestMoments(t *testing.T) {
	model, err := org.ReadModel([]byte(model))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := org.NewStore(org.Config{Model: model, Seed: 1, Username: "u@org.example", Now: func() time.Time { return at }, Switches: switches.NewStore()})
	contact := s.Model().Object("Contact")
	last := contact.Readable("LastName")
	seen := func(m org.Moment) (out string) {
		s.ReadAt(m, func(r org.Reader) {
			for row := range r.Rows(contact) {
				out += r.Value(contact, row, last)
				if !r.Live(contact, row) {
					out += "(deleted)"
				}
				out += " "
			}
		})
		return out
	}
	change := func(name string) {
		save(t, s, "Contact", org.Upsert, "External_Id__c", "External_Id__c,LastName", "K,"+name)
	}
	t.Run("what is saved after a mark is not seen from it, within the same millisecond", func(t *testing.T) {
		change("a")
		first := s.Mark()
		change("b")
		second := s.Mark()
		change("c")
		if seen(first) != "a " || seen(second) != "b " || seen(0) != "c " || seen(s.Mark()) != "c " {
			t.Errorf("got %q, %q and %q", seen(first), seen(second), seen(0))
		}
	})
	t.Run("a row that is deleted later is still there", func(t *testing.T) {
		before := s.Mark()
		var id string
		s.Read(func(r org.Reader) { id = r.ID(contact, 0) })
		save(t, s, "Contact", org.Delete, "", "Id", id)
		if seen(before) != "c " || seen(s.Mark()) != "c(deleted) " {
			t.Errorf("got %q and %q", seen(before), seen(s.Mark()))
		}
	})
	t.Run("a clock that was put back is followed by the times of rows", func(t *testing.T) {
		s.Mark()
		at = at.Add(-24 * time.Hour)
		save(t, s, "Contact", org.Insert, "", "LastName", "late")
		s.Read(func(r org.Reader) {
			if got := r.Value(contact, 1, contact.Readable("CreatedDate")); got != "2026-01-01T03:04:05.000+0000" {
				t.Errorf("got %s", got)
			}
		})
	})
}
