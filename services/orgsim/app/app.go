// Package app puts the simulated org together and runs it: New, Start, Serve, Stop. It is what the orgsim binary, the
// all-in-one mode and tests (package simtest) have in common.
//
// The org lives in memory only: stopping the app forgets it. The API of the org is served under /services, the control
// API under /sim/; the control API is described by GET /sim/ and in the comment of package control. Both share one
// listener, because whoever can reach the simulator is meant to.
package app

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/control"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/rest"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

// What callers use unless they are told otherwise.
const (
	DefaultClientID     = "bulkhead"
	DefaultClientSecret = "bulkhead-dev" // published: it opens the simulator only
	DefaultPassword     = "bulkhead-dev" // the same holds for it
	DefaultUsername     = "integration@bulkhead.example"
	DefaultListen       = "127.0.0.1:8082"
)

const (
	// headerTime bounds how long a caller may take over its request header, idleTime how long a connection may rest.
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	// stopTime is how long requests under way may take once Serve is told to end.
	stopTime = 5 * time.Second
	// gcPercent keeps the heap within half of what the org holds.
	gcPercent = 50
)

//go:embed model.yaml
var defaultModel []byte

// DefaultModel is the YAML of the object model that is used unless another is given.
func DefaultModel() []byte { return append([]byte(nil), defaultModel...) }

// Options are the settings of an org. The zero value is a good org on a port of its own choice.
type Options struct {
	// Listen is the address to serve on; default 127.0.0.1:0, a free port.
	Listen string
	// ModelFile is the YAML file of the object model, as explained in examples/model.yaml beside this package; Model is
	// its text and goes before it. Default: DefaultModel.
	ModelFile string
	Model     []byte
	// ClientID and ClientSecret are what the client credentials flow accepts. Defaults: bulkhead, bulkhead-dev.
	ClientID     string
	ClientSecret string
	// JWTPublicKeys are what the JWT bearer flow accepts assertions of: PEM of RSA certificates or public keys, one in
	// each. Without one the flow refuses every assertion.
	JWTPublicKeys [][]byte
	// Password opens the password flow and SOAP login for every user, given as clients send it: with the security token
	// behind it, if there is to be one. Default: bulkhead-dev.
	Password string
	// OrgSeed decides all ids, so that the same seed is the same org.
	OrgSeed int64
	// PublicURL is the org's base URL as callers reach it; default: the host that each caller used.
	PublicURL string
	// TLSCertFile and TLSKeyFile are PEM files of the certificate (with those that lead to its authority behind it) and of
	// its private key. With them the org serves https, without them http.
	TLSCertFile, TLSKeyFile string

	// QueueDelay is how long a closed job waits before it is processed: 0 = 50 ms, below 0 = not at all.
	QueueDelay time.Duration
	// RowsPerSecond is the org's speed over all jobs: 0 = 20,000, below 0 = as fast as it can.
	RowsPerSecond int
	// ParallelBatches is how many batches are saved at a time; 0 = 5.
	ParallelBatches int
	// DailyAPILimit is the number of API calls in 24 hours; 0 = 100,000.
	DailyAPILimit int

	// Clock is the time of the org before it is moved by the control API; default: time.Now.
	Clock func() time.Time
	// Logger gets warnings and, at debug level, a line per finished job; default: none.
	Logger *slog.Logger
}

// App is one org. It is started once.
type App struct {
	opts    Options
	handler http.Handler
	jobs    *bulk.Manager
	server  *http.Server
	tls     *tls.Config // nil: http
	// hurry ends the waits of requests under way: slow answers and long polls.
	hurry context.CancelFunc

	mu       sync.Mutex
	listener net.Listener
	served   chan error
	stopped  bool
}

