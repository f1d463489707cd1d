package reconcile

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store"
)

// republishPage is how many letters one transaction puts into the outbox again.
const republishPage = 200

// Republish publishes the open letters that were decided here into a DLQ stream that was made again, or for which ops asks for them, a page at a
// time; it returns how many it looked at. Without a DLQ stream there is nothing to do yet.
func (r *Reconciler) Republish(ctx context.Context) (int, error) {
	since, err := r.cfg.Streams.LettersSince(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := r.cfg.Store.Republish(ctx, since, republishPage, func(l store.Letter) (record.Message, error) {
		return letterOf(letterSource{
			ID: l.LetterID.UUID, Pipeline: l.Pipeline, Revision: l.Revision, Run: l.Run, Key: l.Key, Generation: l.Generation, Entity: l.Entity,
			Seq: l.Seq, Idx: l.Idx, AcceptedAt: l.AcceptedAt, Class: l.Class, Code: l.Code, Message: l.Message, Fields: l.Fields, Header: l.Header,
			Cells: l.Cells, Payload: l.Payload, Attempts: l.Attempts, DecidedAt: l.DecidedAt,
		})
	})
	if n > 0 {
		r.cfg.Logger.InfoContext(ctx, "the stream of dead letters was made again, or may lack letters: open ones are published again", "letters", n)
	}
	return n, err
}
