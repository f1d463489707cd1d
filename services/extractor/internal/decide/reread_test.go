package decide

import (
	"testing"

	"bulkhead/libs/record"
)

func TestReadingAGivenUpKeyAgain(t *testing.T) {
	const pipeline, key = "contacts", "evt-1"
	hash, entity := record.HashKey(pipeline, key), record.HashEntity("main/Contact/Ext__c", "c-1")
	first, other := record.HashContent([]byte(`{"a":1}`)), record.HashContent([]byte(`{"a":2}`))
	at := func(seq uint64, content record.Hash) Candidate {
		return Candidate{
			Place: record.Place{Seq: seq}, Last: true, KeyKind: KeyNamed, Key: key, KeyHash: hash, Content: content,
			Entity: "c-1", EntityHash: entity, HasEntity: true, Cells: []string{"c-1"}, Named: []int{0},
		}
	}
	config := Config{Pipeline: pipeline, Header: []string{"Ext__c"}, Limits: Limits{Rows: 10, Bytes: 1000}, Lanes: 1}
	recalled := Recalled{
		Places: map[record.Place]Standing{{Seq: 3}: {GivenUp: true}},
		Keys:   map[record.Hash]Known{hash: {Content: first, Place: record.Place{Seq: 3}, GivenUp: true}},
	}

	t.Parallel()
	t.Run("other content under the key is refused, and the key still stands for what it stood for", func(t *testing.T) {
		commit, known, err := Reread(config, []Candidate{at(2, other), at(3, first)}, recalled, testStart, testID)
		if err != nil || known != 0 {
			t.Fatalf("%d are known: %v", known, err)
		}
		if len(commit.Dead) != 1 || commit.Dead[0].Code != record.CodeKeyReused || commit.Dead[0].Place.Seq != 2 {
			t.Errorf("the letters are %+v, want one of the record at 2", commit.Dead)
		}
		if len(commit.Chunks) != 1 || commit.Chunks[0].Records != 1 {
			t.Fatalf("%d chunks, want one with the record at 3", len(commit.Chunks))
		}
		for r := range commit.Records.All() {
			if r.Place.Seq == 3 && (r.Generation != 1 || r.Chunk == ([16]byte{})) {
				t.Errorf("the record at 3 is %+v, want a row of the next generation", r)
			}
		}
	})
}
