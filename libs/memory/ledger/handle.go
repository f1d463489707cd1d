package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/memory/ledger/internal/engine"
	"bulkhead/libs/memory/ledger/internal/value"
	"bulkhead/libs/pg"
)

// Handle is a database as one instance of a service holds it. It is for any number of goroutines.
type Handle struct {
	// Before is asked before every statement, also before BEGIN, COMMIT and ROLLBACK, with its text. An error is what the caller gets, and of a
	// transaction it is the end: nothing of it is kept. It may wait. Set it before the handle is used.
	Before func(ctx context.Context, sql string) error
	// After is asked when a statement has been run, and what it did is done: an error after COMMIT is an answer that was lost.
	After func(ctx context.Context, sql string) error

	// Random gives numbers in [0,1) for the waits of who repeats a transaction, see [Handle.Draw]; nil = math/rand's. Set it before the handle is used.
	Random func() float64

	owner  string
	store  *engine.Store
	server *server

	mu   sync.Mutex
	cut  error
	gone chan struct{} // closed by Cut, or when the server stops; made when first needed
	open []*engine.Tx  // in the order in which they began
}

var _ pg.DB = (*Handle)(nil)

// ErrClosed is what a handle says that was closed.
var ErrClosed = errors.New("the ledger is closed")

// Draw gives the next of the handle's random numbers, in [0,1): pg.InTx waits by it.
func (h *Handle) Draw() float64 {
	if h.Random == nil {
		return rand.Float64() //nolint:gosec // a wait, not a secret
	}
	return h.Random()
}

// Cut ends the handle: every call of it fails with err from now on, also those that wait, and what its open transactions did is undone.
func (h *Handle) Cut(err error) {
	h.mu.Lock()
	if h.cut != nil {
		h.mu.Unlock()
		return
	}
	h.cut = err
	close(h.goneLocked())
	open := h.open
	h.open = nil
	h.mu.Unlock()
	h.server.leave(h)
	for _, tx := range open {
		h.store.End(tx, false)
	}
}

func (h *Handle) goneLocked() chan struct{} {
	if h.gone == nil {
		h.gone = make(chan struct{})
	}
	return h.gone
}

// Close ends the handle.
func (h *Handle) Close() { h.Cut(ErrClosed) }

// Ping says whether the handle still works.
func (h *Handle) Ping(ctx context.Context) error { return h.ready(ctx, "ping") }

func (h *Handle) ready(ctx context.Context, sql string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := h.ended(); err != nil {
		return err
	}
	if h.Before != nil {
		if err := h.Before(ctx, sql); err != nil {
			return err
		}
	}
	return h.ended()
}

func (h *Handle) ended() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.endedLocked()
}

func (h *Handle) endedLocked() error {
	switch {
	case h.cut != nil:
		return fmt.Errorf("ledger of %s: %w", h.owner, h.cut)
	case h.server.down():
		return fmt.Errorf("ledger of %s: %w", h.owner, ErrStopped)
	}
	return nil
}

func (h *Handle) after(ctx context.Context, sql string) error {
	if err := h.ended(); err != nil {
		return err
	}
	if h.After == nil {
		return nil
	}
	return h.After(ctx, sql)
}

// begin opens a transaction that ends with the handle.
func (h *Handle) begin(repeatable bool) (*engine.Tx, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.endedLocked(); err != nil {
		return nil, err
	}
	tx := h.store.Begin(repeatable, h.goneLocked())
	h.open = append(h.open, tx)
	return tx, nil
}

func (h *Handle) end(tx *engine.Tx, commit bool) (was, committed bool) {
	was, committed = h.store.End(tx, commit)
	h.mu.Lock()
	h.open = slices.DeleteFunc(h.open, func(other *engine.Tx) bool { return other == tx })
	h.mu.Unlock()
	return was, committed
}

// run runs a statement in a transaction.
func (h *Handle) run(ctx context.Context, tx *engine.Tx, sql string, args []any) (*engine.Plan, engine.Result, error) {
	plan, err := h.store.Prepare(sql)
	if err != nil {
		return nil, engine.Result{}, err
	}
	params, err := bind(plan.Params, args)
	if err != nil {
		return nil, engine.Result{}, err
	}
	result, err := h.store.Run(ctx, tx, plan, params)
	if err != nil && h.ended() != nil {
		err = h.ended()
	}
	return plan, result, err
}

