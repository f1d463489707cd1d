package allinone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/services/bulkhead/internal/shipped"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	orgsim "bulkhead/services/orgsim/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

// Settings that fit one machine, where a person waits and an instance that died is seen at once.
const (
	lease        = 5 * time.Second
	sweep        = 5 * time.Second
	startTimeout = 3 * time.Minute
	stopTimeout  = 12 * time.Second // below the 15 s within which dev ends
)

// MemoryFloor is what a process that is one stack may take, in bytes, before its collector runs often: loads of any size then take about the same.
// `make bench BENCH='--env GOGC=50'` measures without it.
const MemoryFloor = 224 << 20

// Options of one stack. Ports: 0 = a free one.
type Options struct {
	NATSPort, OpsPort, GRPCPort, SimPort int
	// DataDir keeps NATS and PostgreSQL between starts; empty = a temporary directory that goes with Stop.
	DataDir string
	// SimURL is a simulator that runs elsewhere; empty = one of our own.
	SimURL           string
	SimClientID      string
	SimClientSecret  string
	SimRowsPerSecond int
	// SimOrgID is the id that the org at SimURL must have, as orgId of its document; empty = the one that is seen first.
	SimOrgID string
	// SimModelFile is the YAML file of our own simulator's object model; empty = its default, Account and Contact.
	SimModelFile string
	// PostgresDSN is an administrator's connection string of a server that runs already; empty = one of our own.
	PostgresDSN string
	// NATSURL is a NATS server with JetStream that runs already; empty = one of our own. Whether it syncs every write is then its own affair.
	NATSURL string
	// DebugListen is a loopback address on which the process shows its profiles; empty = nowhere.
	DebugListen string
	// PipelinesDir holds definitions, one YAML document a file; empty = the shipped ones.
	PipelinesDir string
	// Replicas of each stream, of a cluster at NATSURL; 0 = 1.
	Replicas int
	// Horizon is how long records stay in RECORDS once they are decided, to be read again; 0 = they go at once.
	Horizon time.Duration
	// LogTo gets JSON log lines of every part.
	LogTo io.Writer
	Level slog.Leveler
}

// Endpoints say where the parts are.
type Endpoints struct {
	NATSURL       string
	OpsHTTP       string
	OpsGRPC       string
	SimURL        string
	SimControlURL string
	SimClientID   string
	SimSecret     string
	PostgresDSN   string
	DebugURL      string // empty = none
	Pipelines     []string
}

// Stack is everything, running.
type Stack struct {
	Endpoints
	natsMonitor string // where our own broker tells of its settings; "" = it is another one
	lifecycle   service.Lifecycle
	failed      chan error
}

// PortTakenError says that an address is in use; Flag is the flag that names another one.
type PortTakenError struct {
	Flag    string
	Address string
}

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("%s is in use by another program: name another port with %s (0 = a free one)", e.Address, e.Flag)
}

// ModelError says that the simulator cannot be made with the object model of a file.
type ModelError struct {
	File string
	Err  error
}

func (e *ModelError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *ModelError) Unwrap() error { return e.Err }

// Start starts every part, in the order in which they need each other.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if err := checkPorts(ctx, o); err != nil {
		return nil, err
	}
	definitions, names, err := readDefinitions(o.PipelinesDir)
	if err != nil {
		return nil, err
	}
	s.Pipelines = names
	sim, err := s.newSimulator(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.startDebug(ctx, o); err != nil {
		return nil, err
	}
	dsnOf, err := s.startPostgres(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.startNATS(ctx, o); err != nil {
		return nil, err
	}
	if err := s.startSimulator(ctx, o, sim); err != nil {
		return nil, err
	}
	work, err := s.workDir(o)
	if err != nil {
		return nil, err
	}
	org, err := s.orgDocument(work, o.SimOrgID)
	if err != nil {
		return nil, err
	}
	if err := s.startServices(ctx, o, dsnOf, definitions, org); err != nil {
		return nil, err
	}
	return s, s.waitReady(ctx)
}

// Failed delivers the first error of a part that ended by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// Stop ends everything in reverse order, within stopTimeout. It may be called twice.
func (s *Stack) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return s.lifecycle.Stop(ctx)
}

func (s *Stack) fail(err error) {
	select {
	case s.failed <- err:
	default: // the first one is told
	}
}

