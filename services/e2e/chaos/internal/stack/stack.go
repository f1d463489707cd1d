package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	// startWithin bounds a start; on a machine of its own it takes two or three seconds.
	startWithin = time.Minute
	// stopWithin bounds a stop.
	stopWithin = 30 * time.Second
)

// Options of one run.
type Options struct {
	// Dir is the run's directory; PostgreSQL's user need not reach it. Bin holds the binaries under test, see Build.
	Dir, Bin string
	// Plan gives the org's pace and the planted bug; its faults are package inject's.
	Plan history.Plan
	// Model is the simulator's object model, Definitions are the pipelines by name, both as YAML.
	Model       []byte
	Definitions map[string][]byte
	// Record is told what happens, from many goroutines; nil = nobody is.
	Record func(history.Event)
	// Cluster holds the run's database. It must not be in use by another run whose processes still run.
	Cluster *Cluster
	// OwnPace leaves the processes the product's own waits, leases and looks; without it they are short.
	OwnPace bool
}

// Stack is a run's parts, running. It is safe for concurrent use.
type Stack struct {
	o        Options
	began    time.Time
	token    string
	database string
	ports    ports
	edges    map[string]Edge  // and the instrument's own ways, by adminEdge and adminBroker, and the routes between nodes of the broker
	parts    map[string]*Part // services and org
	broker   *Broker
	opsURLs  []string
	orgURL   string
	defined  atomic.Bool // the definitions are applied

	load     chan struct{} // closed when the load has begun
	loadOnce sync.Once

	end  context.CancelFunc
	kept sync.WaitGroup

	power sync.Mutex // held while somebody's power is cut

	mu     sync.Mutex
	undone map[int]func(context.Context) error // what ends the faults that last
	next   int
}

// The instrument's own ways, which faults of edges do not touch. adminEdge gives the server of PostgreSQL a fixed address, wherever it listens after a
// restart; adminBroker leads to the broker, and of a cluster to the nodes that are not cut off from the others.
const (
	adminEdge   = "admin>" + Postgres
	adminBroker = "admin>" + NATS
)

// Start starts everything and waits until all instances are ready and the streams of all definitions are there. What fails is undone.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{
		o: o, began: time.Now(), token: rand.Text(), database: "chaos_" + strings.ToLower(rand.Text()[:10]),
		edges: map[string]Edge{}, parts: map[string]*Part{}, load: make(chan struct{}), undone: map[int]func(context.Context) error{},
	}
	for _, dir := range []*string{&s.o.Dir, &s.o.Bin} { // processes have other working directories
		if *dir, err = filepath.Abs(*dir); err != nil {
			return nil, fmt.Errorf("start the stack: %w", err)
		}
	}
	if s.o.Record == nil {
		s.o.Record = func(history.Event) {}
	}
	keeping, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start the stack: %w", err), s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	starting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	starting, fail := context.WithCancelCause(starting)
	defer fail(nil)
	if err := s.o.Cluster.Ensure(starting); err != nil {
		return nil, err
	}
	if err := s.layOut(starting); err != nil {
		return nil, err
	}
	for _, p := range s.parts { // later, a process that ends is a finding, or a fault's doing; at first it is the end of the run
		p.lone = func(cause error) {
			if !s.defined.Load() {
				fail(cause)
			}
		}
	}
	if err := s.startAll(starting, keeping); err != nil {
		return nil, errors.Join(context.Cause(starting), err)
	}
	return s, nil
}

