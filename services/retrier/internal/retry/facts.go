package retry

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Facts are what the retrier listens to.
func Facts() []string {
	return []string{bus.FactChunkReconciled, bus.FactRowsResolved, bus.FactReplayOrdered, bus.FactDefinitionChanged}
}

// Wakers are rung by a fact; the work itself is found in rows.
type Wakers struct {
	// Replay is rung when letters were ordered, Resolve when unresolved records were decided, Regroup when something began to wait or a lane
	// became free.
	Replay, Resolve, Regroup func()
	// Definitions is rung when a definition changed.
	Definitions func()
}

// Handler does what a fact says is to be done. The effects are rows that can be written twice without harm; what a lost fact spoke of is found by the sweep.
func (p *Passes) Handler(wake Wakers) bus.Handler {
	return func(ctx context.Context, e *flowv1.Envelope) error {
		switch fact := e.GetFact().(type) {
		case *flowv1.Envelope_ChunkReconciled:
			return p.reconciled(ctx, fact.ChunkReconciled, wake)
		case *flowv1.Envelope_RowsResolved:
			wake.Resolve()
		case *flowv1.Envelope_ReplayOrdered:
			wake.Replay()
		case *flowv1.Envelope_DefinitionChanged:
			wake.Definitions()
		}
		return nil
	}
}

func (p *Passes) reconciled(ctx context.Context, fact *flowv1.ChunkReconciled, wake Wakers) error {
	chunk, err := uuid.Parse(fact.GetChunk())
	if err != nil {
		return nil //nolint:nilerr // no chunk of ours has such a name: nothing to do, and it will not get better
	}
	taken := 0
	if fact.GetFailed()+fact.GetUnprocessed()+fact.GetMissing() > 0 {
		if taken, err = p.Take(ctx, chunk); err != nil {
			return fmt.Errorf("take: %w", err)
		}
	}
	freed, err := p.Free(ctx, chunk)
	if err != nil {
		return fmt.Errorf("free: %w", err)
	}
	if taken+freed > 0 {
		wake.Regroup()
	}
	return nil
}
