package ledger

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/memory/ledger/internal/engine"
)

// BeginTx opens a transaction. Isolation levels above READ COMMITTED give one that may only read.
func (h *Handle) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	if err := h.ready(ctx, "begin"); err != nil {
		return nil, err
	}
	repeatable := o.IsoLevel == pgx.RepeatableRead || o.IsoLevel == pgx.Serializable
	if repeatable && o.AccessMode != pgx.ReadOnly {
		return nil, errors.New("the ledger in memory does not know a transaction above READ COMMITTED that writes")
	}
	tx, err := h.begin(repeatable)
	if err != nil {
		return nil, err
	}
	if err := h.after(ctx, "begin"); err != nil {
		h.end(tx, false)
		return nil, err
	}
	return &transaction{h: h, tx: tx}, nil
}

// transaction is a pgx.Tx.
type transaction struct {
	h      *Handle
	tx     *engine.Tx
	closed bool
}

var errUnknown = errors.New("the ledger in memory does not know this")

// Begin would make a savepoint, which the product does not use.
func (t *transaction) Begin(context.Context) (pgx.Tx, error) { return nil, errUnknown }

func (t *transaction) Commit(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}
	t.closed = true
	if err := t.h.ready(ctx, "commit"); err != nil {
		t.h.end(t.tx, false)
		return err
	}
	was, committed := t.h.end(t.tx, true)
	switch {
	case !was:
		if err := t.h.ended(); err != nil {
			return err
		}
		return pgx.ErrTxClosed
	case !committed:
		return pgx.ErrTxCommitRollback
	}
	return t.h.after(ctx, "commit")
}

func (t *transaction) Rollback(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}
	t.closed = true
	// It is undone whatever becomes of the asking.
	err := t.h.ready(ctx, "rollback")
	t.h.end(t.tx, false)
	return err
}

func (t *transaction) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if t.closed {
		return 0, pgx.ErrTxClosed
	}
	return t.h.copyFrom(ctx, t.tx, table, columns, source)
}

func (t *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.closed {
		return pgconn.CommandTag{}, pgx.ErrTxClosed
	}
	return t.h.exec(ctx, t.tx, sql, args)
}

func (t *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.closed {
		return &rows{err: pgx.ErrTxClosed, at: -1}, pgx.ErrTxClosed
	}
	return t.h.query(ctx, t.tx, sql, args)
}

func (t *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.closed {
		return oneRow{nil, pgx.ErrTxClosed}
	}
	return t.h.queryRow(ctx, t.tx, sql, args)
}

func (t *transaction) SendBatch(context.Context, *pgx.Batch) pgx.BatchResults { return noBatch{} }

func (t *transaction) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

func (t *transaction) Prepare(context.Context, string, string) (*pgconn.StatementDescription, error) {
	return nil, errUnknown
}

// Conn is nil: there is no connection.
func (t *transaction) Conn() *pgx.Conn { return nil }

// noBatch answers every part of a batch, which the product does not use, with an error.
type noBatch struct{}

func (noBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, errUnknown }
func (noBatch) Query() (pgx.Rows, error)         { return &rows{err: errUnknown, at: -1}, errUnknown }
func (noBatch) QueryRow() pgx.Row                { return oneRow{nil, errUnknown} }
func (noBatch) Close() error                     { return errUnknown }
func (noBatch) Tx() pgx.Tx                       { return nil }
