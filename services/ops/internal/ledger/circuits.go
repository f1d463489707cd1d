package ledger

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/store/db"
)

// Circuits are the circuits of all orgs by name; one that never opened is a closed one.
func (r *Reader) Circuits(ctx context.Context) (map[string]*opsv1.Circuit, error) {
	orgs, err := r.store.Read().Orgs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the orgs: %w", err)
	}
	rows, err := r.store.Read().Circuits(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the circuits: %w", err)
	}
	out := make(map[string]*opsv1.Circuit, len(orgs))
	for _, o := range orgs {
		out[o.Name] = &opsv1.Circuit{}
	}
	for _, c := range rows {
		out[c.Org] = circuitOf(c)
	}
	return out, nil
}

// circuitOf is a circuit as the API says it. There is no next call to wait for while it is closed.
func circuitOf(c db.CircuitsRow) *opsv1.Circuit {
	out := &opsv1.Circuit{
		Open: c.Open, Class: c.Class, Cause: c.Cause, Failures: c.Failures,
		OpenedAt: timestamppb.New(c.OpenedAt), FailedAt: timestamppb.New(c.FailedAt), ClosedAt: stampOrNil(c.ClosedAt),
	}
	if c.Open {
		out.NextCallAt, out.NextCallSeconds = timestamppb.New(c.NextCallAt), c.NextCallSeconds
	}
	return out
}

// resting says whether nobody calls the org now: its circuit is open and the next call is not due.
func resting(c *opsv1.Circuit) bool { return c.GetNextCallSeconds() > 0 }
