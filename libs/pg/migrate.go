package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Migrations are one service's schema, as numbered SQL files in goose's form.
type Migrations struct {
	Service string // owner of the schema of the same name
	FS      fs.FS  // holds migrations/00001_name.sql and so on
}

// ErrSchemaOlder says that the database lacks migrations that this binary needs.
var ErrSchemaOlder = errors.New("the schema is older than this program")

// ErrSchemaNewer says that the database is more than one migration ahead of this binary.
var ErrSchemaNewer = errors.New("the schema is newer than this program")

// versionTable is the table, in the service's schema, in which goose notes what ran.
const versionTable = "goose_version"

// migrateLockFirst and migrateLockMost bound each wait of a migration for a lock, the first time and after some: whoever wants the table meanwhile queues up
// behind the migration. The first stays below the second after which PostgreSQL looks for deadlocks, so that it is the migration that steps back and seldom a
// service that is refused; all stay below what services wait for a lock.
const (
	migrateLockFirst = 500 * time.Millisecond
	migrateLockMost  = 5 * time.Second
)

// migrateRest is what others have before a migration tries again to get its locks.
const migrateRest = time.Second

// Migrate brings one service's schema up to date: roles first (Bootstrap, no passwords), then every migration that has
// not run, each in a transaction, forward only. Several programs may call it at once; one works, the others wait. It may
// run while services work: a migration that does not get a lock soon steps back, and tries again until ctx ends.
// A database that is more than one migration ahead is refused with ErrSchemaNewer.
func Migrate(ctx context.Context, adminDSN string, m Migrations) error {
	newest, err := m.newest()
	if err != nil {
		return err
	}
	files, err := fs.Sub(m.FS, "migrations")
	if err != nil {
		return fmt.Errorf("migrate %s: %w", m.Service, err)
	}
	if err := Bootstrap(ctx, adminDSN, nil); err != nil {
		return fmt.Errorf("migrate %s: %w", m.Service, err)
	}
	err = withAdmin(ctx, adminDSN, func(ctx context.Context, conn *pgx.Conn) error {
		schema := pgx.Identifier{m.Service}.Sanitize()
		if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil {
			return fmt.Errorf("create schema: %w", err)
		}
		if err := up(ctx, conn.Config(), m.Service, files, newest); err != nil {
			return err
		}
		// Migrations grant the role all tables of its schema; what ran is not the service's to change.
		table := pgx.Identifier{m.Service, versionTable}.Sanitize()
		role := pgx.Identifier{RoleOf(m.Service)}.Sanitize()
		_, err := conn.Exec(ctx, fmt.Sprintf("REVOKE ALL ON %[1]s FROM %[2]s; GRANT USAGE ON SCHEMA %[3]s TO %[2]s; GRANT SELECT ON %[1]s TO %[2]s", table, role, schema))
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate %s: %w", m.Service, err)
	}
	return nil
}

// Install is what `<service> migrate` does: Migrate, and then the password of the service's role unless it is empty.
func Install(ctx context.Context, adminDSN, rolePassword string, m Migrations) error {
	if err := Migrate(ctx, adminDSN, m); err != nil {
		return err
	}
	if rolePassword == "" {
		return nil
	}
	return SetPassword(ctx, adminDSN, RoleOf(m.Service), rolePassword)
}

// up runs goose on connections of its own; the caller holds the advisory lock.
func up(ctx context.Context, config *pgx.ConnConfig, service string, files fs.FS, newest int64) error {
	for wait := migrateLockFirst; ; wait = min(2*wait, migrateLockMost) {
		err := upOnce(ctx, *config, service, files, newest, wait)
		if err == nil || !isHeldUp(err) || !rest(ctx, migrateRest) {
			return err
		}
	}
}

// upOnce runs what has not run, and waits for each lock only so long.
func upOnce(ctx context.Context, config pgx.ConnConfig, service string, files fs.FS, newest int64, lockWait time.Duration) error {
	config.RuntimeParams = maps.Clone(config.RuntimeParams)
	config.RuntimeParams["lock_timeout"] = milliseconds(lockWait)
	db := stdlib.OpenDB(config)
	defer func() { _ = db.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(service+"."+versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	has, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if err := compareVersions(service, has, newest); errors.Is(err, ErrSchemaNewer) {
		return err
	}
	if has >= newest {
		return nil
	}
	_, err = provider.Up(ctx)
	return migrationError(err)
}

func migrationError(err error) error {
	var partial *goose.PartialError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &partial) && partial.Failed != nil:
		return fmt.Errorf("run %s: %w", partial.Failed.Source.Path, partial.Err)
	}
	return fmt.Errorf("run migrations: %w", err)
}

// isHeldUp says whether a migration was undone because others hold what it needs: a lock that it did not get in time, or a deadlock.
func isHeldUp(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "55P03" || pgErr.Code == "40P01")
}

// rest waits, and says whether the whole time passed.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// CheckSchema says whether the database fits this binary: nil, ErrSchemaOlder (which `<service> migrate` cures), or
// ErrSchemaNewer. One migration ahead is accepted: code runs before and after its neighbour's migration.
func CheckSchema(ctx context.Context, pool DB, m Migrations) error {
	newest, err := m.newest()
	if err != nil {
		return err
	}
	var has int64
	err = pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+pgx.Identifier{m.Service, versionTable}.Sanitize()+" WHERE is_applied").Scan(&has)
	var pgErr *pgconn.PgError
	switch {
	case errors.As(err, &pgErr) && (pgErr.Code == "42P01" || pgErr.Code == "3F000" || pgErr.Code == "42501"):
		has = 0 // no such table, no such schema, or not yet granted: nothing ran to its end
	case err != nil:
		return fmt.Errorf("read the version of schema %s: %w", m.Service, err)
	}
	return compareVersions(m.Service, has, newest)
}

func compareVersions(service string, has, newest int64) error {
	switch {
	case has < newest:
		return fmt.Errorf("%w: %s is at %d and %d is needed; run `%s migrate`", ErrSchemaOlder, service, has, newest, service)
	case has > newest+1:
		return fmt.Errorf("%w: %s is at %d and this program knows up to %d; run a newer one", ErrSchemaNewer, service, has, newest)
	}
	return nil
}

var migrationName = regexp.MustCompile(`^(\d+)_[a-z0-9_]+\.sql$`)

// newest is the highest number among the files.
func (m Migrations) newest() (int64, error) {
	if !slices.Contains(Services, m.Service) {
		return 0, fmt.Errorf("migrations of unknown service %q", m.Service)
	}
	entries, err := fs.ReadDir(m.FS, "migrations")
	if err != nil {
		return 0, fmt.Errorf("migrations of %s: %w", m.Service, err)
	}
	var newest int64
	for _, entry := range entries {
		if path.Ext(entry.Name()) != ".sql" {
			continue
		}
		parts := migrationName.FindStringSubmatch(entry.Name())
		if parts == nil {
			return 0, fmt.Errorf("migrations of %s: file %q is not named 00001_what_it_does.sql", m.Service, entry.Name())
		}
		n, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migrations of %s: file %q: %w", m.Service, entry.Name(), err)
		}
		newest = max(newest, n)
	}
	if newest == 0 {
		return 0, fmt.Errorf("migrations of %s: no file in migrations/", m.Service)
	}
	return newest, nil
}
