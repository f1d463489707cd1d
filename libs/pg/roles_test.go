package pg_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// tables lists the tables and views of a schema.
func tables(t *testing.T, admin *pgxpool.Pool, schema string) []string {
	t.Helper()
	rows, err := admin.Query(t.Context(), `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition ORDER BY 1`, schema)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		t.Fatalf("tables of %s: %v, %v", schema, names, err)
	}
	return names
}

// may says whether the statement is allowed to the pool's role; every other error ends the test.
func may(t *testing.T, pool *pgxpool.Pool, statement string) bool {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "42501" { // insufficient_privilege
		return false
	}
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return true
}

func TestRoles(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	admin := db.AdminPool(t)
	for _, service := range pg.Services {
		pool := db.Pool(t, service)
		t.Run(service+" reads every table of its own, and writes all but the version of its schema", func(t *testing.T) {
			for _, table := range tables(t, admin, service) {
				name := pgx.Identifier{service, table}.Sanitize()
				if !may(t, pool, "SELECT FROM "+name+" LIMIT 1") {
					t.Errorf("may not read %s", name)
				}
				var writes bool
				if err := pool.QueryRow(t.Context(), "SELECT has_table_privilege($1, 'INSERT')", name).Scan(&writes); err != nil || writes != (table != "goose_version") {
					t.Errorf("may write %s: %v, %v", name, writes, err)
				}
			}
		})
		t.Run(service+" neither reads nor writes a table of another service", func(t *testing.T) {
			for _, other := range pg.Services {
				if other == service {
					continue
				}
				for _, table := range tables(t, admin, other) {
					name := pgx.Identifier{other, table}.Sanitize()
					for _, statement := range []string{"SELECT FROM " + name + " LIMIT 1", "DELETE FROM " + name + " WHERE false", "INSERT INTO " + name + " DEFAULT VALUES", "TRUNCATE " + name} {
						if may(t, pool, statement) {
							t.Errorf("may run %s", statement)
						}
					}
				}
			}
		})
		t.Run(service+" changes no published view, its own included", func(t *testing.T) {
			for _, other := range pg.Services {
				for _, view := range tables(t, admin, other+"_pub") {
					var can bool
					err := admin.QueryRow(t.Context(), "SELECT has_table_privilege($1, $2, 'INSERT, UPDATE, DELETE, TRUNCATE')", pg.RoleOf(service), other+"_pub."+view).Scan(&can)
					if err != nil || can {
						t.Errorf("may write %s_pub.%s: %v, %v", other, view, can, err)
					}
				}
			}
		})
		t.Run(service+" makes no table, schema or role anywhere", func(t *testing.T) {
			statements := []string{"CREATE SCHEMA mine", "CREATE TABLE public.mine ()", "CREATE ROLE mine"}
			for _, other := range pg.Services {
				statements = append(statements, fmt.Sprintf("CREATE TABLE %s.mine ()", other), fmt.Sprintf("CREATE TABLE %s_pub.mine ()", other))
			}
			for _, statement := range statements {
				if may(t, pool, statement) {
					t.Errorf("may run %s", statement)
				}
			}
		})
	}
	t.Run("every view is read by somebody, and ops reads all views but its own by right", func(t *testing.T) {
		for _, other := range pg.Services {
			for _, view := range tables(t, admin, other+"_pub") {
				readers := slices.DeleteFunc(slices.Clone(pg.Services), func(service string) bool {
					var can bool
					if err := admin.QueryRow(t.Context(), "SELECT has_table_privilege($1, $2, 'SELECT')", pg.RoleOf(service), other+"_pub."+view).Scan(&can); err != nil {
						t.Fatal(err)
					}
					return !can
				})
				if len(readers) == 0 || (other != "ops" && !slices.Contains(readers, "ops")) {
					t.Errorf("%s_pub.%s is read by %v", other, view, readers)
				}
			}
		}
	})
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	t.Run("may be run by many programs at once, in several databases", func(t *testing.T) {
		t.Parallel()
		first, second := testkit.Database(t), testkit.Database(t)
		var wg sync.WaitGroup
		for i := range 8 {
			dsn := []string{first.AdminDSN, second.AdminDSN}[i%2]
			wg.Go(func() {
				if err := pg.Bootstrap(t.Context(), dsn, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("refuses a password for a service that does not exist, without repeating it", func(t *testing.T) {
		t.Parallel()
		if err := pg.Bootstrap(t.Context(), "postgres://nowhere.invalid/x", map[string]string{"nobody": "s3cret"}); err == nil {
			t.Fatal("accepted")
		}
	})
}
