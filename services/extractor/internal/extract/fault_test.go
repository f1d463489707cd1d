//go:build fault

package extract

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/fault"
)

// Rules and hits are the process's, so these run alone: nothing here is parallel.
func TestFaultsAtEveryPoint(t *testing.T) {
	run := func(t *testing.T, rules string) map[string]int {
		t.Helper()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 12, bytes: 1MB, age: 10s}", "lanes: 2", keyed))
		want := b.publishMix(rand.New(rand.NewPCG(1, 2)), 15)
		if err := fault.Set(rules); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fault.Set("") })
		r := b.reader("one")
		changed := false
		for i := 0; !b.decided(b.last()) || !changed; i++ {
			if i > 1000 {
				t.Fatalf("it does not end: %v", b.marks())
			}
			_, _ = r.Pass(t.Context())
			b.advance(time.Second)
			if !changed && b.decided(b.last()) {
				b.apply(2, definition(mapWithPhone, "chunk: {rows: 12, bytes: 1MB, age: 10s}", "lanes: 2", keyed))
				b.frame("", `{"event":"new","id":"n","phone":"1"}`)
				want.Rows++
				changed = true
			}
		}
		b.wantTally(want)
		order(b)
		insist(t, (&Replayer{Deps: b.deps("r")}).Pass, func() bool {
			return b.count("SELECT count(*)::int FROM extractor.letters_taken") == want.Dead
		})
		b.landed()
		insist(t, (&Freer{Deps: b.deps("f")}).Pass, func() bool {
			return b.count("SELECT count(*)::int FROM extractor.pieces") == 0
		})
		if n := b.count("SELECT count(*)::int FROM extractor.dead WHERE generation > 1"); n != 0 {
			t.Errorf("%d letters were mapped again twice", n)
		}
		id := b.readAgain(1, b.last())
		b.forget("seq = 3")
		counted := b.full()
		missing := b.count("SELECT count(*)::int FROM extractor.records") // known ones are not accepted again
		insist(t, func(ctx context.Context) (int, error) {
			r.LookForOrders()
			return r.Pass(ctx)
		}, func() bool { return b.again(id).Done })
		a, after := b.again(id), b.full()
		if gained := b.count("SELECT count(*)::int FROM extractor.records") - missing; a.Accepted == 0 || after.Accepted-counted.Accepted != a.Accepted || gained > a.Accepted {
			t.Errorf("%+v, the ledger gained %d records and counts %d more", a, gained, after.Accepted-counted.Accepted)
		}
		hits := fault.Hits()
		b.must(r.Close(context.WithoutCancel(t.Context())))
		return hits
	}
	hits := run(t, "")
	points := slices.Sorted(maps.Keys(hits))
	for _, p := range []string{
		faultBeforeFetch, faultAfterFetch, faultBeforeDecide, faultBeforeReread, "extractor.reread.before_commit", "extractor.reread.after_commit", "extractor.seal.before_commit", "extractor.seal.after_commit",
		"extractor.switch.before_commit", "extractor.switch.after_commit", "extractor.free.before_commit", "extractor.free.after_commit",
		"extractor.replay.before_commit", "extractor.replay.after_commit", "extractor.pipeline.before_commit", "extractor.pipeline.after_commit",
	} {
		if !slices.Contains(points, p) {
			t.Errorf("%s is never reached", p)
		}
	}
	for _, p := range points {
		if !strings.HasPrefix(p, "extractor.") {
			continue
		}
		for hit := 1; hit <= min(hits[p], 3); hit++ {
			t.Run(fmt.Sprintf("a fault at %s, hit %d, changes no count", p, hit), func(t *testing.T) {
				run(t, fmt.Sprintf("%s=error@%d", p, hit))
			})
		}
	}
}

// insist calls a pass until it has done its work, whatever it answers.
func insist(t *testing.T, pass func(context.Context) (int, error), done func() bool) {
	t.Helper()
	for range 50 {
		if _, err := pass(t.Context()); err == nil && done() {
			return
		}
	}
	t.Fatal("the pass never did its work")
}
