package record_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestSpace(t *testing.T) {
	t.Run("a space says its org, object and field, and whether values compare exactly", func(t *testing.T) {
		for _, c := range []struct{ got, want string }{
			{record.Space("main", "Contact", "External_Id__c", false), "main/Contact/External_Id__c"},
			{record.Space("main", "Contact", "External_Id__c", true), "main/Contact/External_Id__c:exact"},
			{record.Space("main", "Contact", "Id", true), "main/Contact/Id:exact"},
			{record.ContentSpace("main", "Note__c", "notes"), "main/Note__c/content-notes:exact"},
		} {
			if c.got != c.want {
				t.Errorf("%s, want %s", c.got, c.want)
			}
		}
	})
	folded := record.Space("main", "Contact", "Ext__c", false)
	exact := record.Space("main", "Contact", "Ext__c", true)
	ids := record.Space("main", "Contact", "Id", true)
	keys := record.ContentSpace("main", "Contact", "notes")
	for _, c := range []struct {
		name, space, a, b string
		same              bool
	}{
		{"case does not count", folded, "ABC", "abc", true},
		{"case counts where the field is case-sensitive", exact, "ABC", "abc", false},
		{"blanks at the ends never count", exact, " ABC\t", "ABC", true},
		{"blanks inside count", exact, "A BC", "ABC", false},
		{"composed and decomposed letters are one", exact, "caf\u00e9", "cafe\u0301", true},
		{"letters of either case are two, however they are composed", exact, "caf\u00e9", "CAFE\u0301", false},
		{"an id of 15 characters is the one of 18", ids, "005000000000AbC", "005000000000AbCAAU", true},
		{"ids that differ in case are two", ids, "005000000000AbC", "005000000000Abc", false},
		{"an id whose suffix lost its case is the same id", ids, "005000000000AbCaau", "005000000000AbCAAU", true},
		{"what is no id stays what it is", ids, "x", "X", false},
		{"keys that differ in blanks are two", keys, "k", "k ", false},
		{"keys that differ in composition are two", keys, "caf\u00e9", "cafe\u0301", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a, b := record.FoldIn(c.space, c.a), record.FoldIn(c.space, c.b); (a == b) != c.same {
				t.Errorf("%q and %q", a, b)
			}
		})
	}
	t.Run("a space that is not exact folds as FoldKey does", rapid.MakeCheck(func(t *rapid.T) {
		if s := rapid.String().Draw(t, "value"); record.FoldIn(folded, s) != record.FoldKey(s) {
			t.Fatalf("%+q", s)
		}
	}))
	t.Run("folding a folded value changes nothing, in any space", rapid.MakeCheck(func(t *rapid.T) {
		space := rapid.SampledFrom([]string{folded, exact, ids, keys, "", ":exact", "/"}).Draw(t, "space")
		once := record.FoldIn(space, rapid.String().Draw(t, "value"))
		if twice := record.FoldIn(space, once); twice != once {
			t.Fatalf("%+q folds to %+q", once, twice)
		}
	}))
	t.Run("what one exact value folds to, the case-insensitive space folds on", rapid.MakeCheck(func(t *rapid.T) {
		s := rapid.String().Draw(t, "value")
		if record.FoldKey(record.FoldIn(exact, s)) != record.FoldKey(s) {
			t.Fatalf("%+q", s)
		}
	}))
}

func TestLongID(t *testing.T) {
	for _, c := range []struct{ name, id, want string }{
		{"15 characters get their suffix", "005000000000AbC", "005000000000AbCAAU"},
		{"a suffix that fits is kept", "005000000000AbCAAU", "005000000000AbCAAU"},
		{"a suffix in small letters is written large", "005000000000AbCaau", "005000000000AbCAAU"},
		{"a suffix that does not fit is refused", "005000000000AbCAAA", ""},
		{"16 characters are no id", "005000000000AbCA", ""},
		{"other characters are no id", "005000000000Ab-", ""},
		{"letters beyond ASCII are no id", "00500000000" + strings.Repeat("é", 2), ""},
		{"nothing is no id", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := record.LongID(c.id); got != c.want || ok != (c.want != "") {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}

func TestUnresolvedID(t *testing.T) {
	chunk, other := [16]byte{1}, [16]byte{2}
	t.Run("it never changes", func(t *testing.T) {
		if got := record.HashText(record.UnresolvedID("contacts", "e-1", 2, chunk)); got != "edb301c1421487ff8175407a0baf82b7" {
			t.Error(got)
		}
	})
	t.Run("pipeline, key, generation and chunk each make another one, none of which is a letter's of a dead record", func(t *testing.T) {
		seen := map[[16]byte]string{}
		for name, id := range map[string][16]byte{
			"it": record.UnresolvedID("p", "k", 0, chunk), "another pipeline's": record.UnresolvedID("q", "k", 0, chunk),
			"another key's": record.UnresolvedID("p", "l", 0, chunk), "another generation's": record.UnresolvedID("p", "k", 1, chunk),
			"another chunk's": record.UnresolvedID("p", "k", 0, other), "a dead record's": record.LetterID("p", "k", 0),
		} {
			if twin, twice := seen[id]; twice {
				t.Errorf("%s and %s are one", name, twin)
			}
			seen[id] = name
			if id[6]>>4 != 8 || id[8]>>6 != 2 {
				t.Errorf("%s is no UUID of version 8: %x", name, id)
			}
		}
	})
	t.Run("the class of such letters is no class of failures", func(t *testing.T) {
		if record.ClassUnresolved.Known() {
			t.Error("it is")
		}
	})
}
