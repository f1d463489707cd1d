package testkit_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

func TestDatabase(t *testing.T) {
	t.Parallel()
	t.Run("holds every service's schema and lets each service in as its role", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t)
		for _, m := range testkit.AllMigrations(t) {
			pool := db.Pool(t, m.Service)
			if err := pg.CheckSchema(t.Context(), pool, m); err != nil {
				t.Error(err)
			}
			var role string
			if err := pool.QueryRow(t.Context(), "SELECT current_user").Scan(&role); err != nil || role != pg.RoleOf(m.Service) {
				t.Errorf("%s is %s, %v", m.Service, role, err)
			}
		}
	})
	t.Run("is fresh for every test, and gone after it", func(t *testing.T) {
		t.Parallel()
		var first string
		t.Run("first", func(t *testing.T) {
			db := testkit.Database(t)
			first = db.Name
			if _, err := db.AdminPool(t).Exec(t.Context(), "INSERT INTO extractor.repeats VALUES ('p', 'r', 1)"); err != nil {
				t.Fatal(err)
			}
		})
		db := testkit.Database(t)
		var left, rows int
		if err := db.AdminPool(t).QueryRow(t.Context(), "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1), (SELECT count(*) FROM extractor.repeats)", first).Scan(&left, &rows); err != nil || left+rows != 0 {
			t.Fatalf("%d databases and %d rows are left, %v", left, rows, err)
		}
	})
	t.Run("holds only the schemas that are asked for", func(t *testing.T) {
		t.Parallel()
		one := pg.Migrations{Service: "ops", FS: fstest.MapFS{"migrations/00001_x.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE ops.x ();")}}}
		var schemas string
		if err := testkit.Database(t, one).AdminPool(t).QueryRow(t.Context(), "SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname = ANY ($1)", pg.Services).Scan(&schemas); err != nil || schemas != "ops" {
			t.Fatalf("schemas %s, %v", schemas, err)
		}
	})
}

func TestNATS(t *testing.T) {
	t.Parallel()
	t.Run("gives each test a server of its own with JetStream", func(t *testing.T) {
		t.Parallel()
		first, second := testkit.NATS(t), testkit.NATS(t)
		if first.URL() == second.URL() {
			t.Fatal("they share a server")
		}
		nc, err := nats.Connect(first.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
	})
}

// recorder is a test that remembers what it printed.
type recorder struct {
	testing.TB
	said     strings.Builder
	cleanups []func()
}

func (r *recorder) Helper()           {}
func (r *recorder) Cleanup(f func())  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Output() io.Writer { return &r.said }

func TestLogger(t *testing.T) {
	t.Parallel()
	t.Run("prints into the test, and is silent after it has ended", func(t *testing.T) {
		t.Parallel()
		r := &recorder{TB: t}
		logger := testkit.Logger(r)
		logger.Debug("during")
		for _, f := range r.cleanups {
			f()
		}
		logger.Error("after")
		if said := r.said.String(); !strings.Contains(said, "during") || strings.Contains(said, "after") {
			t.Fatalf("it said %q", said)
		}
	})
}

func TestRoot(t *testing.T) {
	t.Parallel()
	t.Run("is where the workspace file lies", func(t *testing.T) {
		t.Parallel()
		if _, err := os.Stat(testkit.Root(t) + "/go.work"); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDatabase(b *testing.B) {
	testkit.Database(b) // the cluster and the template
	for b.Loop() {
		testkit.Database(b)
	}
}
