// Package app is the retrier as a program: it opens what the passes need, runs them, and stops them in order. Wiring only; what is sent
// again, when and with what is decided in package retry.
package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/services/retrier/internal/retry"
	"bulkhead/services/retrier/internal/store"
)

const (
	name = "retrier"
	// stopTimeout bounds everything that is done to stop.
	stopTimeout = 10 * time.Second
	// natsRetry is the rest between two tries to reach a broker that is not there yet.
	natsRetry = 500 * time.Millisecond
)

// Migrations are the retrier's, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable retrier.
type App struct {
	config  Config
	env     service.Env
	stop    service.Lifecycle
	pool    *pgxpool.Pool
	conn    *bus.Conn
	catalog *catalog.Catalog
	passes  *retry.Passes
	relay   *pg.Relay
	server  *service.Server

	replay, regroup, sweep *service.Bell
	timer                  *wakeTimer
}

// New opens the retrier. It waits for a database or broker that is not there yet until ctx ends; whatever it opened before an error is
// closed again.
func New(ctx context.Context, c Config, env service.Env) (_ *App, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("retrier configuration: %w", err)
	}
	a := &App{config: c, env: env, replay: service.NewBell(), regroup: service.NewBell(), sweep: service.NewBell()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(ctx))
		}
	}()
	waiting := func(cause error) { env.Logger.Warn("waiting for PostgreSQL", "error", cause) }
	if a.pool, err = pg.WaitReady(ctx, c.DSN, pg.Options{AppName: name}, Migrations(), waiting); err != nil {
		return nil, err
	}
	a.stop.Add("database pool", func(context.Context) error { a.pool.Close(); return nil })
	if a.conn, err = connect(ctx, c.NATSURL, env); err != nil {
		return nil, err
	}
	a.stop.Add("NATS", func(context.Context) error { a.conn.Close(); return nil })
	a.catalog = catalog.New(a.pool)
	st := store.New(a.pool)
	a.passes = retry.New(retry.Config{
		Store: st, Definitions: a.catalog, Streams: streams{a.conn}, Logger: env.Logger, Now: c.Now, Random: c.Random,
		ShortRetries: c.ShortRetries, Gather: c.Gather, MaxWaiting: int64(c.MaxWaiting),
	})
	publish := func(ctx context.Context, m []record.Message) error { return bus.PublishBatch(ctx, a.conn, m) }
	a.relay = pg.NewRelay(a.pool, store.Schema, publish, pg.RelayOptions{Logger: env.Logger})
	a.timer = newWakeTimer(a.regroup.Ring)
	a.stop.Add("timer", func(context.Context) error { a.timer.stop(); return nil })
	if err := registerMetrics(env.Registry, st); err != nil {
		return nil, err
	}
	if c.Listen != "" {
		if a.server, err = service.Serve(ctx, c.Listen, service.HealthHandler(env, a.checks()...)); err != nil {
			return nil, err
		}
		a.stop.Add("health server", a.server.Stop)
	}
	return a, nil
}

// Run works until ctx is done, and then stops in order: no new work, what is in hand is finished, connections are closed.
func (a *App) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = a.relay.Run(ctx) // it returns nil, when ctx is done
	})
	var workErr error
	wg.Go(func() {
		workErr = bus.Work(ctx, a.conn, bus.Worker{
			Durable: name, Facts: retry.Facts(), Logger: a.env.Logger,
			Handler: a.passes.Handler(retry.Wakers{Replay: a.replay.Ring, Regroup: a.regroup.Ring, Definitions: a.catalog.Invalidate}),
		})
	})
	service.RunLoops(ctx, a.env, a.loops()...)
	wg.Wait()
	return errors.Join(workErr, a.close(ctx))
}

// Sweep does once, now, everything that a sweep does: for tests and for an operator's impatience.
func (a *App) Sweep(ctx context.Context) error {
	var errs []error
	for _, pass := range []func(context.Context) (int, error){
		a.passes.FreeOpen, a.passes.TakeOpen, a.passes.Replay, a.passes.Republish, a.passes.Backlog, a.regroupPass,
	} {
		_, err := pass(ctx)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (a *App) loops() []service.Loop {
	ringing := func(pass func(context.Context) (int, error)) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			n, err := pass(ctx)
			if n > 0 {
				a.regroup.Ring()
			}
			return n, err
		}
	}
	once := func(pass func(context.Context) (int, error)) func(context.Context) (int, error) {
		// These look at all there is in one pass: asking again at once would find the same.
		return func(ctx context.Context) (int, error) { _, err := pass(ctx); return 0, err }
	}
	return []service.Loop{
		{Name: "take", Every: a.config.Sweep, Pass: ringing(a.passes.TakeOpen)},
		{Name: "free", Every: a.config.Sweep, Pass: ringing(a.passes.FreeOpen)},
		{Name: "replay", Every: a.config.Sweep, Wake: a.replay.C(), Pass: ringing(a.passes.Replay)},
		{Name: "regroup", Every: a.config.Sweep, Wake: a.regroup.C(), Pass: a.regroupPass},
		{Name: "letters", Every: a.config.Sweep, Pass: once(a.passes.Republish)},
		{Name: "backlog", Every: a.config.Sweep, Pass: once(a.passes.Backlog)},
	}
}

// regroupPass seals what is due and sets the timer for what will be.
func (a *App) regroupPass(ctx context.Context) (int, error) {
	n, next, err := a.passes.Regroup(ctx)
	if !next.IsZero() {
		now := time.Now
		if a.config.Now != nil {
			now = a.config.Now
		}
		a.timer.at(next.Sub(now()))
	}
	return n, err
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

// streams asks the broker, as the passes want it asked.
type streams struct{ conn *bus.Conn }

// Info is what the broker says of a stream.
func (s streams) Info(ctx context.Context, stream string) (bus.StreamInfo, error) {
	return bus.Info(ctx, s.conn, stream)
}
