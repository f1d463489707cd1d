// Package app puts the reconciler together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// What became of a row and what follows is decided in packages account and reconcile, what is stored is package store's. Here is only the
// wiring: loops that each read one chunk's files at a time, the sweep, the taking over of decisions, the republishing of letters, the
// warnings of old jobs and the stop that follows them, the consumer of facts, and their
// ordered end: no new chunk, those in hand finished or handed back, the outbox flushed, connections closed.
//
// Several instances may run at once; leases divide the work.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/circuit"
	"bulkhead/libs/host"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/reconciler/internal/reconcile"
	"bulkhead/services/reconciler/internal/store"
)

const (
	name = "reconciler"
	// shortRest is the longest rest after a failed pass with short retries.
	shortRest = time.Second
	// agesEvery is how often old jobs are told of, in the log too.
	agesEvery = time.Hour
)

// Migrations are the reconciler's, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable reconciler.
type App struct {
	config Config
	host   *host.Host
	passes *reconcile.Reconciler
	due    *service.Bell
	// decided rings when unresolved records may have been decided.
	decided *service.Bell
	alarm   *service.Alarm
}

// New opens the reconciler. It waits for a database or broker that is not there yet until ctx ends; whatever it opened before an error is closed
// again.
func New(ctx context.Context, c Config, env service.Env) (*App, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("reconciler configuration: %w", err)
	}
	a := &App{config: c, due: service.NewBell(), decided: service.NewBell()}
	a.host, err = host.Open(ctx, host.Config{
		Name: name, DSN: c.DSN, NATSURL: c.NATSURL, Footing: c.Footing, Listen: c.Listen, MaxConns: c.poolSize(), Migrations: Migrations(),
	}, env)
	if err != nil {
		return nil, err
	}
	a.alarm = service.NewAlarm(a.due)
	a.host.OnStop("alarm", func(context.Context) error { a.alarm.Stop(); return nil })
	a.passes = a.newPasses()
	return a, nil
}

func (a *App) newPasses() *reconcile.Reconciler {
	clients := catalog.NewOver(a.host.DB, a.config.Footing.OrgClient()).ByClock(a.config.Now).ByChance(a.host.Env.Draw).Through(a.circuits().Of)
	config := reconcile.Config{
		Store: store.New(a.host.DB), Streams: streams{a.host.Bus},
		Org:       func(ctx context.Context, org string) (reconcile.Org, error) { return clients.Client(ctx, org) },
		Pipelines: func(ctx context.Context, org string) ([]string, error) { return pipelinesOf(ctx, clients, org) },
		Owner:     uuid.NewString(), Lease: a.config.Lease, Waits: a.config.Waits, Batch: 1, Claimed: a.due.Ring,
		Now: a.config.Now, Random: a.host.Env.Draw, Logger: a.host.Env.Logger, Registerer: a.host.Env.Registry,
	}
	if a.config.ShortRetries {
		config.BackoffBase, config.BackoffMax = 100*time.Millisecond, shortRest
	}
	return reconcile.New(config)
}

// circuits are shared with the other services that call orgs, through the ledger.
func (a *App) circuits() *circuit.Circuits {
	return circuit.ForService(a.host.DB, name, a.host.Env, a.config.ShortRetries)
}

// Run works until ctx is done, and then stops in order: no new work, what is in hand is finished or handed back, connections are closed.
func (a *App) Run(ctx context.Context) error {
	return a.host.Run(ctx, host.Work{Facts: reconcile.Facts(), Handler: a.passes.Handler(a.due.Ring, a.decided.Ring), Loops: a.loops()})
}

// Sweep does once, now, everything that a sweep does, and reads what is due: for tests and for an operator's impatience.
func (a *App) Sweep(ctx context.Context) error {
	_, err := a.sweepPass(ctx)
	_, decidedErr := a.passes.Resolve(ctx)
	_, lettersErr := a.passes.Republish(ctx)
	_, agesErr := a.passes.Ages(ctx)
	dueErr := a.readDue(ctx)
	_, stopErr := a.passes.Stop(ctx)
	return errors.Join(err, decidedErr, lettersErr, agesErr, dueErr, stopErr)
}

// readDue reads what is due, one after the other, until nothing is.
func (a *App) readDue(ctx context.Context) error {
	for {
		if n, err := a.passes.Pass(ctx); n == 0 || err != nil {
			return err
		}
	}
}

func (a *App) loops() []service.Loop {
	loops := []service.Loop{
		{Name: "sweep", Every: a.config.Sweep, Pass: a.sweepPass, MaxRest: a.rest()},
		{Name: "letters", Every: a.config.Sweep, Pass: a.passes.Republish, MaxRest: a.rest()},
		{Name: "decisions", Every: a.config.Sweep, Wake: a.decided.C(), Pass: a.passes.Resolve, MaxRest: a.rest()},
		{Name: "ages", Every: agesEvery, Pass: a.agesPass, MaxRest: a.rest()},
		{Name: "stops", Every: a.config.Sweep, Pass: a.stopPass, MaxRest: a.rest()},
	}
	// Each reads one chunk at a time: large files of one org must not keep the others' chunks waiting. They share the bell, and whoever claims
	// a chunk rings it for the next.
	for n := range a.config.Concurrency {
		loops = append(loops, service.Loop{
			Name: fmt.Sprintf("read_%d", n+1), Every: a.config.Sweep, Wake: a.due.C(), Pass: a.duePass, MaxRest: a.rest(),
		})
	}
	return loops
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

// agesPass tells of jobs that are not reconciled for long; there is never more of it to do at once.
func (a *App) agesPass(ctx context.Context) (int, error) {
	_, err := a.passes.Ages(ctx)
	return 0, err
}

// stopPass keeps orgs with jobs that are not reconciled for too long from getting further ones; there is never more of it to do at once.
func (a *App) stopPass(ctx context.Context) (int, error) {
	_, err := a.passes.Stop(ctx)
	return 0, err
}

// duePass does what is due and sets the alarm for what will be.
func (a *App) duePass(ctx context.Context) (int, error) {
	n, err := a.passes.Pass(ctx)
	if n > 0 || err != nil {
		return n, err
	}
	wait, something, err := a.passes.NextDue(ctx)
	if err == nil && something {
		a.alarm.Set(wait)
	}
	return 0, err
}

// pipelinesOf are the names of the pipelines that are defined for an org now.
func pipelinesOf(ctx context.Context, c *catalog.Catalog, org string) ([]string, error) {
	defs, err := c.Current(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range defs {
		if d.Org == org {
			names = append(names, d.Name)
		}
	}
	return names, nil
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

// LettersSince says since when the stream of dead letters has to be given every open letter.
func (s streams) LettersSince(ctx context.Context) (time.Time, error) {
	return bus.LettersSince(ctx, s.conn)
}

// GetMany reads stored messages by direct get.
func (s streams) GetMany(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error) {
	return bus.GetMany(ctx, s.conn, stream, seqs)
}
