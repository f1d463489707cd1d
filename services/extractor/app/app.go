// Package app puts the extractor together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// What it owns in the ledger is package store's, what it decides package decide's, what it does package extract's. Here is only the
// wiring: a loop per pipeline that reads its stream, loops that free rows and map replays, the consumer of facts, the outbox relay, and
// their ordered end: stop reading and give the leases back, flush the outbox, close the broker, close the pool, all under one deadline.
//
// Several instances may run at once; each pipeline is read by one of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/extractor/internal/extract"
	"bulkhead/services/extractor/internal/store"
)

// Name is the service's name: its schema, its consumer and its role are called after it.
const Name = "extractor"

const (
	// readEvery is how soon a reader looks again that could do nothing: a lease may have run out, a chunk may have its outcome.
	readEvery = time.Second
	// definitionsEvery is how soon a new pipeline is found that no fact told of.
	definitionsEvery = 5 * time.Second
	// partitionsEvery is far below the month that a partition spans.
	partitionsEvery = time.Hour
	// connectAgain is the rest between two tries to reach a broker that is not there yet.
	connectAgain = 500 * time.Millisecond
)

// App is an extractor. Make it with [New].
type App struct {
	cfg        Config
	env        service.Env
	db         *pgxpool.Pool
	conn       *bus.Conn
	store      *store.Store
	catalog    *catalog.Catalog
	supervisor *extract.Supervisor
	freer      *extract.Freer
	replayer   *extract.Replayer
	letters    *extract.Republisher
	relay      *pg.Relay
	stop       service.Lifecycle
	addr       atomic.Pointer[string]

	defined, reconciled, ordered *service.Bell
}

// Migrations are the extractor's schema.
func Migrations() pg.Migrations { return store.Migrations() }

// New checks the configuration, waits until ledger, schema and broker are there, and puts everything together. What it opened is closed
// again when it fails.
func New(ctx context.Context, cfg Config, env service.Env) (_ *App, err error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("extractor configuration: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &App{cfg: cfg, env: env, defined: service.NewBell(), reconciled: service.NewBell(), ordered: service.NewBell()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.end(ctx))
		}
	}()
	a.db, err = pg.WaitReady(ctx, cfg.DSN, pg.Options{AppName: "bulkhead-" + Name}, Migrations(),
		func(err error) { env.Logger.Warn("waiting for the ledger", "error", err) })
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	a.stop.Add("ledger", func(context.Context) error { a.db.Close(); return nil })
	if a.conn, err = connect(ctx, cfg.NATSURL, env); err != nil {
		return nil, err
	}
	a.stop.Add("broker", func(context.Context) error { a.conn.Close(); return nil })
	a.assemble()
	return a, nil
}

func (a *App) assemble() {
	a.store, a.catalog = store.New(a.db), catalog.New(a.db)
	deps := extract.Deps{
		Store: a.store, Catalog: a.catalog, Owner: uuid.NewString(), Lease: a.cfg.Lease, OpenChunks: a.cfg.OpenChunks,
		Recheck: a.cfg.Sweep, Now: a.cfg.Now, Logger: a.env.Logger, Metrics: extract.NewMetrics(a.env.Registry),
		Open: func(ctx context.Context, c bus.ReaderConfig) (extract.Stream, error) {
			r, err := bus.OpenReader(ctx, a.conn, c)
			if err != nil {
				return nil, err // not a nil reader in an interface that is none
			}
			return r, nil
		},
	}
	a.supervisor = extract.NewSupervisor(deps, readEvery, a.env)
	a.freer = &extract.Freer{Deps: deps}
	a.replayer = &extract.Replayer{Deps: deps, Later: func() { time.AfterFunc(max(a.cfg.Sweep/10, readEvery), a.ordered.Ring) }}
	a.letters = &extract.Republisher{Deps: deps, Made: func(ctx context.Context) (time.Time, error) {
		info, err := bus.Info(ctx, a.conn, bus.StreamDLQ)
		return info.Incarnation, err
	}}
	publish := func(ctx context.Context, msgs []record.Message) error { return bus.PublishBatch(ctx, a.conn, msgs) }
	a.relay = pg.NewRelay(a.db, store.Schema, publish, pg.RelayOptions{Logger: a.env.Logger})
}

// Addr is where health and metrics are served; "" = nowhere, or not yet.
func (a *App) Addr() string {
	if addr := a.addr.Load(); addr != nil {
		return *addr
	}
	return ""
}

