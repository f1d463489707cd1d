//go:build fault

package reconcile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
)

// TestFaults fails once at every place that a run passes, and checks that the chunk ends as it does without faults. An error at a place is what a
// crash there leaves to whoever comes next, except that the claim is still held: the test takes it away as a lease that runs out does.
// It cannot be parallel: fault rules are the process's.
func TestFaults(t *testing.T) {
	run := func(t *testing.T, rules string) []string {
		b := setup(t)
		rows := accountRows("a", 20)
		rows[3].cells[1], rows[9].cells[1] = "", ""
		b.rowFault("UNABLE_TO_LOCK_ROW:x:--", "a-5")
		c := b.seal(record.ChunkFresh, rows).send()
		r := b.reconciler()
		if err := fault.Set(rules); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = fault.Set("") }()
		for try := 0; !c.hasOutcome(); try++ {
			if try > 10 {
				t.Fatalf("not settled: %v", c.work())
			}
			_, _ = c.b.store.Note(t.Context(), uuid.NullUUID{}, b.now)
			_, _ = r.Pass(t.Context())
			b.exec(`UPDATE reconciler.work SET lease_until = '-infinity' WHERE state = 'reading'`)
			b.now = b.now.Add(time.Minute)
		}
		if o := c.outcome(); o.Landed != 17 || o.Failed != 3 {
			t.Fatalf("%+v", o)
		}
		if len(c.failures()) != 3 || len(b.letters()) != 2 || len(b.facts()) != 1 {
			t.Fatalf("%d failures, %d letters, %d facts", len(c.failures()), len(b.letters()), len(b.facts()))
		}
		for _, f := range c.failures() {
			if f.Pay == "" || len(f.Attempts) != 1 || f.Attempt != 1 {
				t.Fatalf("%+v", f)
			}
		}
		return slices.Sorted(maps.Keys(fault.Hits()))
	}
	points := slices.DeleteFunc(run(t, ""), func(name string) bool { return !strings.HasPrefix(name, "reconciler.") })
	if len(points) < 10 {
		t.Fatalf("only %v were passed", points)
	}
	for _, point := range points {
		t.Run("a failure at "+point+" changes nothing in the end", func(t *testing.T) { run(t, point+"=error@1") })
	}
}
