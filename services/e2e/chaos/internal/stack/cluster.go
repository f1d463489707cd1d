package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/local"
	"bulkhead/libs/pg"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

const (
	// template is the database that every run's is a copy of: all schemas, no rows.
	template = "chaos_template"
	// adminRole is the instrument's own way in; the server's administrator gets a new password at every start of the server.
	adminRole = "chaos"
	// endWithin bounds waiting for the server's end after it was told to.
	endWithin = 15 * time.Second
	// askDatabase bounds one statement of the instrument's own.
	askDatabase = time.Minute
)

// Cluster is a PostgreSQL server of our own with fsync on, kept from run to run: making one takes longer than a run's start. One run uses
// it at a time; a run may stop and kill the server.
type Cluster struct {
	dir       string
	disks     *disks // what it and the broker write to, where their power can be cut; nil = directories
	settings  map[string]string
	passwords map[string]string // by service
	admin     string            // adminRole's password

	mu     sync.Mutex // held while the server is stopped and started
	server *local.Postgres
	place  sync.RWMutex
	host   string // host:port of the server now
	now    Running
}

// OpenCluster starts the server on a directory, makes the directory where it is not there, and makes the template anew from this
// program's own migrations. What an earlier run left is dropped. Close ends the server, as does the end of this process.
func OpenCluster(ctx context.Context, dir string) (*Cluster, error) {
	return openCluster(ctx, &Cluster{dir: dir})
}

func openCluster(ctx context.Context, c *Cluster) (_ *Cluster, err error) {
	c.admin, c.passwords = rand.Text(), map[string]string{}
	for _, service := range pg.Services {
		c.passwords[service] = rand.Text()
	}
	if err := c.up(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := c.prepare(ctx); err != nil {
		return nil, fmt.Errorf("chaos cluster: %w", err)
	}
	return c, nil
}

// swiftRecovery makes the server sync whole file systems before it recovers, where it can, and not each of its thousands of files: that took
// seconds of every crash, and it is no part of what is tried here.
const swiftRecovery = `SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'recovery_init_sync_method' AND 'syncfs' = ANY (enumvals))`

// prepare makes roles and template.
func (c *Cluster) prepare(ctx context.Context) error {
	dsn := c.server.DSN()
	err := c.withConn(ctx, dsn, func(ctx context.Context, conn *pgx.Conn) error {
		var has bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", adminRole).Scan(&has); err != nil {
			return err
		}
		if !has {
			if _, err := conn.Exec(ctx, "CREATE ROLE "+adminRole+" SUPERUSER LOGIN"); err != nil {
				return err
			}
		}
		rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 'chaos\_%'`)
		if err != nil {
			return err
		}
		old, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range old {
			if _, err := conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
				return err
			}
		}
		var swift bool
		if err := conn.QueryRow(ctx, swiftRecovery).Scan(&swift); err != nil {
			return err
		}
		if swift {
			if _, err := conn.Exec(ctx, "ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'"); err != nil {
				return err
			}
		}
		_, err = conn.Exec(ctx, "CREATE DATABASE "+template)
		return err
	})
	if err != nil {
		return err
	}
	if err := pg.SetPassword(ctx, dsn, adminRole, c.admin); err != nil {
		return err
	}
	empty, err := pg.DSNWithDatabase(dsn, template)
	if err != nil {
		return err
	}
	for _, m := range []pg.Migrations{
		extractor.Migrations(), submitter.Migrations(), poller.Migrations(), reconciler.Migrations(), retrier.Migrations(), ops.Migrations(),
	} {
		if err := pg.Install(ctx, empty, c.passwords[m.Service], m); err != nil {
			return err
		}
	}
	return nil
}

// up starts the server. The lock is held, or nobody else knows the cluster yet.
func (c *Cluster) up(ctx context.Context) error {
	server, err := c.start(ctx)
	if err != nil {
		return err
	}
	at, err := url.Parse(server.DSN())
	if err != nil {
		return errors.Join(errors.New("the server's address cannot be read"), server.Stop(ctx))
	}
	c.place.Lock()
	c.server, c.host = server, at.Host
	c.now = Running{Part: Postgres, PID: server.Pid(), Start: c.now.Start + 1, Since: time.Now()}
	c.place.Unlock()
	return nil
}

// unlocked bounds waiting for the directory's lock, which this program itself just let go of.
const unlocked = 3 * time.Second

// start starts the server as soon as the directory is free: a process that is being started at this very moment holds a copy of the lock
// until it runs its own program.
func (c *Cluster) start(ctx context.Context) (*local.Postgres, error) {
	for until := time.Now().Add(unlocked); ; {
		server, err := local.StartPostgres(ctx, local.PostgresOptions{DataDir: c.dir, Fsync: true, SharedBuffers: "128MB", Settings: c.settings})
		if err == nil || !errors.Is(err, local.ErrInUse) || time.Now().After(until) || !sleep(ctx, lookEvery) {
			return server, err
		}
	}
}

// address is where the server listens now; a port that refuses while it is down.
func (c *Cluster) address() string {
	c.place.RLock()
	defer c.place.RUnlock()
	return c.host
}

// dsn is a role's address by way of a host.
func (c *Cluster) dsn(role, password, host, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Host: host, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// create makes a run's database.
func (c *Cluster) create(ctx context.Context, name string) error {
	err := c.withConn(ctx, c.dsn(adminRole, c.admin, c.address(), "postgres"), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE "+template)
		return err
	})
	if err != nil {
		return fmt.Errorf("make the run's database: %w", err)
	}
	return nil
}

// drop removes a run's database, whoever is connected.
func (c *Cluster) drop(ctx context.Context, name string) error {
	err := c.withConn(ctx, c.dsn(adminRole, c.admin, c.address(), "postgres"), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		return err
	})
	if err != nil {
		return fmt.Errorf("drop the run's database: %w", err)
	}
	return nil
}

func (c *Cluster) withConn(ctx context.Context, dsn string, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, askDatabase)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(ctx, conn)
}

// Close ends the server. The directory stays, disks go.
func (c *Cluster) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	return errors.Join(c.server.Stop(ctx), c.disks.close(ctx))
}
