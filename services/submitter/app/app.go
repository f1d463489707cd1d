// Package app puts the submitter together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// What it owns in the ledger is package store's, what it does is package submit's. Here is only the wiring: a claim loop, the sweep, the
// orphan sweep, the consumer of facts, the outbox relay, and their ordered end: stop claiming, hand back what is in hand, flush the outbox,
// close the broker, close the pool, all under one deadline.
//
// Several instances may run at once; leases divide the work.
package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/services/submitter/internal/store"
	"bulkhead/services/submitter/internal/submit"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Name is the service's name: its schema, its consumer and its role are called after it.
const Name = "submitter"

// Rests of the loops.
const (
	// claimEvery is how soon due work is found that nobody woke the loop for: what other instances let go, waits that ran out.
	claimEvery = time.Second
	// claimEveryShort is that for demos and tests.
	claimEveryShort = 200 * time.Millisecond
	// minOrphanEvery keeps short waits from listing jobs all the time.
	minOrphanEvery = 5 * time.Second
)

// spareConns are connections of the pool beside one per worker: relay, claims, renewals, facts, sweeps.
const spareConns = 6

// App is a submitter. Make it with [New].
type App struct {
	cfg    Config
	env    service.Env
	db     *pgxpool.Pool
	conn   *bus.Conn
	bell   *service.Bell
	runner *submit.Runner
	pool   *submit.Pool
	notes  *submit.Notes
	relay  *pg.Relay
	stop   service.Lifecycle
}

// Migrations are the submitter's schema.
func Migrations() pg.Migrations { return store.Migrations() }

// New checks the configuration, waits until ledger and schema are there, connects to the broker and puts everything together. What it opened is
// closed again when it fails.
func New(ctx context.Context, cfg Config, env service.Env) (_ *App, err error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("submitter configuration: %w", err)
	}
	a := &App{cfg: cfg, env: env, bell: service.NewBell()}
	defer func() {
		if err != nil {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.StopTimeout)
			defer cancel()
			err = errors.Join(err, a.stop.Stop(undo))
		}
	}()
	a.db, err = pg.WaitReady(ctx, cfg.DSN, pg.Options{AppName: "bulkhead-" + Name, MaxConns: int32(cfg.Workers + spareConns)}, Migrations(),
		func(err error) { env.Logger.Warn("waiting for the ledger", "error", err) })
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	a.stop.Add("ledger", func(context.Context) error { a.db.Close(); return nil })
	a.conn, err = bus.Connect(cfg.NATSURL, bus.ConnectOptions{Name: Name, Logger: env.Logger})
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	a.stop.Add("broker", func(context.Context) error { a.conn.Close(); return nil })
	a.assemble()
	return a, nil
}

func (a *App) assemble() {
	ledger := store.New(a.db)
	orgs := catalog.New(a.db)
	backoff, gateWait := submit.DefaultBackoff, claimEvery
	if a.cfg.ShortRetries {
		backoff, gateWait = submit.ShortBackoff, claimEveryShort
	}
	a.runner = submit.NewRunner(submit.Config{
		Store: ledger, Orgs: catalogOrgs{orgs},
		Publish: func(ctx context.Context, m record.Message) error { return bus.Publish(ctx, a.conn, m) },
		Logger:  a.env.Logger, Metrics: submit.NewMetrics(a.env.Registry), Owner: uuid.NewString(), Lease: a.cfg.Lease, Workers: a.cfg.Workers,
		BindMaxAge: a.cfg.Waits.BindMaxAge, OrphanAge: a.cfg.Waits.OrphanAge, Backoff: backoff, GateWait: gateWait,
	})
	a.pool = submit.NewPool(a.runner, a.bell.Ring)
	a.notes = &submit.Notes{Store: ledger, Logger: a.env.Logger, Lease: a.cfg.Lease, Wake: a.bell.Ring, DefinitionChanged: orgs.Invalidate}
	a.relay = pg.NewRelay(a.db, store.Schema, func(ctx context.Context, msgs []record.Message) error { return bus.PublishBatch(ctx, a.conn, msgs) },
		pg.RelayOptions{Logger: a.env.Logger})
}

// Run works until ctx is done, then stops in order. It returns nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	if a.cfg.Listen != "" {
		server, err := service.Serve(ctx, a.cfg.Listen, service.HealthHandler(a.env,
			service.Check{Name: "ledger", Ask: a.db.Ping},
			service.Check{Name: "broker", Ask: func(context.Context) error { return a.brokerReady() }}))
		if err != nil {
			return errors.Join(fmt.Errorf("listen on %s: %w", a.cfg.Listen, err), a.end(ctx))
		}
		a.stop.Add("http", server.Stop)
		a.env.Logger.Info("listening", "address", server.Addr())
	}
	// The relay outlives the work, so that what the last moves announce still goes out.
	relayCtx, endRelay := context.WithCancel(context.WithoutCancel(ctx))
	relayed := make(chan error, 1)
	go func() { relayed <- a.relay.Run(relayCtx) }()
	a.stop.Add("outbox relay", func(stop context.Context) error {
		endRelay()
		err := <-relayed
		if _, last := a.relay.Pass(stop); last != nil && stop.Err() == nil {
			// The rows stay, and the next start publishes them.
			a.env.Logger.Warn("outbox not flushed, it goes out at the next start", "error", last)
		}
		return err
	})

	var wg sync.WaitGroup
	facts := make(chan error, 1)
	wg.Go(func() {
		facts <- bus.Work(ctx, a.conn, bus.Worker{Durable: Name, Facts: submit.Facts(), Handler: a.notes.Handle, Logger: a.env.Logger})
	})
	service.RunLoops(ctx, a.env, a.loops()...)
	wg.Wait()
	a.pool.Wait()
	return errors.Join(<-facts, a.end(ctx))
}

func (a *App) loops() []service.Loop {
	every := claimEvery
	if a.cfg.ShortRetries {
		every = claimEveryShort
	}
	return []service.Loop{
		{Name: "claim", Every: every, Wake: a.bell.C(), Pass: a.pool.Pass},
		{Name: "sweep", Every: a.cfg.Sweep, Pass: once(a.notes.Sweep)},
		{Name: "orphans", Every: max(a.cfg.Waits.OrphanAge/4, minOrphanEvery), Pass: once(a.runner.Orphans)},
	}
}

// once makes a loop rest after every pass, whatever it found: what a sweep leaves is for the next one.
func once(pass func(context.Context) (int, error)) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		_, err := pass(ctx)
		return 0, err
	}
}

// Sweep looks once for all that facts did not tell of. Tests call it instead of waiting.
func (a *App) Sweep(ctx context.Context) error {
	_, err := a.notes.Sweep(ctx)
	if err != nil {
		return err
	}
	_, err = a.runner.Orphans(ctx)
	return err
}

func (a *App) end(ctx context.Context) error {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.StopTimeout)
	defer cancel()
	return a.stop.Stop(stop)
}

func (a *App) brokerReady() error {
	if !a.conn.NC.IsConnected() {
		return errors.New("not connected to the broker")
	}
	return nil
}

// catalogOrgs finds orgs through the catalog.
type catalogOrgs struct{ c *catalog.Catalog }

func (o catalogOrgs) Org(ctx context.Context, name string) (submit.Org, error) {
	return o.c.Client(ctx, name)
}

func (o catalogOrgs) ReportsOrphans(ctx context.Context, name string) (bool, error) {
	org, err := o.c.Org(ctx, name)
	if err != nil {
		return true, err
	}
	return org.Orphans != pipeline.OrphansAbort, nil
}