func checkPorts(ctx context.Context, o Options) error {
	type port struct {
		flag string
		port int
	}
	ports := []port{{"--ops-port", o.OpsPort}, {"--grpc-port", o.GRPCPort}}
	if o.NATSURL == "" {
		ports = append(ports, port{"--nats-port", o.NATSPort})
	}
	if o.SimURL == "" {
		ports = append(ports, port{"--sim-port", o.SimPort})
	}
	for _, p := range ports {
		if p.port == 0 {
			continue
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", loopback(p.port))
		if err != nil {
			return &PortTakenError{Flag: p.flag, Address: loopback(p.port)}
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("port %d: %w", p.port, err)
		}
	}
	return nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }

func (s *Stack) startPostgres(ctx context.Context, o Options) (dsnOf func(string) (string, error), err error) {
	db, err := local.StartPostgres(ctx, local.PostgresOptions{
		DSN: o.PostgresDSN, DataDir: o.DataDir, Fsync: true, Logger: service.NewEnv("postgres", o.LogTo, o.Level).Logger,
	})
	if err != nil {
		return nil, err
	}
	stopping := make(chan struct{})
	s.lifecycle.Add("postgres", func(ctx context.Context) error {
		close(stopping)
		return db.Stop(ctx)
	})
	if db.Own() {
		go func() { // the server ends by itself only when something is badly wrong, and then nothing goes on
			select {
			case <-stopping:
			case <-db.Done():
				s.fail(errors.New("PostgreSQL ended by itself; its log above says why"))
			}
		}()
	}
	s.PostgresDSN = db.DSN()
	for _, m := range Migrations() {
		if err := pg.Migrate(ctx, db.DSN(), m); err != nil {
			return nil, err
		}
	}
	if err := db.SetPasswords(ctx); err != nil {
		return nil, err
	}
	return db.DSNFor, nil
}

// Migrations are those of all services.
func Migrations() []pg.Migrations {
	return []pg.Migrations{
		extractor.Migrations(), submitter.Migrations(), poller.Migrations(), reconciler.Migrations(), retrier.Migrations(), ops.Migrations(),
	}
}

// startDebug comes first, so that the start itself can be looked at too.
func (s *Stack) startDebug(ctx context.Context, o Options) error {
	if o.DebugListen == "" {
		return nil
	}
	debug, err := service.ServeDebug(ctx, o.DebugListen)
	if err != nil {
		return err
	}
	s.lifecycle.Add("debug", debug.Stop)
	s.DebugURL = "http://" + debug.Addr() + "/debug/pprof/"
	return nil
}

func (s *Stack) startNATS(ctx context.Context, o Options) error {
	if o.NATSURL != "" {
		s.NATSURL = o.NATSURL
		return nil
	}
	broker, err := local.StartNATS(ctx, local.NATSOptions{
		Dir: o.DataDir, Port: o.NATSPort, SyncAlways: true, Monitor: true, Logger: service.NewEnv("nats", o.LogTo, o.Level).Logger,
	})
	if err != nil {
		return err
	}
	s.lifecycle.Add("nats", broker.Stop)
	s.NATSURL, s.natsMonitor = broker.URL(), broker.MonitorURL()
	return nil
}

// newSimulator makes our own simulator, which needs nothing that runs: a model that is wrong is told before anything is opened. nil = another one is
// to be used.
func (s *Stack) newSimulator(o Options) (*orgsim.App, error) {
	s.SimClientID, s.SimSecret = o.SimClientID, o.SimClientSecret
	if s.SimClientID == "" {
		s.SimClientID, s.SimSecret = orgsim.DefaultClientID, orgsim.DefaultClientSecret
	}
	if o.SimURL != "" {
		return nil, nil //nolint:nilnil // none is an answer
	}
	sim, err := orgsim.New(orgsim.Options{
		Listen: loopback(o.SimPort), ClientID: s.SimClientID, ClientSecret: s.SimSecret, RowsPerSecond: o.SimRowsPerSecond, ModelFile: o.SimModelFile,
		Logger: service.NewEnv("orgsim", o.LogTo, o.Level).Logger,
	})
	if err != nil && o.SimModelFile != "" {
		return nil, &ModelError{File: o.SimModelFile, Err: err}
	}
	return sim, err
}

func (s *Stack) startSimulator(ctx context.Context, o Options, sim *orgsim.App) error {
	if sim == nil {
		s.SimURL, s.SimControlURL = o.SimURL, o.SimURL+"/sim"
		return nil
	}
	if err := sim.Start(ctx); err != nil {
		return err
	}
	s.lifecycle.Add("simulator", sim.Stop)
	s.SimURL, s.SimControlURL = sim.URL(), sim.URL()+"/sim"
	return nil
}

// workDir makes the directory that holds the org's secret while we run. Below a data directory it has a fixed name, so that a start
// after a kill uses it again instead of leaving a secret behind; by now NATS holds that directory's lock, so it is ours alone.
func (s *Stack) workDir(o Options) (string, error) {
	var (
		dir string
		err error
	)
	if o.DataDir == "" {
		dir, err = os.MkdirTemp("", "bulkhead-")
	} else {
		dir = filepath.Join(o.DataDir, "run")
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	s.lifecycle.Add("working directory", func(context.Context) error { return os.RemoveAll(dir) })
	return dir, nil
}

// orgDocument is the shipped org with this simulator's address; the secret goes by file, as everywhere.
func (s *Stack) orgDocument(work, orgID string) ([]byte, error) {
	secret := filepath.Join(work, "org-main-secret")
	if err := os.WriteFile(secret, []byte(s.SimSecret), 0o600); err != nil {
		return nil, fmt.Errorf("secret of the org: %w", err)
	}
	return shipped.OrgAt(s.SimURL, s.SimClientID, secret, orgID)
}

// part is what every service's app has in common.
type part interface {
	Run(ctx context.Context) error
}

func (s *Stack) startServices(ctx context.Context, o Options, dsnOf func(string) (string, error), definitions [][]byte, org []byte) error {
	dsns := map[string]string{}
	for _, name := range pg.Services {
		dsn, err := dsnOf(name)
		if err != nil {
			return err
		}
		dsns[name] = dsn
	}
	env := func(name string) service.Env { return service.NewEnv(name, o.LogTo, o.Level) }
	// Ages of jobs keep nobody waiting, and are those of every deployment: a large chunk that was uploaded ahead while its lane was busy would else
	// be too old to be bound, and be uploaded once more.
	waits, usual := record.ShortWaits(), record.DefaultWaits()
	waits.BindMaxAge, waits.OrphanAge = usual.BindMaxAge, usual.OrphanAge

	boss, err := ops.New(ctx, ops.Config{
		DSN: dsns["ops"], NATSURL: s.NATSURL, NATSMonitor: s.natsMonitor, Sweep: sweep, HTTPListen: loopback(o.OpsPort), GRPCListen: loopback(o.GRPCPort),
		Definitions: definitions, Orgs: [][]byte{org}, Horizon: o.Horizon, Replicas: o.Replicas,
	}, env("ops"))
	if err != nil {
		return err
	}
	s.run("ops", boss)
	s.OpsHTTP, s.OpsGRPC = "http://"+boss.HTTPAddr(), boss.GRPCAddr()

	makers := []struct {
		name string
		make func() (part, error)
	}{
		{"reconciler", func() (part, error) {
			return reconciler.New(ctx, reconciler.Config{
				DSN: dsns["reconciler"], NATSURL: s.NATSURL, Waits: waits, ShortRetries: true, Lease: lease, Sweep: sweep,
			}, env("reconciler"))
		}},
		{"poller", func() (part, error) {
			return poller.New(ctx, poller.Config{
				DSN: dsns["poller"], NATSURL: s.NATSURL, Waits: waits, ShortRetries: true, Lease: lease, Sweep: sweep,
			}, env("poller"))
		}},
		{"retrier", func() (part, error) {
			return retrier.New(ctx, retrier.Config{DSN: dsns["retrier"], NATSURL: s.NATSURL, ShortRetries: true, Sweep: sweep}, env("retrier"))
		}},
		{"submitter", func() (part, error) {
			c := submitter.DefaultConfig()
			c.DSN, c.NATSURL, c.Waits, c.ShortRetries, c.Lease, c.Sweep = dsns["submitter"], s.NATSURL, waits, true, lease, sweep
			c.CollectionMargin = submitter.ShortCollectionMargin
			return submitter.New(ctx, c, env("submitter"))
		}},
		{"extractor", func() (part, error) {
			c := extractor.DefaultConfig()
			c.DSN, c.NATSURL, c.Lease, c.Sweep = dsns["extractor"], s.NATSURL, lease, sweep
			return extractor.New(ctx, c, env("extractor"))
		}},
	}
	for _, m := range makers {
		p, err := m.make()
		if err != nil {
			return fmt.Errorf("start %s: %w", m.name, err)
		}
		s.run(m.name, p)
	}
	return nil
}

// run starts a part in the background and notes how to stop it; services stop one by one, each within its own bound.
func (s *Stack) run(name string, p part) {
	ctx, cancel := context.WithCancel(context.Background())
	var (
		wg  sync.WaitGroup
		err error
	)
	wg.Go(func() {
		if err = p.Run(ctx); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("%s ended: %w", name, err))
		}
	})
	s.lifecycle.Add(name, func(stop context.Context) error {
		cancel()
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		select {
		case <-done:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// waitReady asks until ops is ready and a publish to every pipeline would be accepted.
func (s *Stack) waitReady(ctx context.Context) error {
	conn, err := bus.Connect(s.NATSURL, bus.ConnectOptions{Name: "bulkhead-ready-" + rand.Text()[:6]})
	if err != nil {
		return err
	}
	defer conn.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		last := s.ready(ctx, conn)
		if last == nil {
			return nil
		}
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", errors.Join(last, ctx.Err()))
		case <-tick.C:
		}
	}
}

func (s *Stack) ready(ctx context.Context, conn *bus.Conn) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.OpsHTTP+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ops answers %s", resp.Status)
	}
	for _, p := range s.Pipelines {
		if _, err := bus.Info(ctx, conn, bus.RecordsStream(p)); err != nil {
			return fmt.Errorf("stream of %s: %w", p, err)
		}
	}
	return nil
}
