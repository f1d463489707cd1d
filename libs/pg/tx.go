package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/fault"
)

// txTries is how often a transaction is tried that the server ended for another one's sake.
const txTries = 5

// endTimeout bounds commit and rollback. They do not end with the caller's context: a commit that is cut off leaves
// nobody knowing whether it happened.
const endTimeout = 15 * time.Second

// InTx runs fn in one transaction (read committed) and commits it when fn returns nil. When the server ends it for the
// sake of another one (serialization failure, deadlock) it is run again, up to five times: fn must not keep what it did
// in an earlier try. label names it, as "<service>.<step>", in errors and in the fault points label.before_commit and
// label.after_commit. An error that wraps ErrCommitUnknown means that the transaction may have happened.
func InTx(ctx context.Context, pool DB, label string, fn func(context.Context, pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := tryTx(ctx, pool, label, fn)
		if err == nil || try == txTries || !isContended(err) || ctx.Err() != nil {
			return err
		}
		// A few milliseconds apart, so that the same two do not meet again at once.
		timer := time.NewTimer(apart(pool, try))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

func apart(pool DB, try int) time.Duration {
	draw := rand.Float64
	if g, ok := pool.(gambler); ok {
		draw = g.Draw
	}
	return time.Duration(try) * time.Duration(1+int(10*draw())) * time.Millisecond
}

func tryTx(ctx context.Context, pool DB, label string, fn func(context.Context, pgx.Tx) error) error {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return fmt.Errorf("%s: begin: %w", label, err)
	}
	ended := false
	defer func() { // also when fn panics: the connection must not go back with an open transaction
		if !ended {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
			defer cancel()
			_ = tx.Rollback(ending)
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return fmt.Errorf("%s: %w", label, err)
	}
	if err := fault.Point(ctx, label+".before_commit"); err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	ended = true
	if err := tx.Commit(ending); err != nil {
		return commitError(label, err)
	}
	return fault.Point(ctx, label+".after_commit")
}

// commitError tells a commit that was refused from one whose answer was lost.
func commitError(label string, err error) error {
	var pgErr *pgconn.PgError
	// Class 57 (the server is being shut down, 57P01 to 57P03) also arrives instead of an answer to a commit that was made.
	definite := errors.As(err, &pgErr) && pgErr.Code[:2] != "57"
	if definite || errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pgx.ErrTxClosed) {
		return fmt.Errorf("%s: commit: %w", label, err)
	}
	return fmt.Errorf("%s: %w: %w", label, ErrCommitUnknown, err)
}

func isContended(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "40001" || pgErr.Code == "40P01") && !errors.Is(err, ErrCommitUnknown)
}
