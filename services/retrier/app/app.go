// Package app puts the retrier together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// What is sent again, when and with what is decided in package retry, what is stored is package store's. Here is only the wiring: a loop for
// each pass, an alarm for the next record that is due, the consumer of facts, and their ordered end: no new pass, the outbox flushed,
// connections closed.
//
// Several instances may run at once: each pass is guarded by rows, and of two that do the same one does nothing.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/host"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/retrier/internal/retry"
	"bulkhead/services/retrier/internal/store"
)

const name = "retrier"

// Migrations are the retrier's, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable retrier.
type App struct {
	config  Config
	host    *host.Host
	catalog *catalog.Catalog
	passes  *retry.Passes

	replay, resolve, regroup *service.Bell
	alarm                    *service.Alarm
}

// New opens the retrier. It waits for a database or broker that is not there yet until ctx ends; whatever it opened before an error is
// closed again.
func New(ctx context.Context, c Config, env service.Env) (_ *App, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("retrier configuration: %w", err)
	}
	a := &App{config: c, replay: service.NewBell(), resolve: service.NewBell(), regroup: service.NewBell()}
	a.host, err = host.Open(ctx, host.Config{
		Name: name, DSN: c.DSN, NATSURL: c.NATSURL, Footing: c.Footing, Listen: c.Listen, Migrations: Migrations(),
	}, env)
	if err != nil {
		return nil, err
	}
	a.alarm = service.NewAlarm(a.regroup)
	a.host.OnStop("alarm", func(context.Context) error { a.alarm.Stop(); return nil })
	a.catalog = catalog.NewOver(a.host.DB, a.config.Footing.OrgClient()).ByClock(a.config.Now)
	st := store.New(a.host.DB)
	a.passes = retry.New(retry.Config{
		Store: st, Definitions: a.catalog, Streams: streams{a.host.Bus}, Logger: env.Logger, Random: env.Draw,
		ShortRetries: c.ShortRetries, Gather: c.Gather, MaxWaiting: int64(c.MaxWaiting),
	})
	if err := registerMetrics(env.Registry, st); err != nil {
		return nil, errors.Join(err, a.host.Close(ctx))
	}
	return a, nil
}

// Run works until ctx is done, and then stops in order: no new work, what is in hand is finished, connections are closed.
func (a *App) Run(ctx context.Context) error {
	wake := retry.Wakers{Replay: a.replay.Ring, Resolve: a.resolve.Ring, Regroup: a.regroup.Ring, Definitions: a.catalog.Invalidate}
	return a.host.Run(ctx, host.Work{Facts: retry.Facts(), Handler: a.passes.Handler(wake), Loops: a.loops()})
}

// Sweep does once, now, everything that a sweep does: for tests and for an operator's impatience.
func (a *App) Sweep(ctx context.Context) error {
	var errs []error
	for _, pass := range []func(context.Context) (int, error){
		a.passes.FreeOpen, a.passes.TakeOpen, a.passes.Resolve, a.passes.Replay, a.passes.Republish, a.passes.Backlog, a.regroupPass,
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
	return []service.Loop{
		{Name: "take", Every: a.config.Sweep, Pass: ringing(a.passes.TakeOpen)},
		{Name: "free", Every: a.config.Sweep, Pass: ringing(a.passes.FreeOpen)},
		{Name: "resolve", Every: a.config.Sweep, Wake: a.resolve.C(), Pass: ringing(a.passes.Resolve)},
		{Name: "replay", Every: a.config.Sweep, Wake: a.replay.C(), Pass: ringing(a.passes.Replay)},
		{Name: "regroup", Every: a.config.Sweep, Wake: a.regroup.C(), Pass: a.regroupPass},
		{Name: "letters", Every: a.config.Sweep, Pass: service.Once(a.passes.Republish)},
		{Name: "backlog", Every: a.config.Sweep, Pass: service.Once(a.passes.Backlog)},
	}
}

// regroupPass seals what is due and sets the alarm for what will be.
func (a *App) regroupPass(ctx context.Context) (int, error) {
	n, wait, err := a.passes.Regroup(ctx)
	if wait > 0 {
		a.alarm.Set(wait)
	}
	return n, err
}

// streams asks the broker, as the passes want it asked.
type streams struct{ conn *bus.Conn }

// LettersSince says since when the stream of dead letters has to be given every open letter.
func (s streams) LettersSince(ctx context.Context) (time.Time, error) {
	return bus.LettersSince(ctx, s.conn)
}
