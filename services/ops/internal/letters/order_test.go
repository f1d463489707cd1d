package letters_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

// An order by filter moves all that the filter matches in one transaction, which may take minutes.
func TestLongOrders(t *testing.T) {
	t.Run("a statement of an order may take as long as the order, and somewhat longer than whoever waits for it", func(t *testing.T) {
		b := setup(t)
		b.dead(2)
		watched := &watchedDB{DB: b.ops}
		x := letters.New(letters.Config{Store: store.New(watched), Owner: "a", Lease: time.Minute, Logger: testkit.Logger(t)})
		const bound = 15 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		defer cancel()
		for i, kind := range []string{store.ActionReplay, store.ActionDiscard} {
			b.Exec(`UPDATE ops.letters SET state = 'open'`)
			if _, err := x.Order(ctx, letters.Order{
				Kind: kind, HasFilter: true, Filter: store.Filter{Class: "data"}, Expected: count(2), Reason: "why", Key: kind, By: "kim",
			}); err != nil {
				t.Fatal(err)
			}
			if len(watched.bounds) != i+1 {
				t.Fatalf("transactions %v", watched.bounds)
			}
			if d := watched.bounds[i]; d <= bound-time.Minute || d > bound+2*time.Minute {
				t.Errorf("a %s allows a statement %s", kind, d)
			}
		}
	})
	t.Run("an order whose key or letters another one holds says so, does nothing, and can be given again", func(t *testing.T) {
		b := setup(t)
		ids := b.dead(1)
		held := &watchedDB{DB: b.ops, held: true}
		x := letters.New(letters.Config{Store: store.New(held), Owner: "a", Lease: time.Minute, Logger: testkit.Logger(t)})
		order := letters.Order{Kind: store.ActionReplay, IDs: ids, Key: "k", By: "kim"}
		_, err := x.Order(t.Context(), order)
		if e, ok := errors.AsType[*letters.UnavailableError](err); !ok || !strings.Contains(e.Error(), "ask again with the same key") {
			t.Errorf("error %v", err)
		}
		held.held = false
		if done, err := x.Order(t.Context(), order); err != nil || done.Moved != 1 || done.Repeated {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("the reader goes on while an order moves letters whose messages it comes to", func(t *testing.T) {
		b := setup(t).withBroker()
		b.dead(1) // found in the deciders' views, before its message was read
		x := b.index("a")
		tx, err := b.ops.BeginTx(t.Context(), pgx.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.Background()) //nolint:usetesting // behind the test's own end
		if _, err := tx.Exec(t.Context(), `UPDATE ops.letters SET state = 'replaying', changed_at = now()`); err != nil {
			t.Fatal(err)
		}
		b.publish("d0", 0)
		b.publish("b", 0)
		for got := 0; got < 2; {
			n, err := x.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters`); n != 2 {
			t.Errorf("%d letters", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages WHERE letter_id = $1`, fixture.LetterID("d0", 0)); n != 1 {
			t.Errorf("%d messages of the letter that is moved", n)
		}
	})
}

// watchedDB is a ledger that notes how long a statement of each transaction might take at its end; while it is held, what is to be inserted is locked.
type watchedDB struct {
	pg.DB

	held   bool
	bounds []time.Duration
}

func (d *watchedDB) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	tx, err := d.DB.BeginTx(ctx, o)
	return &watchedTx{Tx: tx, db: d}, err
}

type watchedTx struct {
	pgx.Tx

	db *watchedDB
}

func (tx *watchedTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if tx.db.held {
		return pgconn.CommandTag{}, &pgconn.PgError{Severity: "ERROR", Code: "55P03", Message: "canceling statement due to lock timeout"}
	}
	return tx.Tx.Exec(ctx, sql, args...)
}

func (tx *watchedTx) Commit(ctx context.Context) error {
	var text string
	if err := tx.QueryRow(ctx, `SELECT coalesce(current_setting('statement_timeout', true), '0')`).Scan(&text); err != nil {
		return err
	}
	bound, err := settingOf(text)
	if err != nil {
		return err
	}
	tx.db.bounds = append(tx.db.bounds, bound)
	return tx.Tx.Commit(ctx)
}

// settingOf reads a time as PostgreSQL shows settings: of milliseconds the largest unit that is whole.
func settingOf(text string) (time.Duration, error) {
	switch {
	case strings.HasSuffix(text, "min"):
		text = strings.TrimSuffix(text, "in")
	case !strings.HasSuffix(text, "s"):
		text += "ms"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("statement_timeout: %w", err)
	}
	return d, nil
}
