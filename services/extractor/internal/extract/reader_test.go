package extract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

func TestReader(t *testing.T) {
	t.Parallel()
	t.Run("single records and frames become rows, chunks and facts, each counted by its run", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
		b.single("m1", contact("a", "Adams"))
		b.frame("nightly", contacts(20, "n")...)
		b.settle(b.reader("one"))
		b.wantTally(tally{Rows: 21})
		if n := b.count("SELECT sum(records)::int FROM extractor_pub.chunk_runs WHERE run = 'nightly'"); n != 20 {
			t.Errorf("run nightly has %d records, want 20", n)
		}
		sealed := b.count("SELECT count(*)::int FROM extractor.outbox WHERE subject = 'flow.contacts.chunk_sealed'")
		if chunks := len(b.chunks()); chunks != 2 || sealed != chunks {
			t.Errorf("%d chunks and %d facts, want a chunk of each of the two lanes", chunks, sealed)
		}
		for _, c := range b.chunks() {
			for i, row := range c.Manifest.GetRows() {
				entry := row.GetRecords()[0]
				if lane := record.LaneOf(record.HashEntity("main/Contact/External_Id__c", record.FoldKey(c.Rows[i][0])), 2); lane != c.Lane {
					t.Errorf("row %v is in lane %d, belongs to %d", c.Rows[i], c.Lane, lane)
				}
				if !slices.Equal(entry.GetKeyHash(), hashOf(entry.GetKey())) {
					t.Errorf("manifest names key %q with another hash", entry.GetKey())
				}
			}
		}
	})

	t.Run("a message id published again, past the broker's window, is a repeat for ever", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		for i := range 10 {
			b.single(fmt.Sprintf("m%d", i), contact(fmt.Sprintf("e%d", i), "A"))
		}
		r := b.reader("one")
		b.settle(r)
		for i := range 5 {
			b.single(fmt.Sprintf("m%d", i), contact(fmt.Sprintf("e%d", i), "A"))
		}
		b.settle(r)
		b.single("m1", contact("e1", "A"))
		b.settle(b.freshReader(r))
		b.wantTally(tally{Rows: 10, Repeats: 6})
	})

	t.Run("a repeat in the same batch, before anything is committed, is a repeat as well", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "key: [event]", "unknownMembers: ignore"))
		b.frame("", `{"event":1,"id":"a"}`, `{"event":2,"id":"a"}`, `{"event":1,"id":"a"}`, `{"event":2,"id":"a"}`, `{"id":"a"}`)
		b.settle(b.reader("one"))
		b.wantTally(tally{Rows: 2, Dead: 1, Repeats: 2})
		if diff := cmp.Diff([]string{"MISSING_KEY"}, b.codes()); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("a key used again for other content dies as KEY_REUSED, once, and its repeats are repeats of that", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("k", contact("a", "first"))
		b.single("k", contact("b", "second"))
		r := b.reader("one")
		b.settle(r)
		b.single("k", contact("b", "second"))
		b.single("k", contact("a", "first"))
		b.settle(r)
		b.wantTally(tally{Rows: 1, Dead: 1, Repeats: 2})
		l := b.letters()[0]
		if l.Code != record.CodeKeyReused || !strings.HasPrefix(l.Key, "k#") || l.Stage != record.StageExtract || l.Class != "data" {
			t.Errorf("letter %+v", l)
		}
		if string(l.Payload) != contact("b", "second") || l.Origin != (bus.LetterOrigin{Stream: "RECORDS_contacts", Sequence: 2}) {
			t.Errorf("letter carries %q from %+v", l.Payload, l.Origin)
		}
	})

	t.Run("without keys A, B, A are three events, and A, A is one and a repeat", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		a, bb := contact("x", "A"), contact("x", "B")
		r := b.reader("one")
		b.single("", a)
		b.settle(r)
		b.single("", a)
		b.settle(r)
		b.wantTally(tally{Rows: 1, Repeats: 1})
		b.frame("", bb, bb, a)
		b.settle(r)
		b.wantTally(tally{Rows: 3, Repeats: 2})
		b.frame("", a, bb)
		b.settle(b.freshReader(r))
		b.wantTally(tally{Rows: 4, Repeats: 3})
	})

	t.Run("rows of one entity merge field by field, and null is a value", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.frame("", `{"id":"X","last":"One","email":"a@example.com"}`, `{"id":"x","email":null}`, `{"id":"y","last":"Other"}`, `{"id":"x","last":"Two"}`)
		b.settle(b.reader("one"))
		want := []string{"x,Two,#N/A", "y,Other,"}
		if diff := cmp.Diff(want, b.rows()); diff != "" {
			t.Error(diff)
		}
		if n := len(b.chunks()[0].Manifest.GetRows()[0].GetRecords()); n != 3 {
			t.Errorf("the merged row carries %d records, want 3", n)
		}
	})

	t.Run("refused records are letters with reason and payload, in the transaction that decides them", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("", "{not json")
		b.single("", `[1]`)
		b.single("m", `{"id":"a","last":7}`)
		b.single("", `{"last":"nobody"}`)
		b.single("", `{"id":"a","unknown":1}`)
		b.single("", "\xff\xfe")
		b.single("", "")
		b.frame("", `{"id":"ok","last":"fine"}`, `{"id":"","last":"blank"}`)
		b.frame("not a run!", contact("z", "z"))
		b.settle(b.reader("one"))
		b.wantTally(tally{Rows: 1, Dead: 9})
		want := []string{
			"BAD_UTF8", "FRAME_UNREADABLE", "MISSING_EXTERNAL_ID", "MISSING_EXTERNAL_ID", "NOT_AN_OBJECT", "NOT_JSON", "NOT_JSON", "UNKNOWN_MEMBER", "WRONG_TYPE",
		}
		if diff := cmp.Diff(want, b.codes()); diff != "" {
			t.Error(diff)
		}
		if n := b.count("SELECT count(*)::int FROM extractor.records WHERE chunk IS NULL"); n == 0 {
			t.Error("the ledger knows none of the refused records' keys")
		}
		r := b.reader("one")
		b.single("m", `{"id":"a","last":7}`)
		b.settle(r)
		b.wantTally(tally{Rows: 1, Dead: 9, Repeats: 1})
	})

	t.Run("a member's name as long as a record neither stops the pipeline nor loses the letter", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("", `{"id":"a","`+strings.Repeat(`é`, 300_000)+`":1}`)
		b.single("", `{"id":"b","x\u0000y":1}`)
		b.single("", contact("c", "fine"))
		b.settle(b.reader("one"))
		b.wantTally(tally{Rows: 1, Dead: 2})
		if len(b.letters()) != 2 {
			t.Errorf("%d letters", len(b.letters()))
		}
	})

	t.Run("a chunk is sealed by rows and bytes before its age, and never above either", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 7, bytes: 1MB, age: 10s}", "lanes: 1"))
		b.frame("", contacts(20, "n")...)
		r := b.reader("one")
		for range 5 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		if n := b.count("SELECT count(*)::int FROM extractor.chunks WHERE rows = 7"); n != 2 {
			t.Fatalf("%d chunks are sealed without time going by, want 2", n)
		}
		b.settle(r)
		b.wantTally(tally{Rows: 20})
	})

	t.Run("marks move at the chunk's age though one lane has nothing to seal", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 4"))
		b.single("", contact("only", "one"))
		b.settle(b.reader("one"))
		for lane, p := range b.marks() {
			if p.Seq != 1 {
				t.Errorf("mark of lane %d stands at %v", lane, p)
			}
		}
		if len(b.marks()) != 5 {
			t.Errorf("marks of %d lanes, want 4 and the lane none", len(b.marks()))
		}
	})

	t.Run("a frame half decided is read again, and what was decided is not", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 3, bytes: 1MB, age: 10s}", "lanes: 2"))
		b.frame("", contacts(30, "n")...)
		for i := 0; !b.decided(1); i++ {
			if i > 200 {
				t.Fatal("it does not end")
			}
			// Each pass is somebody else's: nothing that was not committed survives.
			r := b.reader("one")
			for range 3 {
				_, err := r.Pass(t.Context())
				b.must(err)
			}
			b.advance(11 * time.Second)
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		b.wantTally(tally{Rows: 30})
	})

	t.Run("at the bound of chunks without an outcome it stops reading, and goes on when there are outcomes", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 10, bytes: 1MB, age: 1s}", "lanes: 2"))
		b.bound = 3
		for i := range 10 {
			b.frame("", contacts(20, fmt.Sprintf("f%d", i))...)
		}
		r := b.reader("one")
		for range 30 {
			_, err := r.Pass(t.Context())
			b.must(err)
			b.advance(2 * time.Second)
			if n := b.count("SELECT count(*)::int FROM extractor.chunks"); n > 3 {
				t.Fatalf("%d chunks are open, the bound is 3", n)
			}
		}
		if n := b.count("SELECT count(*)::int FROM extractor.chunks"); n != 3 {
			t.Fatalf("%d chunks are open, want 3", n)
		}
		for i := 0; !b.decided(b.last()); i++ {
			if i > 200 {
				t.Fatal("it does not end")
			}
			b.landed()
			_, err := r.Pass(t.Context())
			b.must(err)
			b.advance(2 * time.Second)
		}
		b.wantTally(tally{Rows: 200})
	})

	t.Run("rows behind a chunk of their lane wait for its outcome, and are sealed when somebody tells of it", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 1000, bytes: 1MB, age: 1s}", "lanes: 1"))
		r := b.reader("one")
		pass := func() {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		read := func(key string) {
			b.single("", contact(key, "A"))
			for b.unsealed(r) == 0 {
				pass()
			}
		}
		sealed := func() int { return b.count("SELECT count(*)::int FROM extractor.chunks") }
		read("a")
		b.advance(time.Second)
		pass()
		if n := sealed(); n != 1 {
			t.Fatalf("%d chunks at the age of a row in a free lane", n)
		}
		read("b")
		b.advance(1500 * time.Millisecond)
		pass()
		if n := sealed(); n != 1 {
			t.Fatalf("%d chunks, though the first has no outcome", n)
		}
		b.landed()
		r.LookForOutcomes()
		pass()
		if n := sealed(); n != 2 {
			t.Fatalf("%d chunks, though the lane is free", n)
		}
		read("c")
		b.advance(2 * time.Second)
		pass()
		if n := sealed(); n != 3 {
			t.Fatalf("%d chunks at twice the age", n)
		}
	})
}

// freshReader is a reader that knows only what the ledger knows.
func (b *bench) freshReader(old *Reader) *Reader {
	b.must(old.Close(b.Context()))
	return b.reader("another")
}

func hashOf(key string) []byte {
	h := record.HashKey(testPipeline, key)
	return h[:]
}
