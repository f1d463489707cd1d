// Package app puts the poller together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// When a job is looked at and what a look means is decided in package poll, what is stored is package store's. Here is only the wiring: a
// loop that looks at what is due, the sweep, the consumer of facts, and their ordered end: no new look, those in hand finished or handed
// back, the outbox flushed, connections closed.
//
// Several instances may run at once; leases divide the work.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/catalog"
	"bulkhead/libs/circuit"
	"bulkhead/libs/host"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/poller/internal/poll"
	"bulkhead/services/poller/internal/store"
)

const (
	name = "poller"
	// maxConns are for the looks at once, the relay and the sweep.
	maxConns = 8
	// shortRest is the longest rest after a failed pass with short retries.
	shortRest = time.Second
)

// Migrations are the poller's, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable poller.
type App struct {
	config Config
	host   *host.Host
	passes *poll.Poller
	due    *service.Bell
	alarm  *service.Alarm
}

// New opens the poller. It waits for a database or broker that is not there yet until ctx ends; whatever it opened before an error is closed
// again.
func New(ctx context.Context, c Config, env service.Env) (*App, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("poller configuration: %w", err)
	}
	a := &App{config: c, due: service.NewBell()}
	a.host, err = host.Open(ctx, host.Config{
		Name: name, DSN: c.DSN, NATSURL: c.NATSURL, Footing: c.Footing, Listen: c.Listen, MaxConns: maxConns, Migrations: Migrations(),
	}, env)
	if err != nil {
		return nil, err
	}
	a.alarm = service.NewAlarm(a.due)
	a.host.OnStop("alarm", func(context.Context) error { a.alarm.Stop(); return nil })
	a.passes = a.newPasses()
	return a, nil
}

func (a *App) newPasses() *poll.Poller {
	clients := catalog.NewOver(a.host.DB, a.config.Footing.OrgClient()).ByClock(a.config.Now).ByChance(a.host.Env.Draw).Through(a.circuits().Of)
	pace := poll.DefaultPace()
	if a.config.ShortRetries {
		pace = poll.ShortPace()
	}
	return poll.New(store.New(a.host.DB), poll.Config{
		Org:   func(ctx context.Context, org string) (poll.Org, error) { return clients.Client(ctx, org) },
		Owner: uuid.NewString(), Lease: a.config.Lease, Gone: a.config.Waits.Gone, Pace: pace, Batch: a.config.Concurrency,
		Random: a.host.Env.Draw, Logger: a.host.Env.Logger, Registerer: a.host.Env.Registry,
	})
}

// circuits are shared with the other services that call orgs, through the ledger.
func (a *App) circuits() *circuit.Circuits {
	return circuit.ForService(a.host.DB, name, a.host.Env, a.config.ShortRetries)
}

// Run works until ctx is done, and then stops in order: no new work, what is in hand is finished or handed back, connections are closed.
func (a *App) Run(ctx context.Context) error {
	return a.host.Run(ctx, host.Work{Facts: poll.Facts(), Handler: a.passes.Handler(a.due.Ring), Loops: a.loops()})
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
		a.alarm.Set(wait)
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
