//go:build fault

package retry

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
)

// TestFaults lets each commit fail before and after it happened, and what is decided fail before it is stored, once, and runs the pass again: the end
// is the same.
func TestFaults(t *testing.T) {
	points := map[string][]string{"take": {"after_decide"}, "replay": {"after_read"}, "regroup": {"after_pick", "after_build"}}
	for _, move := range []string{"take", "resolve", "replay", "regroup", "free", "letters"} {
		for _, point := range append(points[move], "before_commit", "after_commit") {
			t.Run("a fault at "+move+"."+point+" leaves nothing half done", func(t *testing.T) {
				l := newLedger(t)
				p := l.passes()
				if _, err := p.Republish(t.Context()); err != nil { // the stream is known
					t.Fatal(err)
				}
				if err := fault.Set("retrier." + move + "." + point + "=error@1"); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := fault.Set(""); err != nil {
						t.Error(err)
					}
				}()
				faults := 0
				run := func(pass func(context.Context) (int, error)) {
					t.Helper()
					for range 2 {
						if _, err := pass(t.Context()); err != nil {
							if !errors.Is(err, fault.ErrInjected) && !errors.Is(err, pg.ErrLost) {
								t.Fatal(err)
							}
							faults++
						}
					}
				}
				l.reconciled(uuid.New(),
					failing{row: 0, key: "retry", entity: "a", seq: 1, class: "transient", code: "X"},
					failing{row: 1, key: "last", entity: "b", seq: 2, class: "transient", code: "X", attempt: 8},
					failing{row: 2, key: "letter", entity: "c", seq: 3, class: "data", code: "X", disposition: "dead"})
				run(p.TakeOpen)
				l.resolve(l.reconciled(uuid.New(), failing{
					key: "open", entity: "d", seq: 4, outcome: "missing", class: "unresolved", code: "MISSING", disposition: "unresolved",
				})[0], "not_landed")
				run(p.Resolve)
				l.ordered("letter", 0, "reconcile", "replaying", "retrier")
				run(p.Replay)
				l.clock.Advance(time.Hour)
				run(func(ctx context.Context) (int, error) {
					n, _, err := p.Regroup(ctx)
					return n, err
				})
				l.ended(l.openChunk())
				run(p.FreeOpen)
				l.dlq.made = noon.Add(time.Hour)
				run(p.Republish)
				if faults != 1 {
					t.Errorf("%d faults", faults)
				}
				for what, want := range map[string]int{
					`SELECT count(*) FROM retrier.waiting`:                            0,
					`SELECT count(*) FROM retrier.resent`:                             3,
					`SELECT count(*) FROM retrier.resolutions_taken`:                  1,
					`SELECT count(*) FROM retrier.chunks WHERE reconciled_at IS NULL`: 0,
					`SELECT count(*) FROM retrier.chunks`:                             1,
					`SELECT count(*) FROM retrier.pieces`:                             0,
					`SELECT count(*) FROM retrier.dead`:                               1,
					`SELECT count(*) FROM retrier.taken`:                              1,
					`SELECT count(*) FROM retrier.letters_taken`:                      1,
					`SELECT count(*) FROM retrier.outbox WHERE subject LIKE 'flow.%'`: 1,
				} {
					if n := l.count(what); n != want {
						t.Errorf("%s = %d, want %d", what, n, want)
					}
				}
				if n := l.count(`SELECT count(*) FROM retrier.outbox WHERE subject LIKE 'dlq.%'`); n < 2 {
					t.Errorf("%d letters: one when it died, one for the new stream", n)
				}
			})
		}
	}
}
