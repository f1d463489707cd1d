package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store/db"
)

// Letter is a failure whose letter may have to be published again.
type Letter = db.OpenLettersRow

// Republish takes one step of publishing the open letters into the DLQ stream, which has to be given them all since the time given: up to
// limit of them, as message makes them. It returns how many letters it looked at; 0 means that the stream has them all.
func (s *Store) Republish(ctx context.Context, incarnation time.Time, limit int, message func(Letter) (record.Message, error)) (int, error) {
	// PostgreSQL keeps microseconds, the broker nanoseconds.
	incarnation = incarnation.Truncate(time.Microsecond)
	looked := 0
	err := pg.InTx(ctx, s.pool, txRepublish, func(ctx context.Context, tx pgx.Tx) error {
		looked = 0
		q := db.New(tx)
		at, err := q.DLQ(ctx)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !at.Incarnation.Equal(incarnation) && !planted.On(planted.CheckpointWithoutIncarnation) {
			// Zero rows: another instance saw the new stream first. Either way the row is read again.
			if _, err := q.BeginDLQ(ctx, incarnation); err != nil {
				return err
			}
			at, err = q.DLQ(ctx)
		}
		if err != nil || at.FailureID >= at.UpTo {
			return err
		}
		letters, err := q.OpenLetters(ctx, db.OpenLettersParams{After: at.FailureID, UpTo: at.UpTo, MaxRows: int32(limit)})
		if err != nil {
			return err
		}
		next := at.UpTo
		if len(letters) == limit {
			next = letters[limit-1].ID
		}
		if err := won(q.MoveDLQ(ctx, db.MoveDLQParams{FailureID: next, Incarnation: incarnation, OldFailureID: at.FailureID})); err != nil {
			return err
		}
		for _, l := range letters {
			if !l.Open {
				continue
			}
			m, err := message(l)
			if err != nil {
				return err
			}
			if err := pg.Enqueue(ctx, tx, Schema, m); err != nil {
				return err
			}
		}
		looked = len(letters)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("publish letters again: %w", err)
	}
	return looked, nil
}
