//go:build fault

package poll_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/fault"
)

// TestFaults fails once at every place that a run passes, and checks that the watch ends as it does without faults, with one fact. An error at a
// place is what a crash there leaves to whoever comes next, except that the claim is still held: the test takes it away as a lease that
// runs out does.
// It cannot be parallel: fault rules are the process's.
func TestFaults(t *testing.T) {
	run := func(t *testing.T, rules string) []string {
		b := setup(t)
		chunk := b.submitted(jobID, 10, "submitted")
		p := b.poller(answer("JobComplete", 10, 3))
		if err := fault.Set(rules); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = fault.Set("") }()
		for try := 0; len(b.facts()) == 0; try++ {
			if try > 10 {
				t.Fatalf("no fact after %d tries", try)
			}
			_, _ = p.Note(t.Context(), uuid.NullUUID{})
			b.now = b.now.Add(time.Hour)
			_, _ = p.Pass(t.Context())
			b.exec(`UPDATE poller.watches SET lease_until = '-infinity' WHERE state = 'watching'`)
		}
		b.reconciled(chunk)
		for !b.watch(chunk).reconciled {
			_, _ = p.Settled(t.Context(), uuid.NullUUID{})
		}
		if w := b.watch(chunk); w.state != "finished" || w.processed != 10 || w.failed != 3 || len(b.facts()) != 1 {
			t.Fatalf("%+v, %d facts", w, len(b.facts()))
		}
		return slices.Sorted(maps.Keys(fault.Hits()))
	}
	points := slices.DeleteFunc(run(t, ""), func(name string) bool { return !strings.HasPrefix(name, "poller.") })
	if len(points) < 8 {
		t.Fatalf("only %v were passed", points)
	}
	for _, point := range points {
		t.Run("a failure at "+point+" changes nothing in the end", func(t *testing.T) { run(t, point+"=error@1") })
	}
}
