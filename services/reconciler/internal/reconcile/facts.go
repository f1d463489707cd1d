package reconcile

import (
	"context"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Facts are the facts that the reconciler consumes.
func Facts() []string {
	return []string{bus.FactJobFinished, bus.FactChunkAnswered, bus.FactReplayOrdered}
}

// Handler notes what a fact speaks of. A fact is a hint: what is noted comes from the views, so that one that is late, doubled or wrong
// does no harm. wake is called when there is something new to read, decided when unresolved records may have been decided.
func (r *Reconciler) Handler(wake, decided func()) bus.Handler {
	return func(ctx context.Context, e *flowv1.Envelope) error {
		text := ""
		switch fact := e.GetFact().(type) {
		case *flowv1.Envelope_JobFinished:
			text = fact.JobFinished.GetChunk()
		case *flowv1.Envelope_ChunkAnswered:
			text = fact.ChunkAnswered.GetChunk()
		case *flowv1.Envelope_ReplayOrdered:
			if fact.ReplayOrdered.GetDecisions() > 0 {
				decided()
			}
			return nil
		default:
			return nil
		}
		chunk, ok := r.chunkOf(ctx, e, text)
		if !ok {
			return nil
		}
		n, err := r.Note(ctx, chunk)
		if n > 0 {
			wake()
		}
		return err
	}
}

// chunkOf reads the chunk that a fact names; what names none is told and dropped: the sweep finds the work that it spoke of.
func (r *Reconciler) chunkOf(ctx context.Context, e *flowv1.Envelope, text string) (uuid.NullUUID, bool) {
	id, err := uuid.Parse(text)
	if err != nil {
		r.cfg.Logger.ErrorContext(ctx, "fact that names no chunk, left to the sweep", "fact", bus.FactOf(e), "chunk", record.Storable(text, maxWord), "error", err)
	}
	return uuid.NullUUID{UUID: id, Valid: true}, err == nil
}