// Run works until ctx is done, then stops in order. It returns nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	if a.cfg.Listen != "" {
		server, err := service.Serve(ctx, a.cfg.Listen, service.HealthHandler(a.env,
			service.Check{Name: "ledger", Ask: a.db.Ping},
			service.Check{Name: "broker", Ask: func(context.Context) error { return a.brokerReady() }}))
		if err != nil {
			return errors.Join(err, a.end(ctx))
		}
		a.stop.Add("http", server.Stop)
		addr := server.Addr()
		a.addr.Store(&addr)
		a.env.Logger.Info("listening", "address", addr)
	}
	// Before anything is accepted: a month whose first rows went to the default partition stays there.
	if _, err := a.partitions(ctx); err != nil {
		a.env.Logger.Warn("partitions of records are not made, rows go to the default one", "error", err)
	}
	// The relay outlives the readers, so that what their last commits announce still goes out.
	relayCtx, endRelay := context.WithCancel(context.WithoutCancel(ctx))
	relayed := make(chan error, 1)
	go func() { relayed <- a.relay.Run(relayCtx) }()
	a.stop.Add("outbox relay", func(stop context.Context) error {
		endRelay()
		err := <-relayed
		if _, last := a.relay.Pass(stop); last != nil && stop.Err() == nil {
			a.env.Logger.Warn("outbox not flushed, it goes out at the next start", "error", last)
		}
		return err
	})
	a.stop.Add("readers", a.supervisor.Stop)

	var wg sync.WaitGroup
	facts := make(chan error, 1)
	wg.Go(func() {
		facts <- bus.Work(ctx, a.conn, bus.Worker{
			Durable: Name, Logger: a.env.Logger, Handler: a.handle,
			Facts: []string{bus.FactChunkReconciled, bus.FactReplayOrdered, bus.FactDefinitionChanged},
		})
	})
	service.RunLoops(ctx, a.env, a.loops()...)
	wg.Wait()
	return errors.Join(<-facts, a.end(ctx))
}

func (a *App) loops() []service.Loop {
	return []service.Loop{
		{Name: "definitions", Every: definitionsEvery, Wake: a.defined.C(), Pass: a.supervisor.Pass},
		{Name: "free", Every: a.cfg.Sweep, Wake: a.reconciled.C(), Pass: a.freer.Pass},
		{Name: "replay", Every: a.cfg.Sweep, Wake: a.ordered.C(), Pass: a.replayer.Pass},
		{Name: "letters", Every: a.cfg.Sweep, Pass: a.letters.Pass},
		{Name: "partitions", Every: partitionsEvery, Pass: a.partitions},
	}
}

// handle wakes whoever has to do with a fact. The work itself stands in views already: nothing has to be noted, and a fact that is lost
// is made good by the sweeps.
func (a *App) handle(_ context.Context, e *flowv1.Envelope) error {
	switch bus.FactOf(e) {
	case bus.FactChunkReconciled:
		a.reconciled.Ring()
		a.supervisor.Wake(e.GetPipeline())
	case bus.FactReplayOrdered:
		a.ordered.Ring()
	case bus.FactDefinitionChanged:
		a.catalog.Invalidate()
		a.defined.Ring()
		a.supervisor.Wake("")
		a.ordered.Ring() // letters of an older revision may be the extractor's now
	}
	return nil
}

func (a *App) partitions(ctx context.Context) (int, error) {
	return 0, a.store.EnsurePartitions(ctx, a.cfg.Now())
}

// Sweep looks once for everything that facts did not tell of. Tests call it instead of waiting.
func (a *App) Sweep(ctx context.Context) error {
	a.catalog.Invalidate()
	var errs []error
	for _, pass := range []func(context.Context) (int, error){
		a.partitions, a.supervisor.Pass, a.replayer.Pass, a.freer.Pass, a.letters.Pass,
	} {
		_, err := pass(ctx)
		errs = append(errs, err)
	}
	a.supervisor.Wake("")
	return errors.Join(errs...)
}

func (a *App) end(ctx context.Context) error {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.StopTimeout)
	defer cancel()
	return a.stop.Stop(stop)
}

func (a *App) brokerReady() error {
	if !a.conn.NC.IsConnected() {
		return errors.New("not connected to the broker at " + a.conn.NC.ConnectedUrlRedacted())
	}
	return nil
}

// connect waits for a broker that is not there yet, until ctx ends.
func connect(ctx context.Context, url string, env service.Env) (*bus.Conn, error) {
	for said := ""; ; {
		conn, err := bus.Connect(url, bus.ConnectOptions{Name: Name, Logger: env.Logger})
		if err == nil {
			return conn, nil
		}
		if err.Error() != said {
			env.Logger.Warn("waiting for the broker", "error", err)
			said = err.Error()
		}
		timer := time.NewTimer(connectAgain)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("broker: %w: last %w", ctx.Err(), err)
		case <-timer.C:
		}
	}
}
