//go:build fault

package letters_test

import (
	"errors"
	"testing"

	"bulkhead/libs/fault"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

// Each place of an order fails once, and whoever ordered orders again under the same key: there is one action, and each letter moved once.
func TestFaultsOfAnOrder(t *testing.T) {
	for _, point := range []string{
		"ops.action.after_lock", "ops.action.after_move", "ops.action.before_commit", "ops.action.after_commit", "ops.order.before_reply",
	} {
		t.Run("a failure at "+point+" changes nothing in the end", func(t *testing.T) {
			b := setup(t)
			ids := b.dead(2)
			x := b.index("a")
			if err := fault.Set(point + "=error@1"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fault.Set("") })
			order := letters.Order{Kind: store.ActionReplay, IDs: ids, Key: "one", By: "kim"}
			if _, err := x.Order(t.Context(), order); !errors.Is(err, fault.ErrInjected) {
				t.Fatalf("error %v", err)
			}
			done, err := x.Order(t.Context(), order)
			if err != nil || done.Moved != 2 {
				t.Fatalf("%+v, %v", done, err)
			}
			for what, want := range map[string]int{
				`SELECT count(*) FROM ops.actions`:                                               1,
				`SELECT count(*) FROM ops.audit WHERE action = 'replay'`:                         1,
				`SELECT count(*) FROM ops_pub.replays`:                                           2,
				`SELECT count(*) FROM ops.outbox WHERE subject = 'flow.contacts.replay_ordered'`: 1,
			} {
				if n := b.Count(what); int(n) != want {
					t.Errorf("%s = %d, want %d", what, n, want)
				}
			}
		})
	}
}
