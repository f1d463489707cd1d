package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// notes is a table to write into, with the pool of the service that owns it.
func notes(t *testing.T) (*testkit.DB, *pgxpool.Pool) {
	t.Helper()
	db := testkit.Database(t, files("retrier", `CREATE TABLE retrier.notes (n integer PRIMARY KEY, id uuid);
		CREATE TABLE retrier.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL, msg_id text NOT NULL,
			headers jsonb NOT NULL DEFAULT '{}', body bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retrier TO bulkhead_retrier;
		GRANT USAGE ON SCHEMA retrier TO bulkhead_retrier;`))
	return db, db.Pool(t, "retrier")
}

func count(t *testing.T, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(n int) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO retrier.notes (n) VALUES ($1)", n)
		return err
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	db, pool := notes(t)
	t.Run("keeps a stronger setting", func(t *testing.T) {
		if _, err := db.AdminPool(t).Exec(t.Context(), "ALTER DATABASE "+db.Name+" SET synchronous_commit = remote_apply"); err != nil {
			t.Fatal(err)
		}
		var setting string
		if err := db.Pool(t, "retrier").QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting); err != nil || setting != "remote_apply" {
			t.Fatalf("synchronous_commit is %s, %v", setting, err)
		}
	})
	t.Run("compresses large values by lz4 unless somebody chose another way", func(t *testing.T) {
		for _, c := range []struct{ choose, want string }{
			{"RESET default_toast_compression", "lz4"},
			{"SET default_toast_compression = pglz", "pglz"},
		} {
			if _, err := db.AdminPool(t).Exec(t.Context(), "ALTER DATABASE "+db.Name+" "+c.choose); err != nil {
				t.Fatal(err)
			}
			var setting string
			if err := db.Pool(t, "retrier").QueryRow(t.Context(), "SHOW default_toast_compression").Scan(&setting); err != nil || setting != c.want {
				t.Fatalf("behind %q it is %s, %v", c.choose, setting, err)
			}
		}
	})
	t.Run("bounds every statement and every wait for a lock", func(t *testing.T) {
		short, err := pg.Open(t.Context(), db.DSN("retrier"), pg.Options{StatementTimeout: 50 * time.Millisecond, LockTimeout: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer short.Close()
		if _, err := short.Exec(t.Context(), "SELECT pg_sleep(10)"); err == nil {
			t.Error("a statement was not bounded")
		}
		err = pg.InTx(t.Context(), pool, "retrier.hold", func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "LOCK TABLE retrier.notes"); err != nil {
				return err
			}
			if _, err := short.Exec(ctx, "INSERT INTO retrier.notes (n) VALUES (99)"); err == nil {
				t.Error("a wait for a lock was not bounded")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("reads and writes uuid columns as google/uuid, NULL included", func(t *testing.T) {
		id := uuid.New()
		if _, err := pool.Exec(t.Context(), "INSERT INTO retrier.notes (n, id) VALUES (50, $1), (51, $2)", id, uuid.NullUUID{}); err != nil {
			t.Fatal(err)
		}
		var got uuid.UUID
		var null uuid.NullUUID
		if err := pool.QueryRow(t.Context(), "SELECT id FROM retrier.notes WHERE n = 50").Scan(&got); err != nil || got != id {
			t.Fatalf("got %v, %v", got, err)
		}
		if err := pool.QueryRow(t.Context(), "SELECT id FROM retrier.notes WHERE n = 51").Scan(&null); err != nil || null.Valid {
			t.Fatalf("got %v, %v", null, err)
		}
	})
	t.Run("says where it could not connect, without the password", func(t *testing.T) {
		_, err := pg.Open(t.Context(), "postgres://u:s3cret@127.0.0.1:1/x?sslmode=disable", pg.Options{})
		if err == nil || !containsAll(err.Error(), "u@127.0.0.1:1/x") || containsAll(err.Error(), "s3cret") {
			t.Fatal(err)
		}
	})
}

func TestInTx(t *testing.T) {
	t.Parallel()
	t.Run("commits what returns nil", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		if err := pg.InTx(t.Context(), pool, "retrier.note", insert(1)); err != nil || count(t, pool, "retrier.notes") != 1 {
			t.Fatal(err)
		}
	})
	t.Run("rolls back what returns an error, and keeps the error", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		err := pg.InTx(t.Context(), pool, "retrier.note", func(ctx context.Context, tx pgx.Tx) error {
			return errors.Join(insert(1)(ctx, tx), pg.ErrLost)
		})
		if !errors.Is(err, pg.ErrLost) || count(t, pool, "retrier.notes") != 0 {
			t.Fatal(err)
		}
	})
	t.Run("rolls back what panics, and gives the connection back clean", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		func() {
			defer func() { _ = recover() }()
			_ = pg.InTx(t.Context(), pool, "retrier.note", func(ctx context.Context, tx pgx.Tx) error {
				_ = insert(1)(ctx, tx)
				panic("bug")
			})
		}()
		if count(t, pool, "retrier.notes") != 0 || pool.Stat().AcquiredConns() != 0 {
			t.Fatalf("rows or connections are left: %d", pool.Stat().AcquiredConns())
		}
	})
	t.Run("runs again what the server ended for another one's sake", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		tries := 0
		err := pg.InTx(t.Context(), pool, "retrier.note", func(ctx context.Context, tx pgx.Tx) error {
			tries++
			if err := insert(tries)(ctx, tx); err != nil || tries == 3 {
				return err
			}
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$")
			return err
		})
		if err != nil || tries != 3 || count(t, pool, "retrier.notes") != 1 {
			t.Fatalf("tries %d, error %v", tries, err)
		}
	})
	t.Run("gives up after five deadlocks", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		tries := 0
		err := pg.InTx(t.Context(), pool, "retrier.note", func(ctx context.Context, tx pgx.Tx) error {
			tries++
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40P01'; END $$")
			return err
		})
		if err == nil || tries != 5 {
			t.Fatalf("tries %d, error %v", tries, err)
		}
	})
	t.Run("says that it does not know when the connection breaks before the commit is answered", func(t *testing.T) {
		t.Parallel()
		db, pool := notes(t)
		admin := db.AdminPool(t)
		err := pg.InTx(t.Context(), pool, "retrier.note", func(ctx context.Context, tx pgx.Tx) error {
			_, err := admin.Exec(ctx, "SELECT pg_terminate_backend($1, 5000)", tx.Conn().PgConn().PID())
			return err
		})
		if !errors.Is(err, pg.ErrCommitUnknown) {
			t.Fatal(err)
		}
	})
	t.Run("still commits when the context ends between the work and the commit", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := pg.InTx(ctx, pool, "retrier.note", func(ctx context.Context, tx pgx.Tx) error {
			defer cancel()
			return insert(1)(ctx, tx)
		})
		if err != nil || count(t, pool, "retrier.notes") != 1 {
			t.Fatal(err)
		}
	})
}