// statement runs one statement, in a transaction of its own where tx is nil.
func (h *Handle) statement(ctx context.Context, tx *engine.Tx, sql string, args []any) (*engine.Plan, engine.Result, error) {
	if err := h.ready(ctx, sql); err != nil {
		if tx != nil && ctx.Err() == nil {
			h.end(tx, false)
		}
		return nil, engine.Result{}, err
	}
	own := tx == nil
	if own {
		var err error
		if tx, err = h.begin(false); err != nil {
			return nil, engine.Result{}, err
		}
		defer h.end(tx, false)
	}
	plan, result, err := h.run(ctx, tx, sql, args)
	if err != nil {
		return nil, engine.Result{}, err
	}
	if own {
		if was, _ := h.end(tx, true); !was {
			return nil, engine.Result{}, fmt.Errorf("ledger of %s: %w", h.owner, errors.Join(ErrStopped, h.ended()))
		}
	}
	if err := h.after(ctx, sql); err != nil {
		return nil, engine.Result{}, err
	}
	return plan, result, nil
}

// Exec runs a statement.
func (h *Handle) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return h.exec(ctx, nil, sql, args)
}

func (h *Handle) exec(ctx context.Context, tx *engine.Tx, sql string, args []any) (pgconn.CommandTag, error) {
	_, result, err := h.statement(ctx, tx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return tagOf(result), nil
}

func tagOf(r engine.Result) pgconn.CommandTag {
	switch r.Tag {
	case "SELECT", "INSERT 0", "UPDATE", "DELETE":
		return pgconn.NewCommandTag(fmt.Sprintf("%s %d", r.Tag, r.N))
	}
	return pgconn.NewCommandTag(r.Tag)
}

// Query runs a statement and gives its rows, which are all there already: further statements may follow before they are read.
func (h *Handle) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return h.query(ctx, nil, sql, args)
}

func (h *Handle) query(ctx context.Context, tx *engine.Tx, sql string, args []any) (pgx.Rows, error) {
	plan, result, err := h.statement(ctx, tx, sql, args)
	if err != nil {
		return &rows{err: err, at: -1}, err
	}
	return &rows{plan: plan, all: result.Rows, at: -1, tag: tagOf(result)}, nil
}

// QueryRow runs a statement and gives its first row.
func (h *Handle) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return h.queryRow(ctx, nil, sql, args)
}

func (h *Handle) queryRow(ctx context.Context, tx *engine.Tx, sql string, args []any) pgx.Row {
	r, err := h.query(ctx, tx, sql, args)
	return oneRow{r, err}
}

// CopyFrom inserts many rows, all or none.
func (h *Handle) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	tx, err := h.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return 0, err
	}
	n, err := tx.CopyFrom(ctx, table, columns, source)
	if err != nil {
		return 0, errors.Join(err, ignoreClosed(tx.Rollback(ctx)))
	}
	return n, tx.Commit(ctx)
}

func ignoreClosed(err error) error {
	if errors.Is(err, pgx.ErrTxClosed) {
		return nil
	}
	return err
}

func (h *Handle) copyFrom(ctx context.Context, tx *engine.Tx, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if len(table) != 2 {
		return 0, value.Error("42P01", "relation %s does not exist: write schema and table", table.Sanitize())
	}
	quoted := make([]string, len(columns))
	marks := make([]string, len(columns))
	for i, c := range columns {
		quoted[i], marks[i] = pgx.Identifier{c}.Sanitize(), fmt.Sprintf("$%d", i+1)
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table.Sanitize(), strings.Join(quoted, ", "), strings.Join(marks, ", "))
	if err := h.ready(ctx, "COPY "+table.Sanitize()); err != nil {
		if ctx.Err() == nil {
			h.end(tx, false)
		}
		return 0, err
	}
	n := int64(0)
	for source.Next() {
		values, err := source.Values()
		if err != nil {
			return 0, err
		}
		if _, _, err := h.run(ctx, tx, sql, slices.Clone(values)); err != nil {
			return 0, err
		}
		n++
	}
	if err := source.Err(); err != nil {
		return 0, err
	}
	return n, h.after(ctx, "COPY "+table.Sanitize())
}

// Listen calls heard once when it listens and after every notification on the channel, until ctx ends or the handle is cut. Notifications that come
// together are heard as one.
func (h *Handle) Listen(ctx context.Context, channel string, heard func()) error {
	if err := h.ready(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	h.mu.Lock()
	gone := h.goneLocked()
	h.mu.Unlock()
	notes, stop := h.store.Listen(channel)
	defer stop()
	for {
		heard()
		select {
		case <-notes:
		case <-gone:
			if err := h.ended(); err != nil {
				return err
			}
			return fmt.Errorf("ledger of %s: %w", h.owner, ErrStopped)
		case <-ctx.Done():
			return fmt.Errorf("listen: %w", ctx.Err())
		}
	}
}
