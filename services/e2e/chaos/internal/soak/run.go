package soak

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/chaos/internal/watch"
	"bulkhead/services/e2e/internal/org"
	"bulkhead/services/e2e/internal/pump"
)

// Options of a soak.
type Options struct {
	// Dir is its own directory; Bin holds the binaries under test. The cluster is in use by nobody else.
	Dir, Bin string
	Cluster  *stack.Cluster
	Load     Load
	Seed     uint64        // decides the order of kills
	Every    time.Duration // from one kill to the next
	Sample   time.Duration // from one sample to the next
	Rate     int64         // records a second that are published; 0 = as fast as they are taken
	// Brief: it need not last long enough to say what is flat, nor for everything to be killed.
	Brief bool
	// Phase is told what begins, and how many records it is about; At how many are settled; Said what happens. nil = nobody is.
	Phase func(name string, records int64)
	At    func(records int64)
	Said  func(line string)
}

// Result is what came of it.
type Result struct {
	Command string `json:"command,omitempty"`
	Commit  string `json:"commit,omitempty"`
	Machine string `json:"machine,omitempty"`
	Disk    string `json:"disk,omitempty"`
	Date    string `json:"date,omitempty"`

	Load    Load            `json:"load"`
	Want    Counts          `json:"want"`
	Seed    uint64          `json:"seed"`
	Every   float64         `json:"kill_every_seconds"`
	Balance history.Balance `json:"balance"`
	Seen    Seen            `json:"seen"`
	// Published is when the last acknowledgement came, Settled when everything had landed or died, in seconds from the first publish. Again are the frames
	// that were sent more than once.
	Published float64 `json:"published_seconds"`
	Settled   float64 `json:"settled_seconds"`
	Again     int64   `json:"frames_again"`
	Kills     []Kill  `json:"kills"`
	// From and To are the time in which figures are looked at, in seconds of the run.
	From    float64  `json:"steady_from_seconds"`
	To      float64  `json:"steady_to_seconds"`
	Figures []Figure `json:"figures"`
	// LedgerBytes is how large the ledger's database was in the end.
	LedgerBytes int64 `json:"ledger_bytes"`
	// Findings are what is not as it must be; none = it passed.
	Findings []string `json:"findings,omitempty"`
}

// PerSecond is how many records were settled in a second.
func (r *Result) PerSecond() float64 { return float64(r.Load.Records) / max(r.Settled, 1e-9) }

// The files of a soak, within its directory.
const (
	ResultFile  = "soak.json"
	SamplesFile = history.SamplesFile
)

// run is one under way.
type run struct {
	Options
	stack     *stack.Stack
	target    history.Target
	began     time.Time
	events    *history.Writer
	want      Counts
	published atomic.Int64

	mu      sync.Mutex
	samples []Sample
	kills   []Kill
}

func (r *run) since() time.Duration { return time.Since(r.began) }

func (r *run) timeline(e history.Event) { r.stack.Record(e) }

func (r *run) killed(k Kill) {
	r.mu.Lock()
	r.kills = append(r.kills, k)
	r.mu.Unlock()
	if k.Back > 0 {
		r.Said(fmt.Sprintf("%s was killed, and ready again after %.1f s", k.Part, k.Back))
	}
}

// Run carries out one soak. An error is one of the instrument.
func Run(ctx context.Context, o Options) (out Result, err error) {
	if o.Phase == nil {
		o.Phase = func(string, int64) {}
	}
	if o.At == nil {
		o.At = func(int64) {}
	}
	if o.Said == nil {
		o.Said = func(string) {}
	}
	r := &run{Options: o}
	o.Phase("count what must come of it", 0)
	r.want = o.Load.Counts()
	if r.events, err = history.Create(filepath.Join(o.Dir, history.TimelineFile)); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.events.Close()) }()
	o.Phase("start", 0)
	r.stack, err = stack.Start(ctx, stack.Options{
		Dir: o.Dir, Bin: o.Bin, Plan: history.Plan{}, Model: []byte(model), Definitions: map[string][]byte{pipelineName: definition()},
		Record: func(e history.Event) { _ = r.events.Put(e) }, Cluster: o.Cluster, OwnPace: true, // an error stays in the writer and is told when it is closed
	})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.stack.Stop(context.WithoutCancel(ctx))) }()
	r.target, r.began = r.stack.Target(), time.Now()
	if _, err := r.stack.Script(ctx, faults()); err != nil {
		return out, err
	}
	out = Result{Load: o.Load, Want: r.want, Seed: o.Seed, Every: o.Every.Seconds()}
	if err := r.live(ctx, &out); err != nil {
		return out, err
	}
	o.Phase("judge", 0)
	err = r.judge(ctx, &out)
	return out, err
}

