// Package store is ops' ledger in PostgreSQL: orgs and definitions, the index of dead letters and their later life, decisions on unresolved
// records, orders to read a part of a stream again, actions, pauses and lifts, the audit trail, and the checkpoint of the DLQ reader. It writes
// the schema ops and nothing else.
//
// Every move is one function and one transaction: its guard, its effect, its audit entry and the messages that follow commit together. A guard
// that is already set answers [pg.ErrLost]: somebody was first, and nothing was written.
//
// Others may read the views of schema ops_pub: orgs, definitions, pauses, lifts, replays, letters, decisions, rereads. It reads the
// views of every other service; reads go through [Store.Read], whose queries stand in queries/.
package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/services/ops/internal/store/db"
)

// Names of the fault points around each move's commit: ".before_commit" and ".after_commit" are added to them.
const (
	PointApply  = "ops.apply"
	PointResume = "ops.resume"
	PointAction = "ops.action"
	PointNote   = "ops.note"
	PointClose  = "ops.close"
	PointReader = "ops.reader"
)

// Store gives ops' reads and moves. It is safe for concurrent use.
type Store struct {
	pool pg.DB
}

// New makes a store over a pool whose role is that of ops.
func New(pool pg.DB) *Store { return &Store{pool: pool} }

// Read gives the queries outside any transaction. Only reads belong there.
func (s *Store) Read() *db.Queries { return db.New(s.pool) }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// move runs one legal move in a transaction of its own.
func (s *Store) move(ctx context.Context, label string, fn func(context.Context, pgx.Tx, *db.Queries) error) error {
	return pg.InTx(ctx, s.pool, label, func(ctx context.Context, tx pgx.Tx) error {
		return fn(ctx, tx, db.New(tx))
	})
}

func lostIfNone(n int64, err error) error {
	if err == nil && n == 0 {
		return pg.ErrLost
	}
	return err
}

// audit is one entry of the trail; detail is JSON.
func audit(ctx context.Context, q *db.Queries, by, action, target, reason, detail string) error {
	if detail == "" {
		detail = "{}"
	}
	if err := q.InsertAudit(ctx, db.InsertAuditParams{By: by, Action: action, Target: target, Reason: reason, Detail: []byte(detail)}); err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}

// noRows says whether a read found nothing.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
