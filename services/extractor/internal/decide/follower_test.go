package decide

import (
	"testing"
	"time"

	"bulkhead/libs/record"
)

// TestFollowers: whoever sends a record again looks for newer ones of its entity only where some record may follow another.
func TestFollowers(t *testing.T) {
	t.Parallel()
	seal := func(t *testing.T, e *Engine) uint64 {
		t.Helper()
		c, err := e.Cut(e.All(), testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		e.Settle(c, testStart)
		return c.Follower
	}
	limits := Limits{Rows: 100, Bytes: 1 << 20, Age: time.Minute}
	feed := func(t *testing.T, e *Engine, seq uint64, p published) {
		t.Helper()
		c := p.candidate(at(seq), true, 2)
		if e.Feed(&c, testStart) != Taken {
			t.Fatalf("%d is not taken", seq)
		}
	}
	t.Run("records of as many entities follow none", func(t *testing.T) {
		t.Parallel()
		e := testEngine(limits)
		feed(t, e, 1, published{entity: "a"})
		feed(t, e, 2, published{entity: "b"})
		if n := seal(t, e); n != 0 {
			t.Errorf("up to %d", n)
		}
	})
	t.Run("a record follows one of the same chunk, and one of the chunk before", func(t *testing.T) {
		t.Parallel()
		e := testEngine(limits)
		feed(t, e, 1, published{entity: "a", fields: [3]string{"one"}})
		feed(t, e, 2, published{entity: "a", fields: [3]string{"two"}})
		feed(t, e, 3, published{entity: "b"})
		if n := seal(t, e); n != 2 {
			t.Errorf("up to %d, want 2", n)
		}
		feed(t, e, 4, published{entity: "c"})
		feed(t, e, 5, published{entity: "b", fields: [3]string{"two"}})
		feed(t, e, 6, published{entity: "d"})
		if n := seal(t, e); n != 5 {
			t.Errorf("up to %d, want 5", n)
		}
		feed(t, e, 7, published{entity: "e"})
		if n := seal(t, e); n != 0 {
			t.Errorf("up to %d", n)
		}
	})
	t.Run("a record follows one of the ledger", func(t *testing.T) {
		t.Parallel()
		e := testEngine(limits)
		c := published{entity: "a", fields: [3]string{"two"}}.candidate(at(9), true, 2)
		e.Learn(Answers{Newest: map[record.Hash]Known{c.EntityHash: {Place: at(4)}}})
		feed(t, e, 9, published{entity: "a", fields: [3]string{"two"}})
		if n := seal(t, e); n != 9 {
			t.Errorf("up to %d, want 9", n)
		}
	})
	t.Run("what has a key of its own may follow: nobody has looked", func(t *testing.T) {
		t.Parallel()
		e := testEngine(limits)
		feed(t, e, 3, published{entity: "a", key: "k"})
		if n := seal(t, e); n != 3 {
			t.Errorf("up to %d, want 3", n)
		}
	})
}
