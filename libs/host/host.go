// Package host is what every service stands on: its ledger, its broker, its outbox relay and its health server, opened together
// and stopped in order.
//
// What always holds: Open waits for a PostgreSQL, a schema and a NATS that are not there yet, until its context ends, and closes
// what it opened when it fails; Run returns when the context ends and everything has stopped, within one deadline; the relay
// outlives the work, so that what the last commits announce still goes out. On a Footing it opens neither ledger nor broker, and
// closes neither. What a service does with ledger and broker is its
// own: the host knows no table and no fact.
//
// Start reading at Open and Run.
package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
)

const (
	// defaultStop bounds a stop: far below the half minute after which Kubernetes kills.
	defaultStop = 10 * time.Second
	// brokerRetry is the rest between two tries to reach a broker that is not there yet.
	brokerRetry = 500 * time.Millisecond
)

// Config is what a host needs to know.
type Config struct {
	// Name of the service: its durable consumer, and its name in logs and connections.
	Name string
	// DSN is the ledger's address, for the service's own role; NATSURL is the broker's.
	DSN, NATSURL string
	// Listen is where /healthz, /readyz and /metrics are served; "" = nowhere, or by the service itself.
	Listen string
	// MaxConns bounds the connections to the ledger; 0 = pg's default.
	MaxConns int32
	// Migrations are the schema that must be there.
	Migrations pg.Migrations
	// StopTimeout bounds the whole stop; default 10 s.
	StopTimeout time.Duration
	// Footing is stood on instead of what DSN and NATSURL lead to; nil = those.
	Footing *Footing
}

// Footing is what a service stands on where its process opens nothing itself: a test that plays days of work in milliseconds gives it a ledger, a
// broker and orgs in memory. What is in it stays its owner's: a host closes none of it.
type Footing struct {
	// DB is the ledger, with the schema that the service needs, and Bus the broker.
	DB  pg.DB
	Bus *bus.Conn
	// Org carries requests to Salesforce; nil = the network.
	Org http.RoundTripper
}

// Check says what a service is not told of where it stands: the ledger's address or the broker's, or what of a footing is missing.
func (f *Footing) Check(dsn, natsURL string) error {
	var errs []error
	if f != nil {
		if f.DB == nil || f.Bus == nil {
			errs = append(errs, errors.New("a footing needs a ledger and a broker"))
		}
		return errors.Join(errs...)
	}
	if dsn == "" {
		errs = append(errs, errors.New("dsn is missing: the ledger's address, or BULKHEAD_DSN"))
	}
	if natsURL == "" {
		errs = append(errs, errors.New("natsUrl is missing: the broker's address, or BULKHEAD_NATS"))
	} else if err := bus.CheckURL(natsURL); err != nil {
		errs = append(errs, fmt.Errorf("natsUrl: %w", err))
	}
	return errors.Join(errs...)
}

// OrgClient is the client that requests to Salesforce are sent with; nil = one that goes over the network.
func (f *Footing) OrgClient() *http.Client {
	if f == nil || f.Org == nil {
		return nil
	}
	return &http.Client{Transport: f.Org}
}

// Host is one service's footing. Make it with Open; end it with Run or Close.
type Host struct {
	DB  pg.DB
	Bus *bus.Conn
	Env service.Env

	cfg    Config
	stop   service.Lifecycle
	server *service.Server
}

// Open waits for ledger and broker, and serves health when it is told where.
func Open(ctx context.Context, cfg Config, env service.Env) (_ *Host, err error) {
	if cfg.StopTimeout == 0 {
		cfg.StopTimeout = defaultStop
	}
	if cfg.Footing == nil {
		if err := bus.CheckURL(cfg.NATSURL); err != nil {
			return nil, fmt.Errorf("natsUrl: %w", err)
		}
	} else if err := cfg.Footing.Check("", ""); err != nil {
		return nil, err
	}
	h := &Host{Env: env, cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close(ctx))
		}
	}()
	if cfg.Footing != nil {
		err = h.stand(ctx)
	} else {
		err = h.reach(ctx)
	}
	if err != nil {
		return nil, err
	}
	if cfg.Listen != "" {
		if h.server, err = service.Serve(ctx, cfg.Listen, service.HealthHandler(env, h.Checks()...)); err != nil {
			return nil, err
		}
		h.OnStop("health", h.server.Stop)
		env.Logger.Info("listening", "address", h.server.Addr())
	}
	return h, nil
}

