// Package app is the reconciler as a program: it opens what the passes need, runs them, and stops them in order. Wiring only; what became of a row and what follows is
// decided in package reconcile.
package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/services/reconciler/internal/reconcile"
	"bulkhead/services/reconciler/internal/store"
)

const (
	name = "reconciler"
	// stopTimeout bounds everything that is done to stop.
	stopTimeout = 10 * time.Second
	// natsRetry is the rest between two tries to reach a broker that is not there yet.
	natsRetry = 500 * time.Millisecond
	// shortRest is the longest rest after a failed pass with short retries.
	shortRest = time.Second
)

// Migrations are the reconciler's, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable reconciler.
type App struct {
	config Config
	env    service.Env
	stop   service.Lifecycle
	pool   *pgxpool.Pool
	conn   *bus.Conn
	passes *reconcile.Reconciler
	relay  *pg.Relay
	server *service.Server
	due    *service.Bell
	alarm  *alarm
}

// New opens the reconciler. It waits for a database or broker that is not there yet until ctx ends; whatever it opened before an error is closed
// again.
func New(ctx context.Context, c Config, env service.Env) (_ *App, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("reconciler configuration: %w", err)
	}
	a := &App{config: c, env: env, due: service.NewBell()}
	a.alarm = newAlarm(a.due.Ring)
	a.stop.Add("alarm", func(context.Context) error { a.alarm.stop(); return nil })
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(ctx))
		}
	}()
	waiting := func(cause error) { env.Logger.Warn("waiting for PostgreSQL", "error", cause) }
	if a.pool, err = pg.WaitReady(ctx, c.DSN, pg.Options{AppName: name, MaxConns: c.poolSize()}, Migrations(), waiting); err != nil {
		return nil, err
	}
	a.stop.Add("database pool", func(context.Context) error { a.pool.Close(); return nil })
	if a.conn, err = connect(ctx, c.NATSURL, env); err != nil {
		return nil, err
	}
	a.stop.Add("NATS", func(context.Context) error { a.conn.Close(); return nil })
	a.passes = a.newPasses()
	publish := func(ctx context.Context, m []record.Message) error { return bus.PublishBatch(ctx, a.conn, m) }
	a.relay = pg.NewRelay(a.pool, store.Schema, publish, pg.RelayOptions{Logger: env.Logger})
	if c.Listen != "" {
		if a.server, err = service.Serve(ctx, c.Listen, service.HealthHandler(env, a.checks()...)); err != nil {
			return nil, err
		}
		a.stop.Add("health server", a.server.Stop)
	}
	return a, nil
}

func (a *App) newPasses() *reconcile.Reconciler {
	clients := catalog.New(a.pool)
	config := reconcile.Config{
		Store: store.New(a.pool), Streams: streams{a.conn},
		Org:   func(ctx context.Context, org string) (reconcile.Org, error) { return clients.Client(ctx, org) },
		Owner: uuid.NewString(), Lease: a.config.Lease, Waits: a.config.Waits, Batch: a.config.Concurrency,
		Now: a.config.Now, Random: a.config.Random, Logger: a.env.Logger, Registerer: a.env.Registry,
	}
	if a.config.ShortRetries {
		config.BackoffBase, config.BackoffMax = 100*time.Millisecond, shortRest
	}
	return reconcile.New(config)
}

// Run works until ctx is done, and then stops in order: no new work, what is in hand is finished or handed back, connections are closed.
func (a *App) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = a.relay.Run(ctx) // it returns nil, when ctx is done
	})
	var workErr error
	wg.Go(func() {
		workErr = bus.Work(ctx, a.conn, bus.Worker{
			Durable: name, Facts: reconcile.Facts(), Logger: a.env.Logger, Handler: a.passes.Handler(a.due.Ring),
		})
	})
	service.RunLoops(ctx, a.env, a.loops()...)
	wg.Wait()
	return errors.Join(workErr, a.close(ctx))
}

// Sweep does once, now, everything that a sweep does, and reads what is due: for tests and for an operator's impatience.
func (a *App) Sweep(ctx context.Context) error {
	_, err := a.sweepPass(ctx)
	_, lettersErr := a.passes.Republish(ctx)
	_, dueErr := a.passes.Pass(ctx)
	return errors.Join(err, lettersErr, dueErr)
}

func (a *App) loops() []service.Loop {
	return []service.Loop{
		{Name: "sweep", Every: a.config.Sweep, Pass: a.sweepPass, MaxRest: a.rest()},
		{Name: "letters", Every: a.config.Sweep, Pass: a.passes.Republish, MaxRest: a.rest()},
		{Name: "read", Every: a.config.Sweep, Wake: a.due.C(), Pass: a.duePass, MaxRest: a.rest()},
	}
}

// sweepPass finds in the views what no fact told of.
func (a *App) sweepPass(ctx context.Context) (int, error) {
	noted, err := a.passes.Note(ctx, uuid.NullUUID{})
	lifted, liftErr := a.passes.Lifted(ctx)
	if noted+lifted > 0 {
		a.due.Ring()
	}
	return 0, errors.Join(err, liftErr)
}

// duePass does what is due and sets the alarm for what will be.
func (a *App) duePass(ctx context.Context) (int, error) {
	n, err := a.passes.Pass(ctx)
	if n > 0 || err != nil {
		return n, err
	}
	wait, something, err := a.passes.NextDue(ctx)
	if err == nil && something {
		a.alarm.set(wait)
	}
	return 0, err
}

// rest is the longest rest after a pass that failed; 0 = the loops' own.
func (a *App) rest() time.Duration {
	if a.config.ShortRetries {
		return shortRest
	}
	return 0
}

// streams asks the broker, as the passes want it asked.
type streams struct{ conn *bus.Conn }

// Info is what the broker says of a stream.
func (s streams) Info(ctx context.Context, stream string) (bus.StreamInfo, error) {
	return bus.Info(ctx, s.conn, stream)
}

// GetMany reads stored messages by direct get.
func (s streams) GetMany(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error) {
	return bus.GetMany(ctx, s.conn, stream, seqs)
}

func (a *App) checks() []service.Check {
	return []service.Check{
		{Name: "postgresql", Ask: a.pool.Ping},
		{Name: "nats", Ask: func(context.Context) error {
			if !a.conn.NC.IsConnected() {
				return errors.New("not connected")
			}
			return nil
		}},
	}
}

// close undoes what New opened, bounded in time whatever became of ctx.
func (a *App) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return a.stop.Stop(ctx)
}

// connect waits for a broker that is not there yet, until ctx ends.
func connect(ctx context.Context, url string, env service.Env) (*bus.Conn, error) {
	for said := ""; ; {
		conn, err := bus.Connect(url, bus.ConnectOptions{Name: name, Logger: env.Logger})
		if err == nil {
			return conn, nil
		}
		if err.Error() != said {
			env.Logger.Warn("waiting for NATS", "error", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(natsRetry):
		}
	}
}
