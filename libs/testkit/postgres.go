package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/local"
	"bulkhead/libs/pg"
)

// setupTimeout bounds everything that is done once: start, migrations, and a container where one is needed.
const setupTimeout = 3 * time.Minute

// DB is one test's database.
type DB struct {
	// AdminDSN is the administrator's address of this database.
	AdminDSN string
	// Name is the database's name.
	Name string
}

// DSN is the address with which a service connects as its own role.
func (db *DB) DSN(service string) string {
	dsn, err := cluster.postgres.DSNFor(service)
	if err == nil {
		dsn, err = pg.DSNWithDatabase(dsn, db.Name)
	}
	if err != nil {
		panic(fmt.Sprintf("testkit: %v", err)) // only a misspelt service can do it
	}
	return dsn
}

// Pool connects as the service's role; it is closed when the test ends.
func (db *DB) Pool(t testing.TB, service string) *pgxpool.Pool {
	t.Helper()
	return open(t, db.DSN(service), "test-"+service)
}

// AdminPool connects as the administrator, who may do everything; it is closed when the test ends.
func (db *DB) AdminPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return open(t, db.AdminDSN, "test-admin")
}

func open(t testing.TB, dsn, app string) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), dsn, pg.Options{AppName: app})
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Database makes a fresh database for one test, with the schemas of the given migrations; with none given, of all
// services, read from the source tree.
func Database(t testing.TB, migrations ...pg.Migrations) *DB {
	t.Helper()
	if len(migrations) == 0 {
		migrations = AllMigrations(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	if err := startCluster(ctx); err != nil {
		t.Fatalf("testkit: %v", err)
	}
	template, err := templateFor(ctx, migrations)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	db := &DB{Name: fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))}
	if db.AdminDSN, err = pg.DSNWithDatabase(cluster.postgres.DSN(), db.Name); err != nil {
		t.Fatalf("testkit: %v", err)
	}
	if err := execAdmin(ctx, "CREATE DATABASE "+db.Name+" TEMPLATE "+template); err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := execAdmin(ctx, "DROP DATABASE IF EXISTS "+db.Name+" WITH (FORCE)"); err != nil {
			t.Errorf("testkit: %v", err)
		}
	})
	return db
}

// databases numbers the databases of this process.
var databases atomic.Int64

// cluster is the process's server. It is a package variable because starting one costs half a second and a test binary
// holds dozens of tests.
var cluster struct {
	once     sync.Once
	err      error
	postgres *local.Postgres
}

func startCluster(ctx context.Context) error {
	cluster.once.Do(func() {
		// Not the test's context: the cluster outlives the test that happened to be first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), setupTimeout)
		defer cancel()
		cluster.postgres, cluster.err = findServer(ctx)
		if cluster.err == nil {
			cluster.err = cluster.postgres.SetPasswords(ctx)
		}
	})
	return cluster.err
}

// findServer is the order of the package comment.
func findServer(ctx context.Context) (*local.Postgres, error) {
	o := local.PostgresOptions{DSN: os.Getenv("BULKHEAD_TEST_DATABASE_URL"), InitCache: os.TempDir(), SharedBuffers: "64MB"}
	postgres, err := local.StartPostgres(ctx, o)
	if !errors.Is(err, local.ErrNoPostgres) {
		return postgres, err
	}
	dsn, containerErr := startContainer(ctx)
	if containerErr != nil {
		return nil, fmt.Errorf("%w; a container would do as well, but: %w", err, containerErr)
	}
	return local.StartPostgres(ctx, local.PostgresOptions{DSN: dsn})
}

// execAdmin runs one statement as the administrator, outside any transaction.
func execAdmin(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, cluster.postgres.DSN())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
