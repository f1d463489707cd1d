package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/services/ops/internal/store/db"
)

const (
	// rollbackTimeout bounds the end of a snapshot whose caller has gone.
	rollbackTimeout = 5 * time.Second
	// snapshotIdle is how long a snapshot may rest between two queries: longer than other transactions, since what one query gave is written to a
	// reader of unknown speed.
	snapshotIdle = 10 * time.Minute
)

// Snapshot gives fn queries that all see the ledger as it is at the first of them, and can change nothing. It holds a connection, and holds back
// vacuum, as long as fn runs: fn must be bounded in time.
func (s *Store) Snapshot(ctx context.Context, fn func(ctx context.Context, q *db.Queries) error) (err error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin a snapshot: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		err = errors.Join(err, tx.Rollback(end)) // it wrote nothing: there is nothing to commit
	}()
	q := db.New(tx)
	if err := q.AllowIdle(ctx, strconv.FormatInt(snapshotIdle.Milliseconds(), 10)); err != nil {
		return fmt.Errorf("bound the snapshot in time: %w", err)
	}
	return fn(ctx, q)
}
