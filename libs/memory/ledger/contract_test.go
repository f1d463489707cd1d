package ledger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, db pg.DB) pgx.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), pgx.TxOptions{})
	must(t, err)
	return tx
}

func exec(t testing.TB, db interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}, sql string, args ...any,
) int64 {
	t.Helper()
	tag, err := db.Exec(t.Context(), sql, args...)
	must(t, err)
	return tag.RowsAffected()
}

func number(t testing.TB, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, sql string, args ...any,
) (n int) {
	t.Helper()
	must(t, db.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// Everything that is asked of a server as well: see TestOnEveryLedger. Two connections meet; what a statement waits for ends while it waits.
func transactions(t *testing.T, open func(t *testing.T) (pg.DB, pg.DB)) {
	const add = `INSERT INTO submitter.orgs (name, org_id) VALUES ($1, $2)`
	t.Run("see their own writes, and others see them after the commit only", func(t *testing.T) {
		a, b := open(t)
		tx := begin(t, a)
		exec(t, tx, add, "x", "1")
		if mine, theirs := number(t, tx, `SELECT count(*) FROM submitter_pub.orgs`), number(t, b, `SELECT count(*) FROM submitter_pub.orgs`); mine != 1 || theirs != 0 {
			t.Fatal(mine, theirs)
		}
		must(t, tx.Commit(t.Context()))
		if n := number(t, b, `SELECT count(*) FROM submitter_pub.orgs`); n != 1 {
			t.Fatal(n)
		}
	})
	t.Run("that are rolled back leave nothing", func(t *testing.T) {
		a, b := open(t)
		exec(t, a, add, "x", "1")
		tx := begin(t, a)
		exec(t, tx, `UPDATE submitter.orgs SET org_id = '2'`)
		exec(t, tx, add, "y", "1")
		exec(t, tx, `DELETE FROM submitter.orgs WHERE name = 'x'`)
		must(t, tx.Rollback(t.Context()))
		if n := number(t, b, `SELECT count(*) FROM submitter.orgs WHERE name = 'x' AND org_id = '1'`); n != 1 {
			t.Fatal(n)
		}
	})
	t.Run("that failed do nothing any more and cannot be committed", func(t *testing.T) {
		a, b := open(t)
		tx := begin(t, a)
		exec(t, tx, add, "x", "1")
		_, err := tx.Exec(t.Context(), add, "x", "2")
		_, after := tx.Exec(t.Context(), add, "y", "2")
		if code(err) != "23505" || code(after) != "25P02" || !errors.Is(tx.Commit(t.Context()), pgx.ErrTxCommitRollback) {
			t.Fatal(err, after)
		}
		if n := number(t, b, `SELECT count(*) FROM submitter.orgs`); n != 0 {
			t.Fatal(n)
		}
	})
	t.Run("let go of what they hold with their first error", func(t *testing.T) {
		a, b := open(t)
		exec(t, a, add, "x", "1")
		tx := begin(t, a)
		exec(t, tx, `UPDATE submitter.orgs SET org_id = '2'`)
		if _, err := tx.Exec(t.Context(), add, "x", "3"); code(err) != "23505" {
			t.Fatal(err)
		}
		exec(t, b, `UPDATE submitter.orgs SET org_id = org_id || '4'`)
		must(t, tx.Rollback(t.Context()))
		if n := number(t, b, `SELECT count(*) FROM submitter.orgs WHERE org_id = '14'`); n != 1 {
			t.Fatal(n)
		}
	})
	t.Run("wait for a row that another one holds, and then work on what it has become", func(t *testing.T) {
		a, b := open(t)
		exec(t, a, add, "x", "1")
		tx := begin(t, a)
		exec(t, tx, `UPDATE submitter.orgs SET org_id = org_id || '2'`)
		done := pending()
		go func() {
			_, err := b.Exec(t.Context(), `UPDATE submitter.orgs SET org_id = org_id || '3' WHERE org_id <> ''`)
			done <- err
		}()
		waits(t, done)
		must(t, tx.Commit(t.Context()))
		must(t, <-done)
		var id string
		must(t, a.QueryRow(t.Context(), `SELECT org_id FROM submitter.orgs`).Scan(&id))
		if id != "123" {
			t.Fatal(id)
		}
	})
	t.Run("skip rows that another one holds where they may", func(t *testing.T) {
		a, b := open(t)
		for _, name := range []string{"x", "y", "z"} {
			exec(t, a, add, name, "1")
		}
		first, second := begin(t, a), begin(t, b)
		const claim = `SELECT name FROM submitter.orgs ORDER BY name LIMIT $1 FOR UPDATE SKIP LOCKED`
		var x, y string
		must(t, first.QueryRow(t.Context(), claim, 1).Scan(&x))
		must(t, second.QueryRow(t.Context(), claim, 1).Scan(&y))
		if x != "x" || y != "y" {
			t.Fatal(x, y)
		}
		must(t, first.Rollback(t.Context()))
		must(t, second.Rollback(t.Context()))
	})
	t.Run("wait for an insert of the same key, and do nothing when it is there", func(t *testing.T) {
		a, b := open(t)
		tx := begin(t, a)
		exec(t, tx, add, "x", "1")
		done := pending()
		var n int64
		go func() {
			tag, err := b.Exec(t.Context(), add+` ON CONFLICT DO NOTHING`, "x", "2")
			n = tag.RowsAffected()
			done <- err
		}()
		waits(t, done)
		must(t, tx.Commit(t.Context()))
		if err := <-done; err != nil || n != 0 {
			t.Fatal(n, err)
		}
	})
	t.Run("that wait for each other are found, and one of them fails", func(t *testing.T) {
		a, b := open(t)
		exec(t, a, add, "x", "1")
		exec(t, a, add, "y", "1")
		first, second := begin(t, a), begin(t, b)
		const touch = `UPDATE submitter.orgs SET org_id = '2' WHERE name = $1`
		exec(t, first, touch, "x")
		exec(t, second, touch, "y")
		done := pending()
		go func() {
			_, err := first.Exec(t.Context(), touch, "y")
			if err != nil {
				_ = first.Rollback(t.Context())
			}
			done <- err
		}()
		waits(t, done)
		_, err := second.Exec(t.Context(), touch, "x")
		if err != nil {
			must(t, second.Rollback(t.Context()))
		}
		other := <-done
		if (code(err) == "40P01") == (code(other) == "40P01") {
			t.Fatal(err, other)
		}
		_ = first.Rollback(t.Context())
		_ = second.Rollback(t.Context())
	})
	t.Run("hold an advisory lock to their end", func(t *testing.T) {
		a, b := open(t)
		tx := begin(t, a)
		exec(t, tx, `SELECT pg_advisory_xact_lock(hashtext('x'))`)
		done := pending()
		go func() {
			_, err := b.Exec(t.Context(), `SELECT pg_advisory_xact_lock(hashtext('x'))`)
			done <- err
		}()
		waits(t, done)
		must(t, tx.Rollback(t.Context()))
		must(t, <-done)
	})
	t.Run("that read one moment see nothing later, and write nothing", func(t *testing.T) {
		a, b := open(t)
		exec(t, a, add, "x", "1")
		tx, err := a.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		must(t, err)
		before := number(t, tx, `SELECT count(*) FROM submitter.orgs`)
		exec(t, b, add, "y", "1")
		exec(t, b, `UPDATE submitter.orgs SET org_id = '2'`)
		if after := number(t, tx, `SELECT count(*) FROM submitter.orgs WHERE org_id = '1'`); before != 1 || after != 1 {
			t.Fatal(before, after)
		}
		_, err = tx.Exec(t.Context(), add, "z", "1")
		if code(err) != "25006" {
			t.Fatal(err)
		}
		must(t, tx.Rollback(t.Context()))
	})
	t.Run("have one time, and statements have another", func(t *testing.T) {
		a, _ := open(t)
		tx := begin(t, a)
		var first, second, clock time.Time
		must(t, tx.QueryRow(t.Context(), `SELECT now()`).Scan(&first))
		exec(t, tx, `SELECT pg_sleep(0.01)`)
		must(t, tx.QueryRow(t.Context(), `SELECT now(), clock_timestamp()`).Scan(&second, &clock))
		if !first.Equal(second) || !clock.After(second) {
			t.Fatal(first, second, clock)
		}
		must(t, tx.Rollback(t.Context()))
	})
	t.Run("keep the constraints, each with its code", func(t *testing.T) {
		a, _ := open(t)
		exec(t, a, `INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id)
			SELECT gen_random_uuid(), 'p', 1, 'fresh', 'o', 's', 0, n, 'claimed', CASE n WHEN 1 THEN 'j' ELSE '' END FROM generate_series(1, 3) AS s (n)`)
		for sql, want := range map[string]string{
			`UPDATE submitter.submissions SET job_id = 'j' WHERE seal_no = 2`:       "23505", // of a partial index
			`UPDATE submitter.submissions SET state = 'elsewhere'`:                  "23514",
			`UPDATE submitter.submissions SET owner = NULL`:                         "23502",
			`UPDATE submitter.submissions SET lane = 2147483647 + lane + 1`:         "22003",
			`UPDATE submitter.submissions SET lane = seal_no / (seal_no - seal_no)`: "22012",
			`SELECT get_byte('\x00'::bytea, 1)`:                                     "2202E",
			`SELECT (SELECT chunk FROM submitter.submissions)`:                      "21000",
			`SELECT nothing FROM submitter.submissions`:                             "42703",
			`SELECT 1 FROM submitter.nothing`:                                       "42P01",
			`INSERT INTO extractor.pipelines (id, name) VALUES (1, 'x')`:            "428C9",
			`SELECT 'x'::uuid`: "22P02",
			`INSERT INTO submitter.lanes (space, lane) VALUES ('s', 1) ON CONFLICT (lane) DO NOTHING`: "42P10",
		} {
			if _, err := a.Exec(t.Context(), sql); code(err) != want {
				t.Errorf("%s: %v, want %s", sql, err, want)
			}
		}
	})
}

// waits proves that something has not happened a little later.
func waits(t *testing.T, done <-chan error) {
	t.Helper()
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-timer.C:
	}
}

func TestTransactionsOnPostgreSQL(t *testing.T) {
	t.Parallel()
	transactions(t, func(t *testing.T) (pg.DB, pg.DB) {
		t.Helper()
		db := testkit.Database(t)
		return db.AdminPool(t), db.AdminPool(t)
	})
}

func TestTransactionsInMemory(t *testing.T) {
	t.Parallel()
	transactions(t, func(t *testing.T) (pg.DB, pg.DB) {
		t.Helper()
		db := whole(t)
		return db.As("a"), db.As("b")
	})
}

func TestHandle(t *testing.T) {
	t.Parallel()
	t.Run("that is cut loses its transactions, lets go of what they held, and fails from then on", func(t *testing.T) {
		t.Parallel()
		db := whole(t)
		a, b := db.As("a"), db.As("b")
		tx := begin(t, a)
		exec(t, tx, `INSERT INTO submitter.orgs (name, org_id) VALUES ('x', '1')`)
		done := pending()
		go func() {
			_, err := b.Exec(t.Context(), `INSERT INTO submitter.orgs (name, org_id) VALUES ('x', '2')`)
			done <- err
		}()
		waits(t, done)
		killed := errors.New("killed")
		a.Cut(killed)
		must(t, <-done)
		_, err := a.Exec(t.Context(), `SELECT 1`)
		if !errors.Is(err, killed) || !errors.Is(tx.Commit(t.Context()), killed) || number(t, db, `SELECT count(*) FROM submitter.orgs`) != 1 {
			t.Fatal(err)
		}
	})
	t.Run("that is cut while it waits fails at once", func(t *testing.T) {
		t.Parallel()
		db := whole(t)
		a, b := db.As("a"), db.As("b")
		tx := begin(t, a)
		exec(t, tx, `SELECT pg_advisory_xact_lock(1)`)
		done := pending()
		go func() {
			_, err := b.Exec(t.Context(), `SELECT pg_advisory_xact_lock(1)`)
			done <- err
		}()
		waits(t, done)
		killed := errors.New("killed")
		b.Cut(killed)
		if err := <-done; !errors.Is(err, killed) {
			t.Fatal(err)
		}
	})
	t.Run("may lose the answer to a commit that was made", func(t *testing.T) {
		t.Parallel()
		db := whole(t)
		a := db.As("a")
		lost := errors.New("connection reset")
		a.After = func(_ context.Context, sql string) error {
			if sql == "commit" {
				return lost
			}
			return nil
		}
		err := pg.InTx(t.Context(), a, "submitter.test", func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO submitter.orgs (name, org_id) VALUES ('x', '1')`)
			return err
		})
		if !errors.Is(err, pg.ErrCommitUnknown) || number(t, db, `SELECT count(*) FROM submitter.orgs`) != 1 {
			t.Fatal(err)
		}
	})
	t.Run("that refuses a statement changes nothing", func(t *testing.T) {
		t.Parallel()
		db := whole(t)
		a := db.As("a")
		away := errors.New("connection refused")
		a.Before = func(context.Context, string) error { return away }
		if _, err := a.Exec(t.Context(), `INSERT INTO submitter.orgs (name, org_id) VALUES ('x', '1')`); !errors.Is(err, away) {
			t.Fatal(err)
		}
		if n := number(t, db, `SELECT count(*) FROM submitter.orgs`); n != 0 {
			t.Fatal(n)
		}
	})
	t.Run("knows which migrations ran", func(t *testing.T) {
		t.Parallel()
		for _, m := range testkit.AllMigrations(t) {
			if n := number(t, whole(t), `SELECT count(*) FROM `+m.Service+`.goose_version WHERE is_applied AND version_id > 0`); n < 1 {
				t.Errorf("%s: %d", m.Service, n)
			}
		}
	})
}

func TestBubble(t *testing.T) {
	t.Parallel()
	migrations := testkit.AllMigrations(t)
	t.Run("time is the bubble's, waits end, an outbox is relayed, and nothing stays behind", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			db, err := ledger.Open(migrations...)
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var got []string
			relay := pg.NewRelay(db.As("relay"), "submitter", func(_ context.Context, msgs []record.Message) error {
				for _, m := range msgs {
					got = append(got, m.MsgID)
				}
				return nil
			}, pg.RelayOptions{Every: 24 * time.Hour})
			ended := make(chan error, 1)
			go func() { ended <- relay.Run(ctx) }()
			synctest.Wait()
			err = pg.InTx(ctx, db, "submitter.test", func(ctx context.Context, tx pgx.Tx) error {
				return pg.Enqueue(ctx, tx, "submitter", record.Message{Subject: "flow.a.b", MsgID: "1", Body: []byte{1}})
			})
			must(t, err)
			synctest.Wait()
			if len(got) != 1 {
				t.Fatalf("published %v", got)
			}
			var before, after time.Time
			must(t, db.QueryRow(ctx, `SELECT now()`).Scan(&before))
			time.Sleep(240 * time.Hour)
			must(t, db.QueryRow(ctx, `SELECT now()`).Scan(&after))
			if after.Sub(before) != 240*time.Hour {
				t.Fatal(before, after)
			}
			// Nobody gives the lock back: the wait ends by itself.
			tx := begin(t, db)
			exec(t, tx, `SELECT pg_advisory_xact_lock(1)`)
			if _, err := db.As("b").Exec(ctx, `SELECT pg_advisory_xact_lock(1)`); code(err) != "55P03" {
				t.Fatal(err)
			}
			must(t, tx.Rollback(ctx))
			cancel()
			must(t, <-ended)
		})
	})
}

func BenchmarkStatement(b *testing.B) {
	db := whole(b)
	for i := range 300 {
		exec(b, db, `INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state)
			VALUES (gen_random_uuid(), 'contacts', 1, 'fresh', 'main', 's', $1, $2, 'claimed')`, i%8, i)
	}
	exec(b, db, `INSERT INTO submitter.lanes (space, lane) SELECT 's', n FROM generate_series(0, 7) AS s (n)`)
	for name, sql := range map[string]string{
		"key":  `SELECT state FROM submitter.submissions WHERE chunk = '00000000-0000-0000-0000-000000000001'`,
		"scan": `SELECT count(*) FROM submitter.submissions WHERE state = 'bound'`,
		"anti": `SELECT count(*) FROM submitter.submissions s WHERE NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = s.chunk)`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Exec(b.Context(), sql); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func pending() chan error { return make(chan error, 1) }
