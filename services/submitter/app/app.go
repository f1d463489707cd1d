// Package app puts the submitter together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// What it owns in the ledger is package store's, what it does is package submit's. Here is only the wiring: a claim loop, the sweep, the
// recovery of a ledger that was restored to an earlier moment, the orphan sweep, the consumer of facts, the outbox relay, and their ordered end: stop claiming, hand back what is in hand, flush the outbox,
// close the broker, close the pool, all under one deadline.
//
// Several instances may run at once; leases divide the work.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/circuit"
	"bulkhead/libs/host"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/service"
	"bulkhead/services/submitter/internal/store"
	"bulkhead/services/submitter/internal/submit"

	"github.com/google/uuid"
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

// drainShare is the part of a stop, one in so many, in which submissions in hand may come to their end; the rest is for handing back, for the outbox and for
// closing.
const drainShare = 2

// spareConns are connections of the pool beside one per worker: relay, claims, renewals, facts, sweeps.
const spareConns = 6

// App is a submitter. Make it with [New].
type App struct {
	cfg    Config
	host   *host.Host
	ledger *store.Store
	bell   *service.Bell
	alarm  *service.Alarm
	// The loop that sees forgotten jobs to their end, if there are any.
	recoverBell  *service.Bell
	recoverAlarm *service.Alarm
	runner       *submit.Runner
	pool         *submit.Pool
	notes        *submit.Notes
}

// Migrations are the submitter's schema.
func Migrations() pg.Migrations { return store.Migrations() }

// New checks the configuration, waits until ledger and schema are there, connects to the broker and puts everything together. What it opened is
// closed again when it fails.
func New(ctx context.Context, cfg Config, env service.Env) (*App, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("submitter configuration: %w", err)
	}
	h, err := host.Open(ctx, host.Config{
		Name: Name, DSN: cfg.DSN, NATSURL: cfg.NATSURL, Footing: cfg.Footing, Listen: cfg.Listen, MaxConns: int32(cfg.Workers + spareConns),
		Migrations: Migrations(), StopTimeout: cfg.StopTimeout,
	}, env)
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, host: h, bell: service.NewBell(), recoverBell: service.NewBell()}
	a.assemble()
	return a, nil
}

func (a *App) assemble() {
	ledger := store.New(a.host.DB)
	a.ledger = ledger
	a.alarm = service.NewAlarm(a.bell)
	a.recoverAlarm = service.NewAlarm(a.recoverBell)
	a.host.OnStop("alarm", func(context.Context) error { a.alarm.Stop(); a.recoverAlarm.Stop(); return nil })
	orgs := catalog.NewOver(a.host.DB, a.cfg.Footing.OrgClient()).ByClock(a.cfg.Now).ByChance(a.host.Env.Draw).Through(a.circuits().Of)
	backoff, gateWait := submit.DefaultBackoff, claimEvery
	if a.cfg.ShortRetries {
		backoff, gateWait = submit.ShortBackoff, claimEveryShort
	}
	a.runner = submit.NewRunner(submit.Config{
		Store: ledger, Orgs: catalogOrgs{orgs}, Definition: orgs.Definition,
		Publish: func(ctx context.Context, m record.Message) error { return bus.Publish(ctx, a.host.Bus, m) },
		Flow:    flow{a.host.Bus}, Waits: a.cfg.waits(), Forgotten: a.recoverBell.Ring,
		Logger: a.host.Env.Logger, Metrics: submit.NewMetrics(a.host.Env.Registry), Owner: uuid.NewString(), Lease: a.cfg.Lease, Workers: a.cfg.Workers,
		BulkThreshold: a.cfg.BulkThreshold, CallMargin: a.cfg.collectionMargin(),
		BindMaxAge: a.cfg.waits().BindMaxAge, OrphanAge: a.cfg.waits().OrphanAge, Backoff: backoff, GateWait: gateWait,
		Random: a.host.Env.Draw, Now: a.cfg.Now,
	})
	a.pool = submit.NewPool(a.runner, a.bell.Ring)
	a.notes = &submit.Notes{Store: ledger, Logger: a.host.Env.Logger, Lease: a.cfg.Lease, Wake: a.bell.Ring, DefinitionChanged: orgs.Invalidate}
}

