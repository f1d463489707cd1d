// Package app is the poller as a program: it opens what the passes need, runs them, and stops them in order. Wiring only; when a job is looked at and what a look means is
// decided in package poll.
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
	"bulkhead/services/poller/internal/poll"
	"bulkhead/services/poller/internal/store"
)

const (
	name = "poller"
	// stopTimeout bounds everything that is done to stop.
	stopTimeout = 10 * time.Second
	// natsRetry is the rest between two tries to reach a broker that is not there yet.
	natsRetry = 500 * time.Millisecond
	// shortRest is the longest rest after a failed pass with short retries.
	shortRest = time.Second
)

// Migrations are the poller's, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable poller.
type App struct {
	config Config
	env    service.Env
	stop   service.Lifecycle
	pool   *pgxpool.Pool
	conn   *bus.Conn
	passes *poll.Poller
	relay  *pg.Relay
	server *service.Server
	due    *service.Bell
	alarm  *alarm
}

// New opens the poller. It waits for a database or broker that is not there yet until ctx ends; whatever it opened before an error is closed
// again.
func New(ctx context.Context, c Config, env service.Env) (_ *App, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("poller configuration: %w", err)
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
	if a.pool, err = pg.WaitReady(ctx, c.DSN, pg.Options{AppName: name, MaxConns: 8}, Migrations(), waiting); err != nil {
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

func (a *App) newPasses() *poll.Poller {
	clients := catalog.New(a.pool)
	pace := poll.DefaultPace()
	if a.config.ShortRetries {
		pace = poll.ShortPace()
	}
	return poll.New(store.New(a.pool), poll.Config{
		Org:   func(ctx context.Context, org string) (poll.Org, error) { return clients.Client(ctx, org) },
		Owner: uuid.NewString(), Lease: a.config.Lease, Gone: a.config.Waits.Gone, Pace: pace, Batch: a.config.Concurrency,
		Now: a.config.Now, Random: a.config.Random, Logger: a.env.Logger, Registerer: a.env.Registry,
	})
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
			Durable: name, Facts: poll.Facts(), Logger: a.env.Logger, Handler: a.passes.Handler(a.due.Ring),
		})
	})
	service.RunLoops(ctx, a.env, a.loops()...)
	wg.Wait()
	return errors.Join(workErr, a.close(ctx))
}

// Sweep does once, now, everything that a sweep does, and looks at what is due: for tests and for an operator's impatience.
func (a *App) Sweep(ctx context.Context) error {
	_, err := a.sweepPass(ctx)
	_, dueErr := a.passes.Pass(ctx)
	return errors.Join(err, dueErr)
}

func (a *App) loops() []service.Loop {
	return []service.Loop{
		{Name: "sweep", Every: a.config.Sweep, Pass: a.sweepPass, MaxRest: a.rest()},
		{Name: "look", Every: a.config.Sweep, Wake: a.due.C(), Pass: a.duePass, MaxRest: a.rest()},
	}
}

// sweepPass finds in the views what no fact told of.
func (a *App) sweepPass(ctx context.Context) (int, error) {
	noted, err := a.passes.Note(ctx, uuid.NullUUID{})
	if noted > 0 {
		a.due.Ring()
	}
	_, settledErr := a.passes.Settled(ctx, uuid.NullUUID{})
	return 0, errors.Join(err, settledErr)
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
