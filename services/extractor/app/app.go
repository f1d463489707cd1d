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
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/host"
	"bulkhead/libs/pg"
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
)

// App is an extractor. Make it with [New].
type App struct {
	cfg        Config
	host       *host.Host
	store      *store.Store
	catalog    *catalog.Catalog
	supervisor *extract.Supervisor
	freer      *extract.Freer
	replayer   *extract.Replayer
	letters    *extract.Republisher

	defined, reconciled, ordered *service.Bell
}

// Migrations are the extractor's schema.
func Migrations() pg.Migrations { return store.Migrations() }

// New checks the configuration, waits until ledger, schema and broker are there, and puts everything together. What it opened is closed
// again when it fails.
func New(ctx context.Context, cfg Config, env service.Env) (*App, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("extractor configuration: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h, err := host.Open(ctx, host.Config{
		Name: Name, DSN: cfg.DSN, NATSURL: cfg.NATSURL, Footing: cfg.Footing, Listen: cfg.Listen, Migrations: Migrations(), StopTimeout: cfg.StopTimeout,
	}, env)
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, host: h, defined: service.NewBell(), reconciled: service.NewBell(), ordered: service.NewBell()}
	a.assemble()
	return a, nil
}

func (a *App) assemble() {
	a.store, a.catalog = store.New(a.host.DB), catalog.NewOver(a.host.DB, a.cfg.Footing.OrgClient()).ByClock(a.cfg.Now)
	deps := extract.Deps{
		Store: a.store, Catalog: a.catalog, Owner: uuid.NewString(), Lease: a.cfg.Lease, OpenChunks: a.cfg.OpenChunks, Remember: a.cfg.Remember << 20,
		Recheck: a.cfg.Sweep, Now: a.cfg.Now, Logger: a.host.Env.Logger, Metrics: extract.NewMetrics(a.host.Env.Registry),
		Open: func(ctx context.Context, c bus.ReaderConfig) (extract.Stream, error) {
			r, err := bus.OpenReader(ctx, a.host.Bus, c)
			if err != nil {
				return nil, err // not a nil reader in an interface that is none
			}
			return r, nil
		},
	}
	deps.Info = func(ctx context.Context, stream string) (bus.StreamInfo, error) {
		return bus.Info(ctx, a.host.Bus, stream)
	}
	deps.Get = func(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error) {
		return bus.GetMany(ctx, a.host.Bus, stream, seqs)
	}
	deps.Holes = func(ctx context.Context, stream string, after uint64) ([]bus.Range, bool, error) {
		return bus.Holes(ctx, a.host.Bus, stream, after)
	}
	deps.Next = func(ctx context.Context, stream string, seq uint64) (bus.Msg, error) {
		return bus.NextStored(ctx, a.host.Bus, stream, seq)
	}
	a.supervisor = extract.NewSupervisor(deps, readEvery, a.host.Env)
	a.freer = &extract.Freer{Deps: deps}
	a.replayer = &extract.Replayer{Deps: deps, Later: func() { time.AfterFunc(max(a.cfg.Sweep/10, readEvery), a.ordered.Ring) }}
	a.letters = &extract.Republisher{Deps: deps, Since: func(ctx context.Context) (time.Time, error) {
		return bus.LettersSince(ctx, a.host.Bus)
	}}
}

// Addr is where health and metrics are served; "" = nowhere, or not yet.
func (a *App) Addr() string { return a.host.Addr() }

// Run works until ctx is done, then stops in order. It returns nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	// Before anything is accepted: a month whose first rows went to the default partition stays there.
	if _, err := a.partitions(ctx); err != nil {
		a.host.Env.Logger.Warn("partitions of records are not made, rows go to the default one", "error", err)
	}
	return a.host.Run(ctx, host.Work{
		Facts:   []string{bus.FactChunkReconciled, bus.FactRowsResolved, bus.FactReplayOrdered, bus.FactDefinitionChanged},
		Handler: a.handle, Loops: a.loops(), Drain: a.supervisor.Stop,
	})
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
		a.supervisor.Reconciled(e.GetPipeline())
	case bus.FactRowsResolved:
		a.reconciled.Ring()
	case bus.FactReplayOrdered:
		a.ordered.Ring()
		if e.GetReplayOrdered().GetRereads() > 0 {
			a.supervisor.Ordered(e.GetPipeline())
		}
	case bus.FactDefinitionChanged:
		a.catalog.Invalidate()
		a.defined.Ring()
		a.supervisor.Wake("")
		a.ordered.Ring() // letters of an older revision may be the extractor's now
	}
	return nil
}

func (a *App) partitions(ctx context.Context) (int, error) {
	now, err := a.store.Clock()(ctx)
	if err != nil {
		return 0, err
	}
	return 0, a.store.EnsurePartitions(ctx, now)
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
	a.supervisor.Ordered("")
	return errors.Join(errs...)
}
