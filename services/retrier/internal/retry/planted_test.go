//go:build planted

package retry

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/fault/planted"
	"bulkhead/services/retrier/internal/store"
)

// Bugs are the process's, so nothing here is parallel.
func TestPlantedBugReplayWithoutAnIdempotencyKey(t *testing.T) {
	t.Run("replay_without_an_idempotency_key sends a letter again from every instance", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.ReplayWithoutIdempotencyKey} {
			if err := planted.Set(bug); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = planted.Set(planted.None) })
			l := newLedger(t)
			l.reconciled(uuid.New(), failing{key: "letter", entity: "c", seq: 3, class: "data", code: "X", disposition: "dead"})
			l.ordered("letter", 0, "reconcile", "replaying", "retrier")
			another := New(Config{
				Store: store.New(l.admin), Definitions: l.defs, Streams: l.dlq, Clock: l.clock.Ledger, Gather: time.Millisecond,
			})
			for _, p := range []*Passes{l.passes(), another} {
				for range 2 { // each instance remembers its own
					if _, err := p.Replay(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				l.clock.Advance(time.Hour)
				if _, _, err := p.Regroup(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want := map[planted.Bug]int{planted.None: 1, planted.ReplayWithoutIdempotencyKey: 2}[bug]
			if n := l.count(`SELECT count(*) FROM retrier.resent`) + l.count(`SELECT count(*) FROM retrier.waiting`); n != want {
				t.Errorf("with %q it is sent %d times, want %d", bug, n, want)
			}
		}
	})
}
