//go:build fault

package pg_test

import (
	"errors"
	"slices"
	"testing"

	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
)

// Not parallel: the rules are the process's.
func TestFaultPoints(t *testing.T) {
	set := func(t *testing.T, rules string) {
		if err := fault.Set(rules); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fault.Set("") })
	}
	t.Run("before the commit nothing has happened", func(t *testing.T) {
		_, pool := notes(t)
		set(t, "retrier.note.before_commit=error")
		if err := pg.InTx(t.Context(), pool, "retrier.note", insert(1)); !errors.Is(err, fault.ErrInjected) || count(t, pool, "retrier.notes") != 0 {
			t.Fatal(err)
		}
	})
	t.Run("after the commit it has happened, and the caller does not hear of it", func(t *testing.T) {
		_, pool := notes(t)
		set(t, "retrier.note.after_commit=error")
		if err := pg.InTx(t.Context(), pool, "retrier.note", insert(1)); !errors.Is(err, fault.ErrInjected) || count(t, pool, "retrier.notes") != 1 {
			t.Fatal(err)
		}
	})
	for _, place := range []string{"retrier.outbox.before_publish", "retrier.outbox.after_publish", "retrier.outbox.before_commit", "retrier.outbox.after_commit"} {
		t.Run("a relay that fails at "+place+" publishes at least once and loses nothing", func(t *testing.T) {
			_, pool := notes(t)
			enqueue(t, pool, message("flow.a.b", "1", 1), message("flow.a.b", "2", 1))
			set(t, place+"=error@1")
			b := newBroker()
			r := pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{MaxBackoff: 2})
			if _, err := r.Pass(t.Context()); !errors.Is(err, fault.ErrInjected) {
				t.Fatal(err)
			}
			drain(t, r)
			ids := b.ids()
			slices.Sort(ids)
			if !slices.Equal(slices.Compact(ids), []string{"1", "2"}) || count(t, pool, "retrier.outbox") != 0 || fault.Hits()[place] == 0 {
				t.Fatalf("published %v, hits %v", b.ids(), fault.Hits())
			}
		})
	}
}
