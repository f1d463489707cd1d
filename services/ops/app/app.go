// Package app puts ops together and runs it: the process in main.go and the all-in-one mode use the very same.
//
// What ops decides is in the packages definitions, letters, ledger, streams, export and api, what it stores is package store's. Here is only
// the wiring: shipped documents applied at start where they differ, the gRPC and HTTP doors with health beside them, a loop for each pass, the
// consumer of facts, and their ordered end: no new call, what is in hand is finished, the outbox flushed, connections closed.
//
// Without a tokens file it listens on this machine only. Several instances may run at once: the DLQ stream is read by the one that holds the
// lease, everything else is safe to do twice.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/host"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/ops/internal/api"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/diagnosis"
	"bulkhead/services/ops/internal/export"
	"bulkhead/services/ops/internal/ledger"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/rereads"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/streams"
)

const (
	name = "ops"
	// readRest is the rest between two reads of the DLQ stream; the read itself waits for messages.
	readRest = 100 * time.Millisecond
	// CallTimeout bounds a call of the API, OrderTimeout an order to replay or discard letters. Who calls and waits longer hears why there is no result.
	CallTimeout  = api.CallTimeout
	OrderTimeout = api.OrderTimeout
	// bootstrapBy is who is written down for documents that are shipped with the installation.
	bootstrapBy = "bootstrap"
)

// Migrations are those of ops, to be run by the database's owner before New.
func Migrations() pg.Migrations { return store.Migrations() }

// App is a running or runnable ops.
type App struct {
	config  Config
	env     service.Env
	host    *host.Host
	catalog *catalog.Catalog
	store   *store.Store
	streams *streams.Streams
	letters *letters.Index
	ledger  *ledger.Reader
	applier *definitions.Applier
	grpc    *api.Server
	http    *service.Server
	handler http.Handler

	closing, deleting *service.Bell
	applied           atomic.Bool // the streams are what they should be
}

// New opens ops: it waits for a database or broker that is not there yet until ctx ends, applies streams and shipped documents, and listens. Whatever
// it opened before an error is closed again.
func New(ctx context.Context, c Config, env service.Env) (_ *App, err error) {
	if c, err = c.withDefaults(); err != nil {
		return nil, fmt.Errorf("ops configuration: %w", err)
	}
	a := &App{config: c, env: env, closing: service.NewBell(), deleting: service.NewBell()}
	tokens, err := a.tokens(ctx)
	if err != nil {
		return nil, err
	}
	if a.host, err = host.Open(ctx, host.Config{Name: name, DSN: c.DSN, NATSURL: c.NATSURL, Footing: c.Footing, Migrations: Migrations()}, env); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.host.Close(ctx))
		}
	}()
	if err := a.durable(ctx); err != nil {
		return nil, err
	}
	a.catalog = catalog.NewOver(a.host.DB, a.config.Footing.OrgClient())
	asker := newOrgs(a.catalog, c.Now)
	a.assemble(asker)
	var describer definitions.Describer
	if !c.SkipDescribe {
		describer = asker
	}
	a.applier = definitions.New(definitions.Config{
		Store: a.store, Describe: describer, HardDelete: c.HardDelete, Logger: env.Logger, Now: c.Now,
	})
	if err := a.bootstrap(ctx); err != nil {
		return nil, err
	}
	if _, err := a.applyStreams(ctx); err != nil {
		env.Logger.WarnContext(ctx, "streams could not be applied yet, it is tried again", "error", err)
	}
	a.ledger = ledger.New(ledger.Config{
		Store: a.store, Broker: ledger.Stream{Conn: a.host.Bus}, Orgs: asker, Logger: env.Logger, Now: c.Now,
	})
	if err := a.registerMetrics(); err != nil {
		return nil, err
	}
	verbs := api.NewService(api.Config{
		Store: a.store, Ledger: a.ledger, Letters: a.letters, Definitions: a.applier, Streams: a.streams, Logger: env.Logger,
		Rereads: rereads.New(a.store, a.streams, env.Logger),
		Diagnosis: diagnosis.New(diagnosis.Config{
			DB: a.host.DB, Migrations: Migrations(), Conn: a.host.Bus, Monitors: bus.Monitors(c.NATSMonitor), Streams: a.streams, Circuits: a.ledger, Orgs: a.catalog,
		}),
	})
	return a, a.listen(ctx, verbs, tokens)
}

// tokens loads who may call, and says so when everybody of this machine may.
func (a *App) tokens(ctx context.Context) (*api.Tokens, error) {
	if a.config.TokensFile != "" {
		return api.LoadTokens(a.config.TokensFile)
	}
	for _, address := range []string{a.config.HTTPListen, a.config.GRPCListen} {
		if err := api.CheckExposure(address, nil); err != nil {
			return nil, err
		}
	}
	a.env.Logger.WarnContext(ctx, "no tokens file: the API listens on this machine only, and whoever is on it may do everything", "environment_variable", "BULKHEAD_TOKENS_FILE")
	return nil, nil //nolint:nilnil // no tokens is a setting, not an error
}

func (a *App) assemble(asker *orgs) {
	a.store = store.New(a.host.DB)
	a.streams = streams.New(streams.Config{
		Store: a.store, Conn: a.host.Bus, Logger: a.env.Logger, Replicas: a.config.Replicas, Horizon: a.config.Horizon,
	})
	a.letters = letters.New(letters.Config{
		Store: a.store, Conn: a.host.Bus, Owner: uuid.NewString(), Lease: a.config.Lease, Logger: a.env.Logger,
		Definitions: a.catalog, Orgs: asker,
	})
	a.host.OnStop("DLQ reader", func(ctx context.Context) error { a.letters.Close(ctx); return nil })
}