// New checks the options and builds an org that does not serve yet.
func New(opts Options) (*App, error) {
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.ClientID == "" {
		opts.ClientID = DefaultClientID
	}
	if opts.ClientSecret == "" {
		opts.ClientSecret = DefaultClientSecret
	}
	if opts.Password == "" {
		opts.Password = DefaultPassword
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	model, err := readModel(opts)
	if err != nil {
		return nil, err
	}
	var keys []*rsa.PublicKey
	for i, text := range opts.JWTPublicKeys {
		key, err := rest.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("JWT public key %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	secure, err := readTLS(opts.TLSCertFile, opts.TLSKeyFile)
	if err != nil {
		return nil, err
	}
	set, err := settings.NewStore(opts.settings())
	if err != nil {
		return nil, fmt.Errorf("simulator settings: %w", err)
	}
	clk := clock.New(opts.Clock)
	faults, log, points := &fault.Set{Now: clk.Now}, &calls.Log{}, switches.NewStore()
	store := org.NewStore(org.Config{Model: model, Seed: opts.OrgSeed, Username: DefaultUsername, Now: clk.Now, Switches: points})
	jobs := bulk.NewManager(bulk.Config{Store: store, Clock: clk, Settings: set, Switches: points, Faults: faults, Logger: opts.Logger})
	wire := rest.New(rest.Config{
		Store: store, Jobs: jobs, Clock: clk, Settings: set, Switches: points, Faults: faults, Calls: log, Logger: opts.Logger,
		ClientID: opts.ClientID, ClientSecret: opts.ClientSecret, Keys: keys, Password: opts.Password, PublicURL: strings.TrimRight(opts.PublicURL, "/"),
	})
	sim := control.New(control.Config{
		Store: store, Jobs: jobs, Rest: wire, Clock: clk, Settings: set, Switches: points, Faults: faults, Calls: log, Logger: opts.Logger,
	})
	a := &App{opts: opts, jobs: jobs, tls: secure, served: make(chan error, 1)}
	a.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The time that an org tells is its own, which may be wrong. That it was moved by the control API it does not tell: those who call were not moved.
		w.Header().Set("Date", clk.Unmoved().UTC().Format(http.TimeFormat))
		if strings.HasPrefix(r.URL.Path, "/sim/") || r.URL.Path == "/sim" {
			sim.ServeHTTP(w, r)
			return
		}
		wire.ServeHTTP(w, r)
	})
	base, hurry := context.WithCancel(context.Background())
	a.hurry = hurry
	a.server = &http.Server{
		BaseContext: func(net.Listener) context.Context { return base },
		Handler:     a.handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	return a, nil
}

func readModel(opts Options) (*org.Model, error) {
	text := opts.Model
	if text == nil && opts.ModelFile != "" {
		var err error
		if text, err = os.ReadFile(opts.ModelFile); err != nil {
			return nil, fmt.Errorf("object model: %w", err)
		}
	}
	if text == nil {
		text = defaultModel
	}
	return org.ReadModel(text)
}

func (o Options) settings() settings.Settings {
	s := settings.Default()
	switch {
	case o.QueueDelay > 0:
		s.QueueDelay = settings.Duration(o.QueueDelay)
	case o.QueueDelay < 0:
		s.QueueDelay = 0
	}
	switch {
	case o.RowsPerSecond > 0:
		s.RowsPerSecond = o.RowsPerSecond
	case o.RowsPerSecond < 0:
		s.RowsPerSecond = 0
	}
	if o.ParallelBatches != 0 {
		s.ParallelBatches = o.ParallelBatches
	}
	if o.DailyAPILimit != 0 {
		s.DailyAPILimit = o.DailyAPILimit
	}
	return s
}

// Handler is the org without a listener, for callers that bring their own transport.
func (a *App) Handler() http.Handler { return a.handler }

// Start binds the listener and serves until Stop. ctx bounds the binding only.
func (a *App) Start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listener != nil || a.stopped {
		return errors.New("simulator: it was started or stopped before; make a new one")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.opts.Listen)
	if err != nil {
		return fmt.Errorf("simulator: cannot listen on %s: %w", a.opts.Listen, err)
	}
	a.listener = l
	if a.tls != nil {
		l = tls.NewListener(l, a.tls)
	}
	go func() {
		err := a.server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		a.served <- err
	}()
	return nil
}

// URL is the base URL of the org without a trailing slash, "" before Start.
func (a *App) URL() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listener == nil {
		return ""
	}
	scheme := "http"
	if a.tls != nil {
		scheme = "https"
	}
	return scheme + "://" + a.listener.Addr().String()
}

// Serve serves what Start began until ctx ends, and stops within stopTime. The error says why serving broke off, or what
// could not be stopped. It is for a process that is nothing but an org, whose garbage collector it sets.
func (a *App) Serve(ctx context.Context) error {
	// Rows live as long as the process: a collector that waits for the heap to double would double them too.
	debug.SetGCPercent(gcPercent)
	broken := make(chan error, 1)
	go func() { broken <- a.Wait() }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(err, a.Stop(bounded))
}

// Wait returns when serving has ended: nil after Stop, else why it broke off.
func (a *App) Wait() error {
	err := <-a.served
	a.served <- err
	return err
}

// Stop ends serving and all processing. Requests under way get until ctx ends; a second Stop does nothing.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	started, again := a.listener != nil, a.stopped
	a.stopped = true
	a.mu.Unlock()
	if again {
		return nil
	}
	a.hurry()
	a.jobs.Stop()
	if !started {
		return nil
	}
	if err := a.server.Shutdown(ctx); err != nil {
		// Callers that read too slowly are not worth waiting for.
		return errors.Join(a.server.Close(), a.Wait())
	}
	return a.Wait()
}
