//go:build planted

package letters_test

import (
	"testing"

	"bulkhead/libs/fault/planted"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

// Bugs are the process's, so nothing here is parallel.
func TestPlantedBugOrderWithoutAnIdempotencyKey(t *testing.T) {
	t.Run("replay_without_an_idempotency_key carries a repeated order out as a new one", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.ReplayWithoutIdempotencyKey} {
			if err := planted.Set(bug); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = planted.Set(planted.None) })
			b := setup(t)
			ids := b.dead(2)
			x := b.index("a")
			order := letters.Order{Kind: store.ActionReplay, IDs: ids[:1], Key: "one", By: "kim"}
			first, err := x.Order(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			again, err := x.Order(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			if on := bug != planted.None; (first.ActionID != again.ActionID) != on || again.Repeated == on {
				t.Errorf("with %q: %+v, then %+v", bug, first, again)
			}
		}
	})
}