// startAll starts the parts: the services as soon as there is something to stand on, because who waits for the broker waits half a second.
func (s *Stack) startAll(ctx, keeping context.Context) error {
	for _, p := range append(s.broker.Nodes(), s.parts[Org]) {
		s.kept.Go(func() { p.keep(keeping) })
	}
	err := together(
		func() error { return s.o.Cluster.create(ctx, s.database) },
		func() error {
			if err := s.parts[Org].WaitReady(ctx); err != nil {
				return err
			}
			return s.setUpOrg(ctx)
		},
		func() error {
			if err := s.broker.WaitReady(ctx); err != nil {
				return err
			}
			return s.broker.prepare(ctx)
		},
	)
	if err != nil {
		return err
	}
	for _, name := range Instances() {
		s.kept.Go(func() { s.parts[name].keep(keeping) })
	}
	if err := s.WaitReady(ctx); err != nil {
		return err
	}
	streams := []string{bus.StreamFlow, bus.StreamDLQ}
	for name := range s.o.Definitions {
		streams = append(streams, bus.RecordsStream(name))
	}
	for {
		err := s.broker.Has(ctx, streams...)
		if err == nil {
			s.defined.Store(true)
			return nil
		}
		if !sleep(ctx, lookEvery) {
			return fmt.Errorf("not ready: %w (%w)", err, ctx.Err())
		}
	}
}

// WaitReady waits until every part serves.
func (s *Stack) WaitReady(ctx context.Context) error {
	waits := []func() error{func() error { return s.broker.WaitReady(ctx) }}
	for _, p := range s.parts {
		waits = append(waits, func() error { return p.WaitReady(ctx) })
	}
	return together(waits...)
}

// Since is the time of the run, in ms from its start.
func (s *Stack) Since() float64 { return float64(time.Since(s.began)) / float64(time.Millisecond) }

// record gives an event its time and tells it.
func (s *Stack) record(e history.Event) {
	if e.At == 0 {
		e.At = s.Since()
	}
	s.o.Record(e)
}

// Record tells an event, at this moment unless it says otherwise.
func (s *Stack) Record(e history.Event) { s.record(e) }

// NATSURL leads to the broker by the publishers' edge.
func (s *Stack) NATSURL() string { return s.edges[EdgePublisher].natsURL() }

// PlainNATSURL leads to the broker by the instrument's own way.
func (s *Stack) PlainNATSURL() string { return s.broker.url() }

// OpsURLs are the API's of ops-1 and ops-2, straight.
func (s *Stack) OpsURLs() []string { return append([]string(nil), s.opsURLs...) }

// Token is a bearer token with every right.
func (s *Stack) Token() string { return s.token }

// AdminDSN leads to the run's database as a superuser, by a way that no fault touches.
func (s *Stack) AdminDSN() string {
	return s.o.Cluster.dsn(adminRole, s.o.Cluster.admin, s.edges[adminEdge].Address(), s.database)
}

// ControlURL is the root of the simulator's control API, straight.
func (s *Stack) ControlURL() string { return s.orgURL + "/sim" }

// Target is all of that in one.
func (s *Stack) Target() history.Target {
	return history.Target{
		Pipelines: slices.Sorted(maps.Keys(s.o.Definitions)), NATSURL: s.NATSURL(), PlainNATSURL: s.PlainNATSURL(), AdminDSN: s.AdminDSN(), ControlURL: s.ControlURL(), OpsURLs: s.OpsURLs(),
		Token: s.Token(), Since: s.Since, Bin: s.o.Bin,
	}
}

// LoadStarted says that the load has begun, which the times of faults count from.
func (s *Stack) LoadStarted() { s.loadOnce.Do(func() { close(s.load) }) }

// Load is closed when the load has begun.
func (s *Stack) Load() <-chan struct{} { return s.load }

// Part of that name: an instance, a server of the broker or the org; nil = there is none.
func (s *Stack) Part(name string) *Part {
	if p := s.parts[name]; p != nil {
		return p
	}
	return s.broker.part(name)
}

// Broker of the run.
func (s *Stack) Broker() *Broker { return s.broker }

// Cluster of the run.
func (s *Stack) Cluster() *Cluster { return s.o.Cluster }

// Edge of that name, of those that [Edges] names; nil = there is none.
func (s *Stack) Edge(name string) Edge {
	if !slices.Contains(Edges(), name) {
		return nil
	}
	return s.edges[name]
}

// together does all at the same time and returns their errors.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, do := range all {
		wg.Go(func() { errs[i] = do() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
