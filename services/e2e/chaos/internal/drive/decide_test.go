package drive

import (
	"slices"
	"testing"
)

func TestDecisionsAreWhatTheOrgKnows(t *testing.T) {
	letter := func(id, place string) unresolvedLetter {
		return unresolvedLetter{ID: id, Row: map[string]string{"Place__c": place, "Kind__c": ""}}
	}
	row := func(place, outcome, id string) sentRow {
		return sentRow{Cells: map[string]string{"Place__c": place}, Outcome: outcome, ID: id}
	}
	for name, c := range map[string]struct {
		letters []unresolvedLetter
		rows    []sentRow
		want    []decision
	}{
		"a row that is there landed, one that is not did not": {
			[]unresolvedLetter{letter("l1", "a"), letter("l2", "b")},
			[]sentRow{row("b", "unprocessed", ""), row("a", "created", "001A"), row("c", "created", "001C")},
			[]decision{{"l1", "001A"}, {"l2", ""}},
		},
		"of equal rows that are all in doubt as many landed as are there": {
			[]unresolvedLetter{letter("l1", "a"), letter("l2", "a")},
			[]sentRow{row("a", "failed", ""), row("a", "created", "001A")},
			[]decision{{"l1", ""}, {"l2", "001A"}},
		},
		"of equal rows of which one is accounted for nothing is decided": {
			[]unresolvedLetter{letter("l1", "a")},
			[]sentRow{row("a", "created", "001A"), row("a", "created", "001B")},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decisions(c.letters, c.rows); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRowsThatWereSentAreReadWithWhatBecameOfThem(t *testing.T) {
	got, err := sentRows([]byte("Place__c,Kind__c\na,visit\n\"b\nc\",\n"), []byte("{\"row\":1,\"outcome\":\"created\",\"id\":\"001A\"}\n{\"row\":2,\"outcome\":\"unprocessed\"}\n"))
	if err != nil || len(got) != 2 || got[0].Cells["Kind__c"] != "visit" || got[0].ID != "001A" || got[1].Cells["Place__c"] != "b\nc" || got[1].Outcome != "unprocessed" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := sentRows([]byte("A\n1\n"), []byte("{}\n{}\n")); err == nil {
		t.Error("more rows than were uploaded are an error")
	}
}
