package poll

import (
	"context"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
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
			chunk, ok := p.chunkOf(ctx, e, fact.JobSubmitted.GetChunk())
			if !ok {
				return nil
			}
			n, err := p.Note(ctx, chunk)
			if n > 0 {
				wake()
			}
			return err
		case *flowv1.Envelope_ChunkReconciled:
			chunk, ok := p.chunkOf(ctx, e, fact.ChunkReconciled.GetChunk())
			if !ok {
				return nil
			}
			_, err := p.Settled(ctx, chunk)
			return err
		}
		return nil
	}
}

// chunkOf reads the chunk that a fact names; what names none is told and dropped: the sweep finds the work that it spoke of.
func (p *Poller) chunkOf(ctx context.Context, e *flowv1.Envelope, text string) (uuid.NullUUID, bool) {
	id, err := uuid.Parse(text)
	if err != nil {
		p.cfg.Logger.ErrorContext(ctx, "fact that names no chunk, left to the sweep", "fact", bus.FactOf(e), "chunk", record.Storable(text, maxWord), "error", err)
	}
	return uuid.NullUUID{UUID: id, Valid: true}, err == nil
}
