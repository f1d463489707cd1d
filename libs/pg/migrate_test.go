package pg_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// files makes a service's migrations out of texts, numbered from 1.
func files(service string, texts ...string) pg.Migrations {
	m := fstest.MapFS{}
	for i, text := range texts {
		name := "migrations/0000" + string(rune('1'+i)) + "_step.sql"
		m[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return pg.Migrations{Service: service, FS: m}
}

// empty is a migration that gives a test a database of its own without any service's tables.
var empty = files("poller", "SELECT 1;")

func TestMigrate(t *testing.T) {
	t.Parallel()
	two := []string{"CREATE TABLE retrier.a (n integer);", "ALTER TABLE retrier.a ADD COLUMN m integer;"}
	t.Run("runs what has not run, and nothing twice", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, empty)
		for _, texts := range [][]string{two[:1], two, two} {
			if err := pg.Migrate(t.Context(), db.AdminDSN, files("retrier", texts...)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.AdminPool(t).Exec(t.Context(), "SELECT n, m FROM retrier.a"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("lets one of many programs work while the others wait", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, empty)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := pg.Migrate(t.Context(), db.AdminDSN, files("retrier", two...)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("runs all services' migrations in any order", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, empty)
		all := testkit.AllMigrations(t)
		for i := range all {
			m := all[len(all)-1-i]
			if m.Service == "poller" {
				continue // its schema is the empty one here
			}
			if err := pg.Migrate(t.Context(), db.AdminDSN, m); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("leaves nothing of a migration that fails, and says which it was", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, empty)
		broken := files("retrier", two[0], "CREATE TABLE retrier.b (n integer); SELECT 1/0;")
		err := pg.Migrate(t.Context(), db.AdminDSN, broken)
		if err == nil || !strings.Contains(err.Error(), "00002_step.sql") {
			t.Fatalf("got %v", err)
		}
		var half *string
		if err := db.AdminPool(t).QueryRow(t.Context(), "SELECT to_regclass('retrier.b')::text").Scan(&half); err != nil || half != nil {
			t.Fatalf("half a migration stayed: %v, %v", half, err)
		}
		if err := pg.Migrate(t.Context(), db.AdminDSN, files("retrier", two...)); err != nil {
			t.Fatalf("after the repair: %v", err)
		}
	})
	t.Run("waits for a long transaction without holding up whoever else wants the table", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, files("retrier", two[:1]...))
		pool := db.AdminPool(t)
		long, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := long.Exec(t.Context(), "INSERT INTO retrier.a (n) VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		migrated := make(chan error, 1)
		go func() {
			migrated <- pg.Migrate(context.WithoutCancel(t.Context()), db.AdminDSN, files("retrier", two...))
		}()
		queued := func() (waits bool) {
			err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'retrier.a'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted)`).Scan(&waits)
			if err != nil {
				t.Fatal(err)
			}
			return waits
		}
		for !queued() {
			runtime.Gosched()
		}
		// It stands before us in the queue, and would for as long as the transaction lasts; our own wait is bounded as those of services are.
		if _, err := pool.Exec(t.Context(), "INSERT INTO retrier.a (n) VALUES (2)"); err != nil {
			t.Errorf("a writer behind the migration: %v", err)
		}
		select {
		case err := <-migrated:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		if err := long.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-migrated; err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), "SELECT m FROM retrier.a"); err != nil {
			t.Error(err)
		}
	})
	t.Run("refuses a database that is two migrations ahead", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, empty)
		three := append([]string{}, append(two, "SELECT 1;")...)
		if err := pg.Migrate(t.Context(), db.AdminDSN, files("retrier", three...)); err != nil {
			t.Fatal(err)
		}
		if err := pg.Migrate(t.Context(), db.AdminDSN, files("retrier", two...)); err != nil {
			t.Fatalf("one ahead: %v", err)
		}
		if err := pg.Migrate(t.Context(), db.AdminDSN, files("retrier", two[:1]...)); !errors.Is(err, pg.ErrSchemaNewer) {
			t.Fatalf("two ahead: %v", err)
		}
	})
	t.Run("refuses files that are misnamed, absent, or nobody's", func(t *testing.T) {
		t.Parallel()
		for _, m := range []pg.Migrations{
			{Service: "ops", FS: fstest.MapFS{}},
			{Service: "ops", FS: fstest.MapFS{"migrations/first.sql": &fstest.MapFile{}}},
			files("nobody", "SELECT 1;"),
		} {
			if err := pg.Migrate(t.Context(), "postgres://nowhere.invalid/x", m); err == nil || strings.Contains(err.Error(), "nowhere") {
				t.Errorf("got %v; want the refusal before anything is called", err)
			}
		}
	})
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, files("retrier", "SELECT 1;", "SELECT 2;", "SELECT 3;"))
	pool := db.Pool(t, "retrier")
	for name, c := range map[string]struct {
		m    pg.Migrations
		want error
	}{
		"accepts the schema that it knows":            {files("retrier", "SELECT 1;", "SELECT 2;", "SELECT 3;"), nil},
		"accepts a schema one ahead":                  {files("retrier", "SELECT 1;", "SELECT 2;"), nil},
		"refuses a schema two ahead":                  {files("retrier", "SELECT 1;"), pg.ErrSchemaNewer},
		"refuses a schema that lacks a migration":     {files("retrier", "SELECT 1;", "SELECT 2;", "SELECT 3;", "SELECT 4;"), pg.ErrSchemaOlder},
		"refuses a database where nothing ran at all": {files("ops", "SELECT 1;"), pg.ErrSchemaOlder},
	} {
		t.Run(name, func(t *testing.T) {
			if err := pg.CheckSchema(t.Context(), pool, c.m); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	t.Run("waits for the migration and says what it waits for", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, empty)
		m := files("retrier", "SELECT 1;")
		var said error
		pool, err := pg.WaitReady(t.Context(), db.DSN("retrier"), pg.Options{}, m, func(err error) {
			said = err
			if err := pg.Migrate(t.Context(), db.AdminDSN, m); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		pool.Close()
		if !errors.Is(said, pg.ErrSchemaOlder) || !strings.Contains(said.Error(), "`retrier migrate`") {
			t.Fatalf("it said %v", said)
		}
	})
	t.Run("does not wait for what waiting cannot cure", func(t *testing.T) {
		t.Parallel()
		if _, err := pg.WaitReady(t.Context(), "postgres://h:port/x", pg.Options{}, empty, nil); !errors.Is(err, pg.ErrDSN) {
			t.Fatal(err)
		}
	})
	t.Run("gives up with the context, and tells the reason", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := contextWithTimeout(t, 300*time.Millisecond)
		defer cancel()
		_, err := pg.WaitReady(ctx, "postgres://u@127.0.0.1:1/x?sslmode=disable", pg.Options{}, empty, nil)
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Fatal(err)
		}
	})
}
