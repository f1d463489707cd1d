package parts

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bulkhead/libs/host"
	"bulkhead/libs/service"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

// Services are the six, in an order in which they may be started.
func Services() []string {
	return []string{"ops", "reconciler", "poller", "retrier", "submitter", "extractor"}
}

// Settings say what an instance stands on, and what of it is not as in production.
type Settings struct {
	// On must be there; Env as the service's process has it.
	On  *host.Footing
	Env service.Env
	// Now is the clock of the instance's process; nil = that of the bubble.
	Now func() time.Time
	// Lease and Sweep are the service's; 0 = as in production.
	Lease, Sweep time.Duration
	// Short makes waits for Salesforce, and those before a retry, short.
	Short bool
	// MaxWaiting is the retrier's; 0 = as in production.
	MaxWaiting int
	// PurgeAtOnce lets ops keep no decided record in RECORDS.
	PurgeAtOnce bool
	// Orgs and Definitions are documents that ops applies when it starts.
	Orgs, Definitions [][]byte
}

// App is what all six are.
type App interface {
	Run(ctx context.Context) error
}

// New makes the app of a service. door is its API; only ops has one.
func New(ctx context.Context, name string, s Settings) (app App, door http.Handler, err error) {
	switch name {
	case "ops":
		return newOps(ctx, s)
	case "reconciler":
		app, err = reconciler.New(ctx, reconciler.Config{Footing: s.On, Lease: s.Lease, Sweep: s.Sweep, ShortWaits: s.Short, ShortRetries: s.Short, Now: s.Now}, s.Env)
	case "poller":
		app, err = poller.New(ctx, poller.Config{Footing: s.On, Lease: s.Lease, Sweep: s.Sweep, ShortWaits: s.Short, ShortRetries: s.Short, Now: s.Now}, s.Env)
	case "retrier":
		app, err = retrier.New(ctx, retrier.Config{Footing: s.On, Sweep: s.Sweep, ShortRetries: s.Short, MaxWaiting: s.MaxWaiting, Now: s.Now}, s.Env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.Footing, c.ShortWaits, c.ShortRetries, c.Now = s.On, s.Short, s.Short, s.Now
		c.Lease, c.Sweep = or(s.Lease, c.Lease), or(s.Sweep, c.Sweep)
		app, err = submitter.New(ctx, c, s.Env)
	case "extractor":
		c := extractor.DefaultConfig()
		c.Footing, c.Now = s.On, s.Now
		c.Lease, c.Sweep = or(s.Lease, c.Lease), or(s.Sweep, c.Sweep)
		app, err = extractor.New(ctx, c, s.Env)
	default:
		err = fmt.Errorf("there is no service %q", name)
	}
	return app, nil, err
}

func newOps(ctx context.Context, s Settings) (App, http.Handler, error) {
	c := ops.DefaultConfig()
	c.Footing, c.Orgs, c.Definitions, c.Now, c.HTTPListen, c.GRPCListen = s.On, s.Orgs, s.Definitions, s.Now, "", ""
	c.Lease, c.Sweep = or(s.Lease, c.Lease), or(s.Sweep, c.Sweep)
	if s.PurgeAtOnce {
		c.Horizon = 0
	}
	app, err := ops.New(ctx, c, s.Env)
	if err != nil {
		return nil, nil, err
	}
	return app, app.Handler(), nil
}

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
