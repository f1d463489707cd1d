package decide

import (
	"slices"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

func TestRowsOfABusyLane(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	// engine holds one row, in the lane that is given back.
	engine := func(t *testing.T, age time.Duration) (*Engine, int) {
		t.Helper()
		e := New(Config{Pipeline: testPipeline, Header: testHeader, Lanes: 2, Limits: Limits{Rows: 3, Bytes: 1 << 20, Age: age}}, nil)
		e.Learn(Answers{})
		row := published{key: "k1", entity: "e1", fields: [3]string{"a"}}.candidate(record.Place{Seq: 1}, true, 2)
		if e.Feed(&row, began) != Taken {
			t.Fatal("the row was not taken")
		}
		marks, err := e.Cut(nil, began, nil)
		if err != nil {
			t.Fatal(err)
		}
		e.Settle(marks, began) // only the row's own lane is behind
		return e, row.Lane
	}
	dueAfter := func(e *Engine, after time.Duration) bool { return len(e.Due(began.Add(after)).Seal) == 1 }
	t.Run("are sealed at the age of a chunk when nothing of their lane waits", func(t *testing.T) {
		e, lane := engine(t, time.Second)
		e.Open(map[int]int{1 - lane: 5})
		if !dueAfter(e, time.Second) || dueAfter(e, time.Second-1) || !e.Next().Equal(began.Add(time.Second)) || !e.NextIfFree().IsZero() {
			t.Errorf("due at %s", e.Next())
		}
	})
	t.Run("become twice as old for each chunk of the lane that has no outcome, eight times at most", func(t *testing.T) {
		e, lane := engine(t, time.Second)
		for n, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second} {
			e.Open(map[int]int{lane: n})
			if !dueAfter(e, want) || dueAfter(e, want-1) || !e.Next().Equal(began.Add(want)) {
				t.Errorf("with %d of them due at %s", n, e.Next())
			}
			if n > 0 && !e.NextIfFree().Equal(began.Add(time.Second)) {
				t.Errorf("with %d of them due at %s if the lane were free", n, e.NextIfFree())
			}
		}
	})
	t.Run("are due at once when the outcome is there", func(t *testing.T) {
		e, lane := engine(t, time.Second)
		e.Open(map[int]int{lane: 2})
		if dueAfter(e, 3*time.Second) {
			t.Error("due while two wait")
		}
		e.Open(nil)
		if !dueAfter(e, 3*time.Second) {
			t.Error("not due")
		}
	})
	t.Run("wait no longer than a minute, or the age of a chunk where that is longer", func(t *testing.T) {
		for _, age := range []time.Duration{20 * time.Second, time.Minute, time.Hour} {
			e, lane := engine(t, age)
			e.Open(map[int]int{lane: 9})
			if want := max(age, time.Minute); !dueAfter(e, want) || dueAfter(e, want-1) {
				t.Errorf("with an age of %s due at %s", age, e.Next())
			}
		}
	})
	t.Run("are sealed when the chunk is full", func(t *testing.T) {
		e, lane := engine(t, time.Hour)
		e.Open(map[int]int{lane: 9})
		for n, seq := 0, uint64(2); n < 2; seq++ {
			row := published{key: "k" + string(rune('a'+seq)), entity: "e" + string(rune('a'+seq)), fields: [3]string{"a"}}.candidate(record.Place{Seq: seq}, true, 2)
			if row.Lane != lane {
				continue
			}
			n++
			if e.Feed(&row, began) != Taken {
				t.Fatal("not taken")
			}
		}
		if !dueAfter(e, 0) {
			t.Error("a full chunk is not due")
		}
	})
	t.Run("count the chunks that were sealed since", func(t *testing.T) {
		e, lane := engine(t, time.Second)
		e.Open(map[int]int{})
		c, err := e.Cut([]int{lane}, began, func() [16]byte { return [16]byte{1} })
		if err != nil {
			t.Fatal(err)
		}
		e.Settle(c, began)
		e.Learn(Answers{})
		row := published{key: "k2", entity: "e1", fields: [3]string{"b"}}.candidate(record.Place{Seq: 2}, true, 2)
		if e.Feed(&row, began) != Taken {
			t.Fatal("the row was not taken")
		}
		if dueAfter(e, time.Second) || !dueAfter(e, 2*time.Second) {
			t.Errorf("due at %s", e.Next())
		}
	})
}

func TestRefusedRecordsDoNotWaitForABusyLane(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := New(Config{Pipeline: testPipeline, Header: testHeader, Lanes: 1, Limits: Limits{Rows: 3, Bytes: 1 << 20, Age: time.Second}}, nil)
	e.Learn(Answers{})
	e.Open(map[int]int{0: 3})
	bad := published{key: "k1", entity: "e1", refused: true}.candidate(record.Place{Seq: 1}, true, 1)
	if e.Feed(&bad, began) != Taken {
		t.Fatal("not taken")
	}
	if !e.Due(began.Add(time.Second)).Flush {
		t.Error("a letter waits for chunks that it is no part of")
	}
}

func TestAManifestSaysSinceWhenItsRowsAreOnTheirWay(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := New(Config{Pipeline: testPipeline, Header: testHeader, Lanes: 1, Limits: Limits{Rows: 9, Bytes: 1 << 20, Age: time.Second}}, nil)
	e.Learn(Answers{})
	for i, c := range []struct {
		entity   string
		received int64
	}{{"e1", 100}, {"e2", 100}, {"e3", 200}, {"e1", 300}} {
		at := published{entity: c.entity, fields: [3]string{string(rune('a' + i))}}.candidate(record.Place{Seq: uint64(i + 1)}, true, 1)
		at.Received = c.received
		if e.Feed(&at, began) != Taken {
			t.Fatal("not taken")
		}
	}
	c, err := e.Cut([]int{0}, began, func() [16]byte { return [16]byte{1} })
	if err != nil {
		t.Fatal(err)
	}
	m, err := rowfile.DecodeManifest(c.Chunks[0].Manifest)
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]int64
	for _, r := range m.GetReceived() {
		got = append(got, [2]int64{int64(r.GetRows()), r.GetAt()})
	}
	if want := [][2]int64{{2, 100}, {1, 200}}; !slices.Equal(got, want) {
		t.Errorf("%v, wanted %v: a merged row is as old as its first record", got, want)
	}
}
