package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/memory/courier"
	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/parts"
	orgsim "bulkhead/services/orgsim/app"
)

// Options are what a world is made from. Only the plan's seed must be set.
type Options struct {
	// Plan has the seed, the number of records, how long they are published (FaultsFor), and the faults.
	Plan trial.Plan
	// Pipelines are those of the load that there are, in any order; none = all.
	Pipelines []string
	// Instances of each service; 0 = 2.
	Instances int
	// LongWaits leaves the waits for Salesforce, and those before a retry, as they are in production; else they are short.
	LongWaits bool
	// Lease and Sweep are those of every service; 0 = 2 s, and 5 s.
	Lease, Sweep time.Duration
	// Skew is what the clocks of services are ahead, by service. The org's is right, since what is judged is dated by it.
	Skew map[string]time.Duration
	// DailyAPILimit is the org's; 0 = as it comes.
	DailyAPILimit int
	// QueueDelay is how long a closed job waits in the org; 0 = 200 ms.
	QueueDelay time.Duration
	// Linger is how long faults that wait for a call or a point are waited for, behind the plan's own time.
	Linger time.Duration
	// Absent are services that are not started by [World.Start].
	Absent []string
	// Calm leaves the latencies out: every call takes no time at all.
	Calm bool
	// Log gets what the services log; nil = nobody.
	Log *slog.Logger
	// Call is asked before every call of an instance to ledger ("postgres"), broker ("nats") or org: an error is what comes of the call, and [ErrDies] the end
	// of the instance. what is the statement, the verb, or the method with its path. It is asked until the world ends, from any goroutine.
	Call func(service, edge, what string) error
	// Passed is told of every crash point that an instance passes, in a build that has them.
	Passed func(point string)
}

// World is the product and what it stands on.
type World struct {
	o     Options
	t     testing.TB
	began time.Time
	dir   string

	db     *ledger.DB
	broker *courier.Courier
	org    *parts.Org

	documents, definitions [][]byte
	pipelines              []trial.Pipeline
	load                   *trial.Load
	ids                    map[string]string

	slots  []*slot
	tools  []*slot // commands that a person runs
	run    trial.All
	points trial.Points
	struck map[string]bool

	mu      sync.Mutex // of what follows, run and points
	ending  bool
	defined bool
	healed  bool
	errs    []error
	// restored is when the ledger was put back last, in ms from the beginning.
	restored float64
	scripts  map[string][]string // ids of the simulator's rules by fault

	letters lettersSeen
	samples sampler
	ctx     context.Context //nolint:containedctx // the life of the world, which its instances outlive nowhere
	stop    context.CancelFunc
}

// Open makes a world in which nothing runs yet but the org. The test fails when that cannot be.
func Open(t testing.TB, o Options) *World {
	t.Helper()
	o = o.filled()
	w := &World{o: o, t: t, began: time.Now(), dir: t.TempDir(), broker: courier.Open(), struck: map[string]bool{}, scripts: map[string][]string{}}
	w.points = trial.Points{Reached: map[string]int{}, Killed: map[string]int{}, Held: map[string]int{}}
	t.Cleanup(drawIDs(o.Plan.Seed))
	w.ctx, w.stop = context.WithCancel(context.WithoutCancel(t.Context()))
	var err error
	if w.db, err = ledger.Open(testkit.AllMigrations(t)...); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.openOrg(), w.describe()); err != nil {
		t.Fatal(err)
	}
	for _, service := range Services() {
		for n := range o.Instances {
			w.slots = append(w.slots, &slot{world: w, service: service, n: n + 1, name: fmt.Sprintf("%s-%d", service, n+1)})
		}
	}
	w.tools = []*slot{{world: w, service: "extractor", name: "extractor-resume", calls: map[string]int{}}}
	return w
}

func (o Options) filled() Options {
	if o.Instances == 0 {
		o.Instances = 2
	}
	if o.Lease == 0 {
		o.Lease = 2 * time.Second
	}
	if o.Sweep == 0 {
		o.Sweep = 5 * time.Second
	}
	if o.QueueDelay == 0 {
		o.QueueDelay = 200 * time.Millisecond
	}
	if o.Plan.FaultsFor == 0 {
		o.Plan.FaultsFor = 3000
	}
	if o.Plan.Records == 0 {
		o.Plan.Records = trial.RecordsFor(40, o.Pipelines...)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Services are the six, in the order in which they are started.
func Services() []string { return parts.Services() }

// openOrg serves the simulator on a network of the world's own.
func (w *World) openOrg() error {
	rows := w.o.Plan.RowsPerSecond
	if rows == 0 {
		rows = -1
	}
	var err error
	w.org, err = parts.OpenOrg(orgsim.Options{
		Model: trial.Model(), QueueDelay: w.o.QueueDelay, RowsPerSecond: rows, OrgSeed: 1, DailyAPILimit: w.o.DailyAPILimit,
	}, 0)
	return err
}

// describe draws the load and writes down what ops is given at its first start.
func (w *World) describe() error {
	document, err := parts.OrgDocument(w.dir)
	if err != nil {
		return err
	}
	w.documents = [][]byte{document}
	texts := trial.Definitions()
	for _, p := range trial.Pipelines() {
		if len(w.o.Pipelines) == 0 || slices.Contains(w.o.Pipelines, p.Name) {
			w.pipelines = append(w.pipelines, p)
			w.definitions = append(w.definitions, texts[p.Name])
		}
	}
	w.load = trial.Draw(w.o.Plan)
	w.run = trial.All{Plan: w.o.Plan, Pipelines: w.pipelines}
	w.run.Run.Seed = w.o.Plan.Seed
	return nil
}

// Since is the time of the world, in ms from its beginning.
func (w *World) Since() float64 { return float64(time.Since(w.began)) / float64(time.Millisecond) }

// note puts a line into the timeline.
func (w *World) note(e trial.Event) {
	if e.At == 0 {
		e.At = w.Since()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run.Timeline = append(w.run.Timeline, e)
}

// fail keeps what no world may do; [World.Close] tells it.
func (w *World) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, err)
}

// Start starts every instance, seeds the org, and returns when ops has made the streams.
func (w *World) Start() {
	w.t.Helper()
	w.note(trial.Event{What: "phase", Text: "start"})
	for _, s := range w.slots {
		if !slices.Contains(w.o.Absent, s.service) {
			s.begin()
		}
	}
	ids, err := w.load.Seed(w.ctx, w.Target())
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids = ids
	admin := w.broker.As("admin")
	for end := time.Now().Add(2 * time.Minute); ; {
		missing := ""
		for _, p := range w.pipelines {
			if _, err := admin.Stream(w.ctx, "RECORDS_"+p.Name); err != nil {
				missing = p.Name
			}
		}
		if missing == "" {
			break
		}
		if time.Now().After(end) {
			w.t.Fatalf("no stream of %s after two minutes", missing)
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.mu.Lock()
	w.defined = true
	w.mu.Unlock()
	w.letters.watch(w)
	w.samples.watch(w)
}

// Close stops everything, waits until no goroutine of the world is left, and tells what went wrong.
func (w *World) Close() error {
	w.mu.Lock()
	w.ending = true
	w.mu.Unlock()
	w.letters.end()
	w.samples.end()
	for _, s := range w.slots {
		s.end()
	}
	w.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := w.org.Close(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(append(w.errs, err)...)
}
