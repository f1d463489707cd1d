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

// Failure is one record that did not land and may be sent again, without its payload.
type Failure struct {
	ID                  int64
	Row, Record         int
	Pipeline            string
	Revision, Lane      int
	Run                 string
	KeyHash, EntityHash record.Hash
	Generation          int
	Place               record.Place
	// Attempt is the number of counted tries of this generation, the last one included where it counts.
	Attempt     int
	Outcome     record.Outcome
	Class, Code string
	// Tries bounds the tries where the error's own rule says less than its class; 0 = as its class says.
	Tries int
	// Attempts is the list of every try so far, as JSON; empty unless the outcome is unprocessed.
	Attempts []byte
	// Version is what the record's own version says; nil where its definition names none.
	Version record.Version
}

// Body is everything that the ledger holds on a failure: what a dead letter says.
type Body struct {
	ID                    int64
	Chunk                 uuid.UUID
	Row, Record           int
	Pipeline              string
	Revision              int
	Run, Key              string
	KeyHash               record.Hash
	Generation            int
	Entity                string
	Place                 record.Place
	AcceptedAt            time.Time
	Outcome               record.Outcome
	Class, Code, Message  string
	Fields, Header, Cells []string
	Payload, Attempts     []byte
}

// Dead is one record whose tries are used up.
type Dead struct {
	LetterID             uuid.UUID
	FailureID            int64
	Pipeline, Run, Key   string
	KeyHash              record.Hash
	Generation           int
	Class, Code, Message string
	At                   time.Time
}

// OutcomeRows is how many rows a reconciled chunk has; false while its outcome row does not exist: before it no row may be taken.
func (s *Store) OutcomeRows(ctx context.Context, chunk uuid.UUID) (int, bool, error) {
	rows, err := s.read().OutcomeRows(ctx, chunk)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return int(rows), err == nil, err
}

// ChunksToTake lists chunks with failures to retry that nobody has taken, at most limit.
func (s *Store) ChunksToTake(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.read().ChunksToTake(ctx, int32(limit))
}

// Failures are the failures to retry among the rows of a reconciled chunk from one up to, not including, another, ordered by row and record. They never
// change.
func (s *Store) Failures(ctx context.Context, chunk uuid.UUID, from, to int) ([]Failure, error) {
	rows, err := s.read().FailuresToRetry(ctx, db.FailuresToRetryParams{Chunk: chunk, FromRow: int32(from), ToRow: int32(to)})
	if err != nil {
		return nil, err
	}
	out := make([]Failure, len(rows))
	for i, r := range rows {
		out[i] = Failure{
			ID: r.ID, Row: int(r.Row), Record: int(r.Record), Pipeline: r.Pipeline, Revision: int(r.Revision), Lane: int(r.Lane), Run: r.Run,
			KeyHash: r.KeyHash, EntityHash: r.EntityHash, Generation: int(r.Generation),
			Place:   record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)},
			Attempt: int(r.Attempt), Outcome: record.Outcome(r.Outcome), Class: r.Class, Code: r.Code, Tries: int(r.Tries), Attempts: r.Attempts,
			Version: r.Version,
		}
	}
	return out, nil
}

// Bodies reads failures with their payloads, in the order of their ids.
func (s *Store) Bodies(ctx context.Context, ids []int64) ([]Body, error) {
	rows, err := s.read().FailureBodies(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Body, len(rows))
	for i, r := range rows {
		out[i] = Body{
			ID: r.ID, Chunk: r.Chunk, Row: int(r.Row), Record: int(r.Record), Pipeline: r.Pipeline, Revision: int(r.Revision), Run: r.Run,
			Key: r.Key, KeyHash: r.KeyHash, Generation: int(r.Generation), Entity: r.Entity,
			Place: record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, AcceptedAt: r.AcceptedAt,
			Outcome: record.Outcome(r.Outcome), Class: r.Class, Code: r.Code, Message: r.Message,
			Fields: r.Fields, Header: r.Header, Cells: r.Cells, Payload: r.Payload, Attempts: r.Attempts,
		}
	}
	return out, nil
}

// Portion is what some of a chunk's failures become: they wait, or they are dead, with the letters that tell of them.
type Portion struct {
	Waiting []Waiting
	Dead    []Dead
	Letters []record.Message
}

// Portions hands out what a chunk's failures become, from the first one each time that it is called.
type Portions func(ctx context.Context, take func(Portion) error) error

// Take moves a chunk's failures to their wait or to the dead. pg.ErrLost: the chunk was taken before.
func (s *Store) Take(ctx context.Context, chunk uuid.UUID, portions Portions) error {
	return s.move(ctx, PointTake, func(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
		n, err := q.TakeChunk(ctx, chunk)
		if err != nil {
			return err
		}
		if n == 0 {
			return pg.ErrLost
		}
		return portions(ctx, func(p Portion) error {
			if err := insertWaiting(ctx, q, p.Waiting); err != nil {
				return err
			}
			if len(p.Dead) == 0 {
				return nil
			}
			rows := make([]db.InsertDeadParams, len(p.Dead))
			for i, d := range p.Dead {
				rows[i] = db.InsertDeadParams{
					LetterID: d.LetterID, FailureID: d.FailureID, Pipeline: d.Pipeline, Run: d.Run, Key: d.Key, KeyHash: d.KeyHash,
					Generation: int16(d.Generation), Class: d.Class, Code: d.Code, Message: d.Message, DeadAt: d.At,
				}
			}
			if _, err := q.InsertDead(ctx, rows); err != nil {
				return err
			}
			return pg.Enqueue(ctx, tx, Schema, p.Letters...)
		})
	})
}
