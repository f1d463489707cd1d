package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store/db"
)

// OpenLetter is a letter of the retrier that still waits for a person.
type OpenLetter struct {
	ID          uuid.UUID
	FailureID   int64
	Class, Code string
	DeadAt      time.Time
}

// DLQIncarnation is when the DLQ stream was made that holds the retrier's letters; false before the first.
func (s *Store) DLQIncarnation(ctx context.Context) (time.Time, bool, error) {
	at, err := s.read().DLQIncarnation(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, false, nil
	}
	return at, err == nil, err
}

// NoteDLQ stores the first incarnation seen. pg.ErrLost: another instance did.
func (s *Store) NoteDLQ(ctx context.Context, incarnation time.Time) error {
	return s.move(ctx, PointLetters, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return lostIfNone(q.NoteDLQ(ctx, incarnation))
	})
}

// MoveDLQ stores that every open letter has been enqueued for another incarnation. pg.ErrLost: another instance did.
func (s *Store) MoveDLQ(ctx context.Context, was, is time.Time) error {
	return s.move(ctx, PointLetters, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return lostIfNone(q.MoveDLQ(ctx, db.MoveDLQParams{Was: was, Incarnation: is}))
	})
}

// OpenLetters lists open letters by id, those after the given one, at most limit.
func (s *Store) OpenLetters(ctx context.Context, after uuid.UUID, limit int) ([]OpenLetter, error) {
	rows, err := s.read().OpenLetters(ctx, db.OpenLettersParams{After: after, MaxLetters: int32(limit)})
	if err != nil {
		return nil, err
	}
	out := make([]OpenLetter, len(rows))
	for i, r := range rows {
		out[i] = OpenLetter{ID: r.LetterID, FailureID: r.FailureID, Class: r.Class, Code: r.Code, DeadAt: r.DeadAt}
	}
	return out, nil
}

// Enqueue hands messages to the relay.
func (s *Store) Enqueue(ctx context.Context, messages []record.Message) error {
	return s.move(ctx, PointLetters, func(ctx context.Context, tx pgx.Tx, _ *db.Queries) error {
		return pg.Enqueue(ctx, tx, Schema, messages...)
	})
}

// WaitingByPipeline counts waiting records.
func (s *Store) WaitingByPipeline(ctx context.Context) (map[string]int64, error) {
	rows, err := s.read().WaitingByPipeline(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(rows))
	for _, r := range rows {
		out[r.Pipeline] = r.Records
	}
	return out, nil
}

// ClassCount counts the waiting records of one pipeline and class.
type ClassCount struct {
	Pipeline, Class string
	Records         int64
}

// WaitingByClass counts waiting records for the metrics.
func (s *Store) WaitingByClass(ctx context.Context) ([]ClassCount, error) {
	rows, err := s.read().WaitingByClass(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]ClassCount, len(rows))
	for i, r := range rows {
		out[i] = ClassCount{Pipeline: r.Pipeline, Class: r.Class, Records: r.Records}
	}
	return out, nil
}

// Pause is a pause that the retrier stated.
type Pause struct {
	ID             uuid.UUID
	Pipeline, Code string
}

// Pauses lists the retrier's pauses, lifted ones too.
func (s *Store) Pauses(ctx context.Context) ([]Pause, error) {
	rows, err := s.read().Pauses(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Pause, len(rows))
	for i, r := range rows {
		out[i] = Pause{ID: r.ID, Pipeline: r.Pipeline, Code: r.Code}
	}
	return out, nil
}

// PausePipeline states a pause. pg.ErrLost: one with this code stands already, lifted or not.
func (s *Store) PausePipeline(ctx context.Context, pipeline, class, code, message string) error {
	return s.move(ctx, PointPause, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return lostIfNone(q.InsertPause(ctx, db.InsertPauseParams{ID: uuid.New(), Pipeline: pipeline, Class: class, Code: code, Message: message}))
	})
}

// EndPause removes a pause whose cause is over. pg.ErrLost: it is gone.
func (s *Store) EndPause(ctx context.Context, id uuid.UUID) error {
	return s.move(ctx, PointPause, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return lostIfNone(q.DeletePause(ctx, id))
	})
}

func lostIfNone(n int64, err error) error {
	if err == nil && n == 0 {
		return pg.ErrLost
	}
	return err
}
