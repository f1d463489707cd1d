// Package store is the retrier's ledger in PostgreSQL: who waits until when (waiting), the resend chunks made of them (chunks, chunk_runs, pieces,
// resent), who is exhausted (dead), and the guards taken, letters_taken and resolutions_taken. It writes the schema retrier and nothing else.
//
// Every move is one function and one transaction: its guard, its effect and the messages that follow from it commit together.
// A guard that is already set answers [pg.ErrLost]: somebody was first, and nothing was written.
//
// Others may read the views of schema retrier_pub: taken, letters_taken, resolutions_taken, waiting, chunks, chunk_runs, pieces, resent, dead,
// pauses. It reads reconciler_pub.outcomes, .outcome_runs, .failures and .resolutions, extractor_pub.columns, .readers and .letters_taken, ops_pub.replays and
// .letters.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store/db"
)

// uniqueViolation is PostgreSQL's error code for a row that is already there (documentation, appendix A).
const uniqueViolation = "23505"

// Store gives the retrier's reads and moves. It is safe for concurrent use.
type Store struct {
	pool pg.DB
}

// New makes a store over a pool whose role is the retrier's.
func New(pool pg.DB) *Store { return &Store{pool: pool} }

// Clock is the ledger's clock.
func (s *Store) Clock() pg.Clock { return pg.ClockOf(s.pool) }

func (s *Store) read() *db.Queries { return db.New(s.pool) }

// move runs one legal move in a transaction of its own.
func (s *Store) move(ctx context.Context, label string, fn func(context.Context, pgx.Tx, *db.Queries) error) error {
	err := pg.InTx(ctx, s.pool, label, func(ctx context.Context, tx pgx.Tx) error {
		return fn(ctx, tx, db.New(tx))
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == uniqueViolation {
		return fmt.Errorf("%w: %s", pg.ErrLost, e.ConstraintName)
	}
	return err
}

// Waiting is one record that waits to be sent again.
type Waiting struct {
	// FailureID is the row of reconciler_pub.failures that holds its cells and payload.
	FailureID int64
	// UnitChunk and UnitRow name what it waits and goes together with.
	UnitChunk uuid.UUID
	UnitRow   int
	// LetterID is the letter that a replay sends again; nil for a retry.
	LetterID            *uuid.UUID
	Pipeline            string
	Revision, Lane      int
	Run                 string
	KeyHash, EntityHash record.Hash
	Generation          int
	Place               record.Place
	Class, Code         string
	Attempt             int
	Reason              string
	Due, Since          time.Time
	// Version is what the record's own version says; nil where its definition names none.
	Version record.Version
}

func insertWaiting(ctx context.Context, q *db.Queries, waiting []Waiting) error {
	if len(waiting) == 0 {
		return nil
	}
	rows := make([]db.InsertWaitingParams, len(waiting))
	for i, w := range waiting {
		rows[i] = db.InsertWaitingParams{
			FailureID: w.FailureID, UnitChunk: w.UnitChunk, UnitRow: int32(w.UnitRow), LetterID: nullUUID(w.LetterID),
			Pipeline: w.Pipeline, Revision: int32(w.Revision), Lane: int32(w.Lane), Run: w.Run,
			KeyHash: w.KeyHash, EntityHash: w.EntityHash, Generation: int16(w.Generation),
			Seq: int64(w.Place.Seq), Idx: int32(w.Place.Idx), Class: w.Class, Code: w.Code, Attempt: int16(w.Attempt),
			Reason: w.Reason, DueAt: w.Due, Since: w.Since, Version: w.Version,
		}
	}
	_, err := q.InsertWaiting(ctx, rows)
	return err
}

func nullUUID(id *uuid.UUID) uuid.NullUUID {
	if id == nil {
		return uuid.NullUUID{}
	}
	return uuid.NullUUID{UUID: *id, Valid: true}
}

func uuidOf(id uuid.NullUUID) *uuid.UUID {
	if !id.Valid {
		return nil
	}
	return &id.UUID
}
