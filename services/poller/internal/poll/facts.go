package poll

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Facts are the facts that the poller consumes.
func Facts() []string { return []string{bus.FactJobSubmitted, bus.FactChunkReconciled} }

// Handler notes what a fact speaks of. A fact is a hint: what is noted comes from the views, so that one that is late, doubled or wrong
// does no harm. wake is called when there is something new to look at.
func (p *Poller) Handler(wake func()) bus.Handler {
	return func(ctx context.Context, e *flowv1.Envelope) error {
		switch fact := e.GetFact().(type) {
		case *flowv1.Envelope_JobSubmitted:
			chunk, err := chunkOf(fact.JobSubmitted.GetChunk())
			if err != nil {
				p.cfg.Logger.ErrorContext(ctx, "fact that names no chunk, left to the sweep", "fact", bus.FactJobSubmitted, "error", err)
				return nil
			}
			n, err := p.Note(ctx, chunk)
			if n > 0 {
				wake()
			}
			return err
		case *flowv1.Envelope_ChunkReconciled:
			chunk, err := chunkOf(fact.ChunkReconciled.GetChunk())
			if err != nil {
				p.cfg.Logger.ErrorContext(ctx, "fact that names no chunk, left to the sweep", "fact", bus.FactChunkReconciled, "error", err)
				return nil
			}
			_, err = p.Settled(ctx, chunk)
			return err
		}
		return nil
	}
}

func chunkOf(text string) (uuid.NullUUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.NullUUID{}, fmt.Errorf("chunk %q: %w", clip(text, maxWord), err)
	}
	return uuid.NullUUID{UUID: id, Valid: true}, nil
}
