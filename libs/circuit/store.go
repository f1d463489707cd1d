package circuit

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// store is the circuits on the ledger.
type store struct {
	db                       pg.DB
	service                  string
	lock, clock, rows, write string
}

func newStore(db pg.DB, service string) store {
	text := func(name string) string {
		sql, err := sqlFiles.ReadFile("sql/" + name + ".sql")
		if err != nil {
			panic(err) // embedded above
		}
		return strings.ReplaceAll(string(sql), "@schema", pgx.Identifier{service}.Sanitize())
	}
	return store{db: db, service: service, lock: text("lock"), clock: text("clock"), rows: text("read"), write: text("write")}
}

// querier is a ledger or a transaction on it.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// read is what the services know of an org, and the ledger's clock; zero if they know nothing.
func (s store) read(ctx context.Context, org string) ([]row, time.Time, error) {
	return s.readIn(ctx, s.db, org)
}

func (s store) readIn(ctx context.Context, db querier, org string) (known []row, now time.Time, err error) {
	rows, err := db.Query(ctx, s.rows, org)
	if err != nil {
		return nil, now, fmt.Errorf("read the circuit of org %s: %w", org, err)
	}
	known, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var out row
		var class string
		err := r.Scan(&out.service, &class, &out.failures, &out.cause, &out.openedAt, &out.failedAt, &out.nextCallAt, &out.closedAt, &now)
		out.class = record.Class(class)
		return out, err
	})
	if err != nil {
		return nil, now, fmt.Errorf("read the circuit of org %s: %w", org, err)
	}
	return known, now, nil
}

// change gives decide the circuit and the ledger's clock, and stores what it decides as this service's row, unless it decides nothing. Nobody else changes
// the circuit meanwhile. What the circuit is then is told to known, with the moment of this process at which it was so at the latest.
func (s store) change(ctx context.Context, org string, decide func(state, time.Time) (row, bool), known func(s state, now, at time.Time)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("change the circuit of org %s: %w", org, err)
		}
	}()
	tx, err := s.db.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime)
			defer cancel()
			_ = tx.Rollback(ending)
		}
	}()
	if _, err := tx.Exec(ctx, s.lock, org); err != nil {
		return err
	}
	var now time.Time
	if err := tx.QueryRow(ctx, s.clock).Scan(&now); err != nil {
		return err
	}
	asked := time.Now()
	rows, _, err := s.readIn(ctx, tx, org)
	if err != nil {
		return err
	}
	is := merge(rows)
	next, changes := decide(is, now)
	if !changes {
		known(is, now, asked)
		return nil
	}
	if err := s.writeIn(ctx, tx, org, next); err != nil {
		return err
	}
	ended = true
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	known(merge(replaced(rows, s.service, next)), now, asked)
	return nil
}

func (s store) writeIn(ctx context.Context, tx pgx.Tx, org string, r row) error {
	_, err := tx.Exec(ctx, s.write, org, string(r.class), r.failures, r.cause, r.openedAt, r.failedAt, r.nextCallAt, r.closedAt)
	return err
}

// replaced is what the services know once this one knows something new.
func replaced(rows []row, service string, next row) []row {
	next.service = service
	out := []row{next}
	for _, r := range rows {
		if r.service != service {
			out = append(out, r)
		}
	}
	return out
}
