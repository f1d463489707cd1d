package circuit

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/service"
)

// Config is what circuits need. Every field without a default must be set.
type Config struct {
	// DB is a ledger to which the process is Service: submitter, poller or reconciler.
	DB      pg.DB
	Service string
	// Policy says how soon and for how long. Default [DefaultPolicy].
	Policy Policy
	// Random gives numbers in [0,1), from any goroutine. Default math/rand's.
	Random func() float64
	// Logger is where opening and closing are told. Registerer takes the metrics. Both may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Circuits are the circuits of one process, one per org. They are for any number of goroutines.
type Circuits struct {
	cfg     Config
	store   store
	metrics metrics

	mu   sync.Mutex
	orgs map[string]*circuit
}

// ForService makes the circuits of a service's process in its environment: with the policy for demos and tests where waits are short, else with that for
// real orgs.
func ForService(db pg.DB, name string, env service.Env, short bool) *Circuits {
	policy := DefaultPolicy()
	if short {
		policy = ShortPolicy()
	}
	return New(Config{DB: db, Service: name, Policy: policy, Random: env.Draw, Logger: env.Logger, Registerer: env.Registry})
}

// New makes the circuits of a process. It asks nothing yet.
func New(cfg Config) *Circuits {
	if cfg.Policy.Threshold == 0 {
		cfg.Policy = DefaultPolicy()
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Circuits{cfg: cfg, store: newStore(cfg.DB, cfg.Service), metrics: newMetrics(cfg.Registerer), orgs: map[string]*circuit{}}
}

// Of is the circuit of an org, the same one at each call.
func (c *Circuits) Of(org string) salesforce.Circuit {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.orgs[org]
	if have == nil {
		have = &circuit{Circuits: c, org: org, log: c.cfg.Logger.With("org", org), looking: make(chan struct{}, 1)}
		c.orgs[org] = have
	}
	return have
}

// circuit is what this process knows of one org's.
type circuit struct {
	*Circuits
	org string
	log *slog.Logger

	// looking holds a token while the ledger is asked: the others go by what is known meanwhile.
	looking chan struct{}

	mu      sync.Mutex
	known   state
	at      time.Time // the ledger's clock when known was read; zero while no service has a row
	readAt  time.Time // by this process; zero = never
	failing int       // calls in a row that failed while it was closed
	away    bool      // the ledger did not answer
}

// Allow is [salesforce.Circuit]'s.
func (c *circuit) Allow(ctx context.Context) (func(context.Context, salesforce.Verdict), error) {
	s, now := c.look(ctx)
	if !s.open {
		return c.call(time.Time{}), nil
	}
	wait := c.cfg.Policy.leave(s, now)
	if wait <= 0 {
		// Somebody has to try. Whoever has the ledger's lock first does, the others find that he does.
		var err error
		s, wait, err = c.try(ctx)
		switch {
		case err != nil:
			c.ledgerAway(ctx, err)
			return c.call(time.Time{}), nil
		case !s.open:
			return c.call(time.Time{}), nil
		case wait <= 0:
			return c.call(s.failedAt), nil
		}
	}
	c.metrics.refused.WithLabelValues(c.org).Inc()
	return nil, &salesforce.CircuitOpenError{Wait: wait, Class: s.class, Cause: s.cause}
}

// call is told of what came of a call that is made now; probed is the failure after which it is made as a try, zero for any other call.
func (c *circuit) call(probed time.Time) func(context.Context, salesforce.Verdict) {
	began := time.Now()
	return func(ctx context.Context, v salesforce.Verdict) {
		probe := !probed.IsZero()
		switch v.Proof {
		case salesforce.ProofAnswers:
			c.answered(ctx)
		case salesforce.ProofAway:
			c.gotNone(ctx, failure{v.Class, record.Storable(v.Cause, maxCause)}, began, probed)
		case salesforce.ProofNone:
			if probe {
				c.change(ctx, func(s state, now time.Time) (row, bool) {
					return handedBack(s, now), s.open && s.failedAt.Equal(probed)
				})
			}
		}
	}
}

// answered closes the circuit if it is known to be open. It costs nothing otherwise.
func (c *circuit) answered(ctx context.Context) {
	c.mu.Lock()
	c.failing = 0
	open := c.known.open
	c.mu.Unlock()
	if !open {
		return
	}
	was, changed := c.change(ctx, func(s state, now time.Time) (row, bool) { return closedBy(s, now), s.open })
	if changed {
		c.log.InfoContext(ctx, "the org answers again, its circuit is closed", "class", was.class, "failures", was.failures, "opened_at", was.openedAt)
	}
}

// gotNone counts a call that failed.
func (c *circuit) gotNone(ctx context.Context, f failure, began, probed time.Time) {
	c.mu.Lock()
	c.failing++
	enough := c.failing >= c.cfg.Policy.Threshold || c.known.open
	c.mu.Unlock()
	if !enough {
		return
	}
	var next row
	was, changed := c.change(ctx, func(s state, now time.Time) (r row, counts bool) {
		next, counts = c.cfg.Policy.failed(s, f, now.Add(-time.Since(began)), probed, now, c.cfg.Random())
		return next, counts
	})
	if changed && !was.open {
		what := "the org does not answer"
		if f.class == record.ClassQuota {
			what = "the org has no calls left today"
		}
		c.log.WarnContext(ctx, what+", its circuit is open: nobody calls it for a while", "class", f.class, "cause", f.cause, "next_call_at", next.nextCallAt)
	}
}
