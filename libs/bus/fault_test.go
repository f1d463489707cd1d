//go:build fault

package bus_test

import (
	"context"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Rules of faults are the process's, so this one is not parallel to the others.
func TestFaultAtAnAcknowledgement(t *testing.T) {
	for name, c := range map[string]struct {
		rule string
		want int
	}{
		"a fact whose acknowledgement was never sent comes again": {"w.fact.before_ack=error@1", 2},
		"a fact that was acknowledged before the fault does not":  {"w.fact.after_ack=error@1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, b side) {
				conn := b.conn(t)
				must(t, bus.EnsureFlow(t.Context(), conn, limits))
				must(t, fault.Set(c.rule))
				t.Cleanup(func() { _ = fault.Set("") })
				var n notes
				last := make(chan struct{}, 1)
				work(t, conn, bus.Worker{Durable: "w", Facts: []string{bus.FactChunkSealed}, Handler: func(_ context.Context, e *flowv1.Envelope) error {
					chunk := e.GetChunkSealed().GetChunk()
					if n.note(chunk) == c.want && chunk == "first" {
						must(t, bus.Publish(context.Background(), conn, sealed("last")))
					}
					if chunk == "last" {
						last <- struct{}{}
					}
					return nil
				}})
				must(t, bus.Publish(t.Context(), conn, sealed("first")))
				<-last
				if got := n.count("first"); got != c.want {
					t.Errorf("handled %d times, want %d", got, c.want)
				}
			})
		})
	}
}