// reach waits for the ledger and the broker that the addresses lead to.
func (h *Host) reach(ctx context.Context) (err error) {
	waiting := func(cause error) { h.Env.Logger.Warn("waiting for the ledger", "error", cause) }
	o := pg.Options{AppName: "bulkhead-" + h.cfg.Name, MaxConns: h.cfg.MaxConns}
	if h.DB, err = pg.WaitReady(ctx, h.cfg.DSN, o, h.cfg.Migrations, waiting); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	h.OnStop("ledger", func(context.Context) error { h.DB.Close(); return nil })
	if h.Bus, err = h.connect(ctx); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	h.OnStop("broker", func(context.Context) error { h.Bus.Close(); return nil })
	return nil
}

// stand takes the ledger and the broker that were given.
func (h *Host) stand(ctx context.Context) error {
	h.DB, h.Bus = h.cfg.Footing.DB, h.cfg.Footing.Bus
	if err := h.DB.Ping(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// connect waits for a broker that is not there yet, until ctx ends.
func (h *Host) connect(ctx context.Context) (*bus.Conn, error) {
	for said := ""; ; {
		conn, err := bus.Connect(h.cfg.NATSURL, bus.ConnectOptions{Name: h.cfg.Name, Logger: h.Env.Logger})
		if err == nil {
			return conn, nil
		}
		if err.Error() != said {
			h.Env.Logger.Warn("waiting for the broker", "error", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(brokerRetry):
		}
	}
}

// OnStop notes what must be undone; the last one noted is the first to be undone.
func (h *Host) OnStop(name string, undo func(ctx context.Context) error) { h.stop.Add(name, undo) }

// Checks are the conditions of readiness that every service has.
func (h *Host) Checks() []service.Check {
	return []service.Check{
		{Name: "ledger", Ask: h.DB.Ping},
		{Name: "broker", Ask: func(context.Context) error {
			if !h.Bus.Connected() {
				return errors.New("not connected to the broker")
			}
			return nil
		}},
	}
}

// Addr is where health and metrics are served; "" = nowhere.
func (h *Host) Addr() string {
	if h.server == nil {
		return ""
	}
	return h.server.Addr()
}

// Work is what a service does until it is told to stop.
type Work struct {
	// Facts of FLOW that Handler is given, by the durable consumer of the service's name.
	Facts   []string
	Handler bus.Handler
	Loops   []service.Loop
	// Drain, if set, ends or awaits what the loops have begun; it runs when they have returned, under the deadline of the stop.
	Drain func(ctx context.Context) error
}

// Run relays the outbox, handles facts and runs the loops until ctx ends, then stops everything. It returns nil after a clean stop.
func (h *Host) Run(ctx context.Context, w Work) error {
	relay := pg.NewRelay(h.DB, h.cfg.Migrations.Service, func(ctx context.Context, msgs []record.Message) error {
		return bus.PublishBatch(ctx, h.Bus, msgs)
	}, pg.RelayOptions{Logger: h.Env.Logger, Random: h.Env.Draw})
	relayCtx, endRelay := context.WithCancel(context.WithoutCancel(ctx))
	relayed := make(chan error, 1)
	go func() { relayed <- relay.Run(relayCtx) }()
	h.OnStop("outbox relay", func(stop context.Context) error {
		endRelay()
		err := <-relayed
		if _, last := relay.Pass(stop); last != nil && stop.Err() == nil {
			h.Env.Logger.Warn("outbox not flushed, it goes out at the next start", "error", last)
		}
		return err
	})
	if w.Drain != nil {
		h.OnStop("work in hand", w.Drain)
	}
	facts := make(chan error, 1)
	go func() {
		facts <- bus.Work(ctx, h.Bus, bus.Worker{Durable: h.cfg.Name, Facts: w.Facts, Handler: w.Handler, Logger: h.Env.Logger})
	}()
	service.RunLoops(ctx, h.Env, w.Loops...)
	return errors.Join(<-facts, h.Close(ctx))
}

// Close undoes everything that was opened, within StopTimeout whatever became of ctx. It may be called twice.
func (h *Host) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.cfg.StopTimeout)
	defer cancel()
	return h.stop.Stop(ctx)
}