// circuits are shared with the other services that call orgs, through the ledger.
func (a *App) circuits() *circuit.Circuits {
	return circuit.ForService(a.host.DB, Name, a.host.Env, a.cfg.ShortRetries)
}

// Run works until ctx is done, then stops in order. It returns nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	return a.host.Run(ctx, host.Work{Facts: submit.Facts(), Handler: a.notes.Handle, Loops: a.loops(), Drain: a.drain})
}

// drain lets the submissions in hand end, and in time hands back what does not.
func (a *App) drain(ctx context.Context) error {
	return a.pool.Drain(ctx, a.cfg.StopTimeout/drainShare)
}

func (a *App) loops() []service.Loop {
	every := claimEvery
	if a.cfg.ShortRetries {
		every = claimEveryShort
	}
	orphansEvery := max(a.cfg.waits().OrphanAge/4, minOrphanEvery)
	return []service.Loop{
		{Name: "claim", Every: a.cfg.Sweep, Wake: a.bell.C(), Pass: func(ctx context.Context) (int, error) {
			n, err := a.pool.Pass(ctx)
			if n > 0 || err != nil {
				return n, err
			}
			// Something waits for a lane, a time or a lease of another: look again soon. With nothing open only a bell or the sweep wakes.
			open, err := a.ledger.HasOpen(ctx)
			if open {
				a.alarm.Set(every)
			}
			return 0, err
		}},
		{Name: "sweep", Every: a.cfg.Sweep, Pass: service.Once(a.notes.Sweep)},
		{Name: "recover", Every: a.cfg.Sweep, Wake: a.recoverBell.C(), Pass: func(ctx context.Context) (int, error) { return a.recover(ctx, every) }},
		// Nobody waits for what this finds: an org that cannot be asked is asked next time.
		{Name: "orphans", Every: orphansEvery, FirstRest: orphansEvery, MaxRest: orphansEvery, Pass: service.Once(a.runner.Orphans)},
	}
}

// Sweep looks once for all that facts did not tell of. Tests call it instead of waiting.
func (a *App) Sweep(ctx context.Context) error {
	_, err := a.notes.Sweep(ctx)
	if err != nil {
		return err
	}
	if _, err = a.recover(ctx, a.cfg.Sweep); err != nil {
		return err
	}
	_, err = a.runner.Orphans(ctx)
	return err
}

// recover finds out whether the ledger was restored to an earlier moment, and sees the jobs that it has forgotten to their end. It looks again soon while some
// are left.
func (a *App) recover(ctx context.Context, soon time.Duration) (int, error) {
	found, err := a.runner.FindOut(ctx)
	looked, open, lookErr := a.runner.Recover(ctx)
	switch {
	case open:
		a.recoverAlarm.Set(soon)
	case looked > 0:
		a.bell.Ring() // what stood at the gate of a recovery may go on
	}
	return found, errors.Join(err, lookErr)
}

// flow is the broker, for comparing the ledger with what was told.
type flow struct{ conn *bus.Conn }

func (f flow) Info(ctx context.Context) (bus.StreamInfo, error) {
	return bus.Info(ctx, f.conn, bus.StreamFlow)
}

func (f flow) NextBound(ctx context.Context, first uint64) (bus.Msg, error) {
	return bus.NextMessage(ctx, f.conn, bus.StreamFlow, bus.FlowSubject("*", bus.FactJobBound), first)
}

func (f flow) LastRecord(ctx context.Context, pipeline string) (uint64, error) {
	info, err := bus.Info(ctx, f.conn, bus.RecordsStream(pipeline))
	return info.Last, err
}

// catalogOrgs finds orgs through the catalog.
type catalogOrgs struct{ c *catalog.Catalog }

func (o catalogOrgs) Org(ctx context.Context, name string) (submit.Org, error) {
	return o.c.Client(ctx, name)
}

func (o catalogOrgs) PinnedID(ctx context.Context, name string) (string, error) {
	org, err := o.c.Org(ctx, name)
	if err != nil {
		return "", err
	}
	if org.OrgID == "" {
		return "", nil
	}
	return salesforce.ID18(org.OrgID)
}

func (o catalogOrgs) ReportsOrphans(ctx context.Context, name string) (bool, error) {
	org, err := o.c.Org(ctx, name)
	if err != nil {
		return true, err
	}
	return org.Orphans != pipeline.OrphansAbort, nil
}
