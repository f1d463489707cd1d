package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store/db"
)

// OpenLetter is a refused record whose letter must stand in the stream.
type OpenLetter struct {
	Pipeline string
	Revision int
	DeadAt   time.Time
	decide.Dead
}

// Courier says which incarnation of a stream the letters were published to; zero = none was ever noted.
func (s *Store) Courier(ctx context.Context, stream string) (time.Time, error) {
	at, err := s.q.Courier(ctx, stream)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("stream %s as it was: %w", stream, err)
	}
	return at, nil
}

// SetCourier notes the incarnation that holds all letters from now on.
func (s *Store) SetCourier(ctx context.Context, stream string, made time.Time) error {
	if err := s.q.SetCourier(ctx, db.SetCourierParams{Stream: stream, Incarnation: made.Truncate(time.Microsecond)}); err != nil {
		return fmt.Errorf("note stream %s: %w", stream, err)
	}
	return nil
}

// Republish puts a page of open letters into the outbox again, those after a letter's id. It answers the last id of the page, and
// false when there was none.
func (s *Store) Republish(ctx context.Context, after [16]byte, most int, message func(*OpenLetter) (record.Message, error)) (last [16]byte, more bool, err error) {
	err = pg.InTx(ctx, s.pool, labelRepublish, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := s.q.WithTx(tx).OpenLetters(ctx, db.OpenLettersParams{After: uuid.UUID(after), Most: int32(most)})
		if err != nil {
			return err
		}
		messages := make([]record.Message, len(rows))
		for i, r := range rows {
			messages[i], err = message(&OpenLetter{
				Pipeline: r.Pipeline, Revision: int(r.Revision), DeadAt: r.DeadAt,
				Dead: decide.Dead{
					LetterID: r.LetterID, Run: r.Run, Key: r.Key, KeyHash: r.KeyHash, Generation: int(r.Generation), Entity: r.Entity,
					Code: r.Code, Message: r.Message, Fields: r.Fields, Payload: r.Payload, Place: place(r.Seq, r.Idx), AcceptedAt: r.AcceptedAt,
				},
			})
			if err != nil {
				return err
			}
			last = r.LetterID
		}
		more = len(rows) > 0
		return pg.Enqueue(ctx, tx, Schema, messages...)
	})
	return last, more, err
}