func (a *App) bootstrap(ctx context.Context) error {
	orgDocs, err := documents(a.config.OrgsDir, a.config.Orgs)
	if err != nil {
		return err
	}
	pipelines, err := documents(a.config.PipelinesDir, a.config.Definitions)
	if err != nil {
		return err
	}
	return a.applier.Bootstrap(ctx, orgDocs, pipelines, bootstrapBy)
}

func (a *App) listen(ctx context.Context, verbs *api.Service, tokens *api.Tokens) error {
	gateway, err := a.gateway(ctx, verbs, tokens)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", gateway)
	mux.Handle(export.Pattern, api.Guard(tokens, api.RoleViewer, a.env.Logger, export.Handler(export.New(a.store), a.env.Logger, api.Refuse)))
	mux.Handle("/", service.HealthHandler(a.env, a.checks()...))
	a.handler = mux
	if a.config.HTTPListen == "" {
		return nil
	}
	if err := api.CheckExposure(a.config.HTTPListen, tokens); err != nil {
		return err
	}
	if a.http, err = service.Serve(ctx, a.config.HTTPListen, mux); err != nil {
		return err
	}
	a.host.OnStop("HTTP", a.http.Stop)
	return nil
}

// gateway is the HTTP API over the gRPC one, which listens unless it is told of no address.
func (a *App) gateway(ctx context.Context, verbs *api.Service, tokens *api.Tokens) (http.Handler, error) {
	if a.config.GRPCListen == "" {
		return api.InProcess(context.WithoutCancel(ctx), verbs, tokens, a.env.Registry, a.env.Logger)
	}
	var err error
	if a.grpc, err = api.Serve(ctx, a.config.GRPCListen, verbs, tokens, a.env.Registry, a.env.Logger); err != nil {
		return nil, err
	}
	a.host.OnStop("gRPC", a.grpc.Stop)
	gateway, closeGateway, err := a.grpc.Gateway(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	a.host.OnStop("gateway", func(context.Context) error { return closeGateway() })
	return gateway, nil
}

// Handler is the HTTP API with health beside it, for who calls it without a connection.
func (a *App) Handler() http.Handler { return a.handler }

// HTTPAddr is where the HTTP API listens: host:port; "" = nowhere.
func (a *App) HTTPAddr() string {
	if a.http == nil {
		return ""
	}
	return a.http.Addr()
}

// GRPCAddr is where the gRPC API listens: host:port; "" = nowhere.
func (a *App) GRPCAddr() string {
	if a.grpc == nil {
		return ""
	}
	return a.grpc.Addr()
}

// Run works until ctx is done, and then stops in order: no new call, what is in hand is finished, connections are closed.
func (a *App) Run(ctx context.Context) error {
	return a.host.Run(ctx, host.Work{
		Facts: []string{bus.FactChunkReconciled, bus.FactRowsResolved, bus.FactDefinitionChanged}, Handler: a.note, Loops: a.loops(),
	})
}

// note only wakes: what a fact tells of is found in the views, and the sweep finds what no fact told of.
func (a *App) note(_ context.Context, e *flowv1.Envelope) error {
	switch e.GetFact().(type) {
	case *flowv1.Envelope_ChunkReconciled, *flowv1.Envelope_RowsResolved:
		a.closing.Ring()
	case *flowv1.Envelope_DefinitionChanged:
		a.catalog.Invalidate()
	}
	return nil
}

// Sweep does once, now, everything that the loops do: for tests and for an operator's impatience.
func (a *App) Sweep(ctx context.Context) error {
	var errs []error
	for _, pass := range []func(context.Context) (int, error){
		a.applyStreams, a.letters.Read, a.letters.Sweep, a.letters.Verify, a.letters.CloseKnown, a.letters.DeleteClosed, a.streams.Purge,
	} {
		_, err := pass(ctx)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (a *App) loops() []service.Loop {
	then := func(bell *service.Bell, pass func(context.Context) (int, error)) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			n, err := pass(ctx)
			if n > 0 {
				bell.Ring()
			}
			return n, err
		}
	}
	return []service.Loop{
		{Name: "streams", Every: a.config.Sweep, Pass: a.applyStreams},
		{Name: "read_letters", Every: readRest, Pass: then(a.closing, a.letters.Read)},
		{Name: "sweep_letters", Every: a.config.Sweep, Pass: then(a.closing, a.letters.Sweep)},
		{Name: "verify_letters", Every: a.config.Sweep, Pass: a.letters.Verify},
		{Name: "close_letters", Every: a.config.Sweep, Wake: a.closing.C(), Pass: then(a.deleting, a.letters.CloseKnown)},
		{Name: "delete_letters", Every: a.config.Sweep, Wake: a.deleting.C(), Pass: a.letters.DeleteClosed},
		{Name: "recheck_definitions", Every: a.config.Sweep, Pass: service.Once(a.applier.Recheck)},
		{Name: "purge", Every: a.config.Sweep, Pass: service.Once(a.streams.Purge)},
	}
}

// applyStreams makes the streams what they should be; it never has more to do at once.
func (a *App) applyStreams(ctx context.Context) (int, error) {
	err := a.streams.Apply(ctx)
	if err == nil {
		a.applied.Store(true)
	}
	return 0, err
}

func (a *App) checks() []service.Check {
	return append(a.host.Checks(), service.Check{Name: "streams", Ask: func(context.Context) error {
		if !a.applied.Load() {
			return errors.New("not applied yet")
		}
		return nil
	}})
}