// live publishes, kills and takes samples until nothing moves any more.
func (r *run) live(ctx context.Context, out *Result) error {
	r.Phase(fmt.Sprintf("%d records, a kill every %s", r.Load.Records, r.Every), r.Load.Records)
	ctx, cancel := context.WithCancelCause(ctx)
	sampling, endSamples := context.WithCancel(ctx)
	killing, endKills := context.WithCancel(ctx)
	var beside, killer sync.WaitGroup
	defer func() {
		cancel(nil)
		endSamples()
		endKills()
		killer.Wait()
		beside.Wait()
	}()
	start := func(group *sync.WaitGroup, do func() error) {
		group.Go(func() {
			if err := do(); err != nil {
				cancel(err)
			}
		})
	}
	began := r.since()
	r.stack.LoadStarted()
	start(&beside, func() error { return r.sample(sampling) })
	start(&killer, func() error { return r.kill(killing) })
	start(&beside, func() error { return r.publish(ctx, out) })

	settled := r.settle(ctx)
	out.Settled = (r.since() - began).Seconds()
	if settled != nil && ctx.Err() == nil {
		out.Findings = append(out.Findings, "stuck: "+settled.Error())
	}
	endKills()
	killer.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	out.Kills = r.kills
	err := r.rest(ctx, out)
	endSamples()
	if len(out.Findings) > 0 {
		cancel(nil) // a publisher that waits for room would wait for ever
	}
	beside.Wait()
	return err
}

// publish publishes everything.
func (r *run) publish(ctx context.Context, out *Result) error {
	res, err := pump.Run(ctx, pump.Options{
		URL: r.target.NATSURL, Pipeline: pipelineName, Records: r.Load.Records, Record: r.Load.Record, Frame: frame, Publishers: publishers, Rate: r.Rate,
		Acked: func(records int) { r.published.Add(int64(records)) },
	})
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil // it was given up
		}
		return fmt.Errorf("publish: %w", err)
	}
	out.Published, out.Again = time.Duration(res.Last-res.First).Seconds(), res.Again
	r.Said(fmt.Sprintf("all %d records are published, after %.0f s", res.Records, out.Published))
	return nil
}

// sample takes samples until ctx ends, each written down at once.
func (r *run) sample(ctx context.Context) (err error) {
	file, err := history.Create(filepath.Join(r.Dir, SamplesFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	look, err := newSampler(r.stack)
	if err != nil {
		return err
	}
	defer look.close()
	tick := time.NewTicker(r.Sample)
	defer tick.Stop()
	for n := 0; ; n++ {
		at := r.since()
		s := look.look(ctx, n)
		if ctx.Err() != nil {
			return nil
		}
		s.At, s.Published = at.Seconds(), r.published.Load()
		if err := file.Put(s); err != nil {
			return err
		}
		r.mu.Lock()
		r.samples = append(r.samples, s)
		r.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// judge says what is not as it must be.
func (r *run) judge(ctx context.Context, out *Result) error {
	j := newJudge(r.Load, r.want)
	all, err := watch.Balances(ctx, r.target, 0)
	if err != nil {
		return fmt.Errorf("balance: %w", err)
	}
	out.Balance = all[pipelineName]
	j.balance(out.Balance)
	simulated := org.New(strings.TrimSuffix(r.target.ControlURL, "/sim"))
	if err := j.rows(ctx, simulated); err != nil {
		return err
	}
	jobs, err := simulated.Jobs(ctx)
	if err != nil {
		return err
	}
	j.jobs(jobs)
	err = r.withBroker(func(js jetstream.JetStream) error { return j.letters(ctx, js) })
	if err != nil {
		return err
	}
	out.Seen = j.seen
	out.Findings = append(out.Findings, j.all()...)

	r.mu.Lock()
	defer r.mu.Unlock()
	from, to := Steady(r.samples, r.Load.Records)
	out.From, out.To, out.Figures = from.Seconds(), to.Seconds(), Figures(r.samples, from, to)
	for _, s := range r.samples {
		out.LedgerBytes = max(out.LedgerBytes, s.Ledger["ledger bytes"])
	}
	out.Findings = append(out.Findings, verdict(out.Figures, out.Kills, r.Brief)...)
	return nil
}

// withBroker does something by a connection to the broker.
func (r *run) withBroker(do func(jetstream.JetStream) error) error {
	s, err := newSampler(r.stack)
	if err != nil {
		return err
	}
	defer s.close()
	js, err := jetstream.New(s.broker)
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	return do(js)
}
