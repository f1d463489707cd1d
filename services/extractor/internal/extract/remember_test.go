package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/seen"
)

// learner is a reader that learns and does nothing else.
func learner(t *testing.T, bytes int) *Reader {
	t.Helper()
	return &Reader{Deps: Deps{Remember: bytes, Logger: testkit.Logger(t), Metrics: NewMetrics(prometheus.NewRegistry())}, held: &held{}}
}

func TestRemember(t *testing.T) {
	t.Parallel()
	wanted := func(r *Reader, batch ...decide.Candidate) decide.Wanted {
		return r.held.engine.Wants(batch, r.held.memory.news())
	}
	candidate := func(r *Reader, kind decide.KeyKind, id string) decide.Candidate {
		c := decide.Candidate{Place: record.Place{Seq: 1 << 40}, KeyKind: kind, KeyHash: r.held.def.KeyHash(id)}
		r.held.mapper.route(&c, id)
		return c
	}

	t.Run("what is new is not looked up; what was loaded is, also by the next reader", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.frame("", contacts(50, "a")...)
		one := b.reader("one")
		b.settle(one)
		if w := wanted(one, candidate(one, decide.KeyFromBody, "b-1")); len(w.Newest) != 0 {
			t.Error("a new entity would be looked up")
		}
		if w := wanted(one, candidate(one, decide.KeyFromBody, "a-1"), candidate(one, decide.KeyNamed, "k")); len(w.Newest) != 1 || len(w.Keys) != 1 {
			t.Errorf("%d entities and %d keys would be looked up, want 1 and 1: nothing of this stream has made the reader learn keys", len(w.Newest), len(w.Keys))
		}
		b.frame("", contacts(50, "a")...)
		b.settle(one)
		b.wantTally(tally{Rows: 50, Repeats: 50})
		b.must(one.Close(t.Context()))
		b.frame("", contacts(51, "a")...)
		two := b.reader("two")
		b.settle(two)
		b.wantTally(tally{Rows: 51, Repeats: 100})
		if w := wanted(two, candidate(two, decide.KeyFromBody, "b-1")); len(w.Newest) != 0 {
			t.Error("the next reader would look a new entity up")
		}
	})
	t.Run("keys of records are remembered as entities are", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "key: [email]"))
		for _, owner := range []string{"one", "two"} {
			b.frame("", `{"id":"a","email":"k1"}`, `{"id":"b","email":"k2"}`)
			r := b.reader(owner)
			b.settle(r)
			if w := wanted(r, candidate(r, decide.KeyNamed, "k1"), candidate(r, decide.KeyNamed, "k3")); len(w.Keys) != 1 {
				t.Errorf("%d of a known and a new key would be looked up", len(w.Keys))
			}
			b.must(r.Close(t.Context()))
		}
		b.wantTally(tally{Rows: 2, Repeats: 2})
	})
	t.Run("what a replay has stored is known to the reader that remembers", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.single("k1", `{"id":"a","phone":"1"}`) // refused: no such member
		b.frame("", contact("x", "X"))
		b.settle(r)
		b.wantTally(tally{Rows: 1, Dead: 1})
		b.apply(2, definition(mapWithPhone, defaultChunk))
		b.frame("", contact("y", "Y"))
		b.settle(r) // the new revision is in force
		order(b)
		if n, err := (&Replayer{Deps: b.deps("other")}).Pass(t.Context()); err != nil || n != 1 {
			t.Fatalf("%d letters taken: %v", n, err)
		}
		// The entity a came by the replay alone. What says the same behind it is a repeat of it.
		b.frame("", `{"id":"a","phone":"1"}`)
		b.settle(r)
		if got := b.tally(); got.Repeats != 1 {
			t.Errorf("%+v: the reader did not learn what the replay stored", got)
		}
	})
	t.Run("after an error nothing is remembered", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.frame("", contacts(3, "a")...)
		r := b.reader("one")
		b.settle(r)
		if r.held.memory.entities.filter == nil {
			t.Fatal("nothing was remembered before")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		b.advance(time.Minute) // the lease is to be renewed
		if _, err := r.Pass(ended); err == nil {
			t.Fatal("a pass without a ledger went well")
		}
		if r.held != nil && r.held.memory.counted {
			t.Error("what was remembered survives")
		}
		b.advance(-time.Minute)
		b.frame("", contacts(4, "a")...)
		b.settle(r)
		b.wantTally(tally{Rows: 4, Repeats: 3})
	})
	t.Run("the ledger is read in parts, and nothing is said to be new before the last one", func(t *testing.T) {
		t.Parallel()
		const total = 2*learnMost + 7
		hashes := make([]record.Hash, total)
		for i := range hashes {
			hashes[i] = record.HashRaw(fmt.Append(nil, i))
		}
		read := func(_ context.Context, _ int16, after record.Hash, most int, each func(*record.Hash)) (int, error) {
			from := 0
			if after != (record.Hash{}) {
				for hashes[from] != after {
					from++
				}
				from++
			}
			n := min(most, total-from)
			for i := range n {
				each(&hashes[from+i])
			}
			return n, nil
		}
		r := learner(t, 1<<20)
		of := &r.held.memory.keys
		for n, whole := range []bool{false, false, true, true} {
			if tooMany, err := r.learn(t.Context(), "keys", of, learnMost, read); err != nil || tooMany || of.whole != whole || (r.held.memory.news().Keys != nil) != whole {
				t.Fatalf("after part %d: whole is %v: %v", n+1, of.whole, err)
			}
		}
		for i := range hashes {
			if !of.filter.Has(&hashes[i]) {
				t.Fatalf("hash %d is said to be new", i)
			}
		}
		broken := &remembered{}
		fails := func(context.Context, int16, record.Hash, int, func(*record.Hash)) (int, error) {
			return 0, errors.New("the ledger is away")
		}
		if _, err := r.learn(t.Context(), "keys", broken, learnMost, fails); err == nil || broken.whole {
			t.Errorf("a part that could not be read ends the reading: %v", err)
		}
	})
	t.Run("a ledger that holds far more than fits is not learned to its end, and looked up", func(t *testing.T) {
		t.Parallel()
		r, n := learner(t, seen.MinBytes), 0
		endless := func(_ context.Context, _ int16, _ record.Hash, most int, each func(*record.Hash)) (int, error) {
			for range most {
				n++
				h := record.HashRaw(fmt.Append(nil, n))
				each(&h)
			}
			return most, nil
		}
		of := &r.held.memory.entities
		for range 20 {
			tooMany, err := r.learn(t.Context(), "entities", of, learnMost, endless)
			if err != nil || of.whole {
				t.Fatalf("whole is %v: %v", of.whole, err)
			}
			if tooMany {
				if of.filter != nil || r.held.memory.news().Entities != nil {
					t.Error("what was learned stays")
				}
				return
			}
		}
		t.Errorf("%d hashes were learned in %d bytes", n, seen.MinBytes)
	})
	t.Run("a reader that has stored far more than fits forgets it", func(t *testing.T) {
		t.Parallel()
		r := learner(t, seen.MinBytes)
		of := &r.held.memory.keys
		*of = remembered{filter: seen.New(seen.MinBytes), whole: true}
		for i := 0; of.filter.Load() <= crowdedUse; i++ {
			if tooMany, err := r.learn(t.Context(), "keys", of, learnMost, nil); err != nil || tooMany {
				t.Fatalf("at %v: %v", of.filter.Load(), err)
			}
			for k := range 1000 {
				h := record.HashRaw(fmt.Append(nil, i, k))
				of.filter.Add(&h)
			}
		}
		if tooMany, err := r.learn(t.Context(), "keys", of, learnMost, nil); err != nil || !tooMany || of.filter != nil {
			t.Errorf("forgotten is %v: %v", tooMany, err)
		}
	})
	t.Run("an entity of two pipelines is learned though a part ends between them", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.frame("", contacts(7, "a")...)
		r := b.reader("one")
		b.settle(r)
		// Rows of another pipeline of the space, whose number sorts before.
		b.exec(`INSERT INTO extractor.records (pipeline_id, generation, idx, row, seq, accepted_at, key_hash, entity_hash, content_hash, chunk, columns)
			SELECT -1, generation, idx, row, seq, accepted_at, content_hash, entity_hash, content_hash, chunk, columns FROM extractor.records`)
		own := map[record.Hash]bool{}
		for i := range 7 {
			c := candidate(r, decide.KeyFromBody, fmt.Sprintf("a-%d", i))
			own[c.EntityHash] = true
		}
		var after record.Hash
		for n := 3; n == 3; {
			var err error
			n, err = b.store.EntitiesAfter(t.Context(), r.held.target.PipelineID, after, 3, func(h *record.Hash) {
				delete(own, *h)
				after = *h
			})
			b.must(err)
		}
		if len(own) > 0 {
			t.Errorf("%d entities were left out", len(own))
		}
	})
	t.Run("parts of what the ledger holds come in order and leave nothing out", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.frame("", contacts(23, "a")...)
		b.frame("", contacts(23, "b")...)
		b.single("k1", contact("a-1", "another name"))
		b.single("k2", contact("c", "C"))
		r := b.reader("one")
		b.settle(r)
		for name, read := range map[string]func(context.Context, int16, record.Hash, int, func(*record.Hash)) (int, error){
			"entities": b.store.EntitiesAfter, "keys": b.store.KeysAfter,
		} {
			want := map[string]int{"entities": 47, "keys": 2}[name]
			var after record.Hash
			got := map[record.Hash]bool{}
			for range 100 {
				n, err := read(t.Context(), r.held.target.PipelineID, after, 5, func(h *record.Hash) {
					if bytes.Compare(h[:], after[:]) < 0 {
						t.Errorf("%x comes behind %x", *h, after)
					}
					got[*h], after = true, *h
				})
				b.must(err)
				if n < 5 {
					break
				}
			}
			if len(got) != want {
				t.Errorf("%d %s, want %d", len(got), name, want)
			}
		}
	})
}
