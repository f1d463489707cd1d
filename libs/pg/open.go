package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// Options are what a pool may be told. The zero value is good.
type Options struct {
	// AppName becomes application_name, what an operator sees in pg_stat_activity.
	AppName string
	// MaxConns bounds the connections of this pool; default 8. Six services with two instances each stay below 100.
	MaxConns int32
	// StatementTimeout bounds every statement at the server; default 60 s: a chunk's COPY takes a few seconds.
	StatementTimeout time.Duration
	// LockTimeout bounds every wait for a lock; default 10 s.
	LockTimeout time.Duration
	// IdleInTxTimeout ends a session that holds a transaction and does nothing; default 60 s, above any publish.
	IdleInTxTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = time.Minute
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 10 * time.Second
	}
	if o.IdleInTxTimeout == 0 {
		o.IdleInTxTimeout = time.Minute
	}
	return o
}

// Open makes a pool and proves one connection. It does not wait for a server that is not there yet: see WaitReady.
// Every connection, the first and later ones, is refused when its server is a replica, too old or unsafe; uuid columns are read
// and written as github.com/google/uuid's types.
func Open(ctx context.Context, dsn string, o Options) (*pgxpool.Pool, error) {
	o = o.withDefaults()
	config, err := parsePoolConfig(dsn, o.AppName)
	if err != nil {
		return nil, err
	}
	config.MaxConns = o.MaxConns
	config.MaxConnIdleTime = 5 * time.Minute
	params := config.ConnConfig.RuntimeParams
	params["statement_timeout"] = milliseconds(o.StatementTimeout)
	params["lock_timeout"] = milliseconds(o.LockTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(o.IdleInTxTimeout)
	params["timezone"] = "UTC"
	config.ConnConfig.ValidateConnect = validate
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL %s: %w", Redact(dsn), err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to PostgreSQL %s: %w", Redact(dsn), err)
	}
	return pool, nil
}

// validate looks at the server behind a new connection, refuses one that could lose what it commits (see Durability), and makes commits durable: a
// cluster whose default is synchronous_commit=off or =local would acknowledge what a power cut then takes back. Stronger settings are kept.
// Large values are compressed by lz4 where the server knows it and nobody chose otherwise: PostgreSQL's own way takes several times as long.
func validate(ctx context.Context, conn *pgconn.PgConn) error {
	const look = `SELECT pg_is_in_recovery()::text, current_setting('server_version_num'),
		current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
		COALESCE(current_setting('` + durabilitySetting + `', true), ''),
		CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') AND COALESCE(current_setting('` + durabilitySetting + `', true), '') <> '` + unsafeWord + `'
			THEN set_config('synchronous_commit', 'on', false) END,
		(SELECT set_config(name, 'lz4', false) FROM pg_settings WHERE name = 'default_toast_compression' AND source = 'default' AND 'lz4' = ANY (enumvals))`
	results, err := conn.Exec(ctx, look).ReadAll()
	if err != nil {
		return fmt.Errorf("look at the server: %w", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return errors.New("look at the server: it gave no row")
	}
	row := results[0].Rows[0]
	if string(row[0]) != "false" {
		return fmt.Errorf("%w: it is a replica; give the address of the primary", ErrReplica)
	}
	version, err := strconv.Atoi(string(row[1]))
	if err != nil {
		return fmt.Errorf("look at the server: version %q: %w", row[1], err)
	}
	if version < MinServerVersion {
		return fmt.Errorf("PostgreSQL %d is too old: version %d or newer is needed", version/10000, MinServerVersion/10000)
	}
	return Durability{
		Fsync: string(row[2]), FullPageWrites: string(row[3]), SynchronousCommit: string(row[4]), Word: string(row[5]),
	}.Check()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// readyEvery is how often WaitReady looks.
const readyEvery = 500 * time.Millisecond

// WaitReady opens a pool and waits, until ctx is done, for a server that can be reached and a schema that fits m.
// What waiting cannot cure is returned at once: an unreadable DSN, a wrong password, a newer schema, an old server, an unsafe one.
// waiting is called with the reason whenever the reason changes; it may be nil.
func WaitReady(ctx context.Context, dsn string, o Options, m Migrations, waiting func(error)) (*pgxpool.Pool, error) {
	said := ""
	for {
		pool, err := Open(ctx, dsn, o)
		if err == nil {
			if err = CheckSchema(ctx, pool, m); err == nil {
				return pool, nil
			}
			pool.Close()
		}
		if !mayPass(err) {
			return nil, err
		}
		if waiting != nil && err.Error() != said {
			waiting(err)
			said = err.Error()
		}
		timer := time.NewTimer(readyEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for PostgreSQL: %w: last %w", ctx.Err(), err)
		case <-timer.C:
		}
	}
}

// mayPass says whether waiting may cure what Open or CheckSchema said.
func mayPass(err error) bool {
	if errors.Is(err, ErrUnsafe) {
		return false
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch pgErr.Code[:2] {
		case "08", "53", "57", "55": // connection, resources, operator intervention (starting up, shutting down), not in the needed state
			return true
		}
		// Roles and databases are made by the migration that we may be waiting for.
		return pgErr.Code == "3D000" || pgErr.Code == "28000" || pgErr.Code == "28P01"
	}
	if errors.Is(err, ErrSchemaOlder) || errors.Is(err, ErrReplica) {
		return true
	}
	var connectErr *pgconn.ConnectError
	return errors.As(err, &connectErr) && !errors.Is(err, ErrDSN)
}
