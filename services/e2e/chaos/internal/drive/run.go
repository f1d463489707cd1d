package drive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bulkhead/services/e2e/chaos/internal/collect"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/inject"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/chaos/internal/watch"
)

// The bounds of a run's parts. They are several times what each takes on a small machine: a bound that is passed is an error of the
// instrument, but for restBound, within which everything must come to rest after healing.
const (
	startBound   = 60 * time.Second
	faultsBound  = 60 * time.Second // beyond the time that the plan gives them
	healBound    = 60 * time.Second
	restBound    = 45 * time.Second
	collectBound = 60 * time.Second
	stopBound    = 20 * time.Second
)

// liftEvery is the pause between two looks of the operator who lifts pauses while everything comes to rest.
const liftEvery = 300 * time.Millisecond

// Harness is an error of the instrument: the run has no verdict.
type Harness struct{ Err error }

func (e *Harness) Error() string { return "the instrument failed: " + e.Err.Error() }

// Unwrap is for errors.Is and errors.As.
func (e *Harness) Unwrap() error { return e.Err }

// Options of one run.
type Options struct {
	Plan history.Plan
	// Dir is the run's own directory; it is made, and must be empty.
	Dir string
	// Bin holds the binaries under test.
	Bin     string
	Cluster *stack.Cluster
	// Commit and Machine are noted in the run.
	Commit, Machine string
	// Phase is told what begins; nil = nobody listens.
	Phase func(name string)
	// Quiet waits, before faults begin, until nothing else is under way that would slow the run down; nil = nothing is.
	Quiet func() error
}

// run is one run in the making.
type run struct {
	Options
	began     time.Time
	note      history.Run
	stack     *stack.Stack
	target    history.Target
	timeline  *history.Writer
	published *history.Writer
	secrets   []secret
}

// judged takes away what is left of a run and judges it. The error is of type [*Harness].
type judged func() (history.Verdict, error)

// Run makes one run. The error is of type [*Harness], or the context's.
func Run(ctx context.Context, o Options) (history.Verdict, error) {
	judge, err := begin(ctx, o)
	if err != nil {
		return history.Verdict{}, err
	}
	return judge()
}

// begin makes a run as far as its processes are needed; at the end none runs any more, and another run may begin on the cluster. The error is
// that of Run.
func begin(ctx context.Context, o Options) (judged, error) {
	if o.Phase == nil {
		o.Phase = func(string) {}
	}
	if o.Quiet == nil {
		o.Quiet = func() error { return nil }
	}
	r := &run{Options: o, began: time.Now()}
	r.note = history.Run{Seed: o.Plan.Seed, Commit: o.Commit, Machine: o.Machine, Started: r.began.UTC().Format(time.RFC3339)}
	if err := r.prepare(); err != nil {
		return nil, r.harness(err)
	}
	if err := r.live(ctx); err != nil {
		err = errors.Join(err, r.drop(ctx))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, r.harness(err)
	}
	return func() (history.Verdict, error) {
		v, err := r.judge(ctx)
		if err != nil {
			return history.Verdict{}, r.harness(err)
		}
		return v, nil
	}, nil
}

// harness notes that the instrument failed. What failed is told whether or not the note of it can be written.
func (r *run) harness(err error) error {
	r.note.Harness = err.Error()
	r.note.Seconds = time.Since(r.began).Seconds()
	return &Harness{Err: errors.Join(err, history.WriteJSON(r.at(history.RunFile), r.note))}
}

func (r *run) at(name string) string { return filepath.Join(r.Dir, filepath.FromSlash(name)) }

// prepare makes the run's directory.
func (r *run) prepare() error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return fmt.Errorf("directory of the run: %w", err)
	}
	return errors.Join(
		history.WriteJSON(r.at(history.PlanFile), r.Plan),
		history.WriteJSON(r.at(history.PipelinesFile), load.Pipelines()),
		history.WriteJSON(r.at(history.RunFile), r.note),
	)
}

// judge takes away the database, notes what logs tell, and has the run judged.
func (r *run) judge(ctx context.Context) (v history.Verdict, err error) {
	r.Phase("judge")
	if err := r.drop(ctx); err != nil {
		return v, err
	}
	if r.note.Leaks, err = leaks(r.at(history.LogsDir), r.secrets); err != nil {
		return v, fmt.Errorf("look for secrets in logs: %w", err)
	}
	if err := history.WriteJSON(r.at(history.RunFile), r.note); err != nil {
		return v, err
	}
	if v, err = Judge(r.Dir); err != nil {
		return v, err
	}
	return v, history.WriteJSON(r.at(history.VerdictFile), v)
}

// drop removes the run's database, whatever became of the context.
func (r *run) drop(ctx context.Context) error {
	if r.stack == nil {
		return nil // who starts a stack undoes what fails
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
	defer cancel()
	if err := r.stack.Drop(ending); err != nil {
		return fmt.Errorf("drop: %w", err)
	}
	return nil
}

// live is all of it for which processes are needed.
func (r *run) live(ctx context.Context) (err error) {
	if r.timeline, err = history.Create(r.at(history.TimelineFile)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.timeline.Close()) }()
	if r.published, err = history.Create(r.at(history.PublishedFile)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.published.Close()) }()

	if err := r.start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() {
		// Processes end whatever became of the run, and of the context.
		r.phase("stop")
		r.stack.Kill()
		r.note.Seconds = time.Since(r.began).Seconds()
	}()

	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watched := make(chan error, 1)
	go func() { watched <- watch.Run(watching, r.target, r.Dir) }()

	if err := r.Quiet(); err != nil {
		return err
	}
	if err := r.storm(ctx); err != nil {
		return err
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	if err := r.dump(ctx); err != nil {
		return err
	}
	stopWatching()
	if err := <-watched; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("samples: %w", err)
	}
	return nil
}

// phase notes what begins, for the timeline and for whoever looks on.
func (r *run) phase(name string) {
	r.Phase(name)
	at := 0.0
	if r.stack != nil {
		at = r.stack.Since()
	}
	r.record(history.Event{At: at, What: "phase", Text: name})
}

// record appends to the timeline. An error of the writer stays in it and is told when it is closed.
func (r *run) record(e history.Event) { _ = r.timeline.Put(e) }

func (r *run) start(ctx context.Context) error {
	began := time.Now()
	r.phase("start")
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	s, err := stack.Start(ctx, stack.Options{
		Dir: r.Dir, Bin: r.Bin, Plan: r.Plan, Model: load.Model(), Definitions: load.Definitions(), Record: r.record, Cluster: r.Cluster,
	})
	if err != nil {
		return err
	}
	r.stack, r.target = s, s.Target()
	if r.secrets, err = secretsOf(r.Dir, r.target); err != nil {
		s.Kill()
		return err
	}
	r.note.StartSeconds = time.Since(began).Seconds()
	return nil
}

// storm is load and faults, side by side, until both have ended and everything is healed: publishers send again what they have no clear
// answer to, so the load ends only with the faults.
func (r *run) storm(ctx context.Context) error {
	began := time.Now()
	r.phase("storm")
	r.stack.LoadStarted()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Plan.FaultsFor)*time.Millisecond+faultsBound+healBound)
	defer cancel()
	loaded := make(chan error, 1)
	go func() { loaded <- load.Run(ctx, r.target, r.Plan, r.published) }()

	hooks := inject.Hooks{
		Operators: func(ctx context.Context) error {
			return errors.Join(
				load.Reread(ctx, r.target, r.Plan, r.record), load.Replay(ctx, r.target, r.Plan, r.record), r.decide(ctx),
				r.lift(ctx),
			)
		},
		Definition: func(ctx context.Context) error { return load.Change(ctx, r.target, r.Plan, r.record) },
	}
	if err := inject.Run(ctx, r.stack, r.Plan, hooks); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	r.note.FaultSeconds = time.Since(began).Seconds()
	began = time.Now()
	r.phase("heal")
	if err := r.stack.Heal(ctx); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	select {
	case err := <-loaded:
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
	case <-ctx.Done():
		return fmt.Errorf("load: %w", ctx.Err())
	}
	published, err := history.ReadAll[history.Publication](r.at(history.PublishedFile))
	if err != nil {
		return err
	}
	r.note.Unpublished = load.Unpublished(r.Plan, published)
	r.note.HealSeconds = time.Since(began).Seconds()
	return nil
}

// calm waits for rest, with an operator who lifts what is paused. Not to rest is no error: it is for the judge.
func (r *run) calm(ctx context.Context) error {
	began := time.Now()
	r.phase("rest")
	bounded, cancel := context.WithTimeout(ctx, restBound)
	defer cancel()
	resumed := make(chan struct{})
	lifting, stop := context.WithCancel(bounded)
	go func() {
		defer close(resumed)
		r.keepLifting(lifting)
	}()
	// What waits for a person is looked at when nothing moves by itself any more; then that must come to rest too.
	waits := func(what string) {
		r.record(history.Event{At: r.stack.Since(), What: "note", Text: "rest waits for " + what})
	}
	err := watch.Settled(bounded, r.target, waits)
	if err == nil {
		if err := errors.Join(load.Heals(bounded, r.target, r.record), r.decide(bounded), r.resume(bounded), r.reopen(bounded)); err != nil && ctx.Err() == nil {
			r.record(history.Event{At: r.stack.Since(), What: "note", Text: "what waits for a person: " + err.Error()})
		}
		err = watch.Rest(bounded, r.target, waits)
	}
	stop()
	<-resumed
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.note.Rested = err == nil
	if err != nil {
		r.note.Waiting = err.Error()
	}
	r.note.HealSeconds += time.Since(began).Seconds()
	return nil
}

// resume has a stream of records made again for each crash point of `extractor resume` that the plan names, and its pipeline resumed. It is a
// moment at which nothing is lost by that: everything that the stream held is decided.
func (r *run) resume(ctx context.Context) error {
	if len(r.Plan.Resumes) == 0 {
		return nil
	}
	if err := watch.Settled(ctx, r.target, nil); err != nil { // people have ordered things since
		return err
	}
	for _, point := range r.Plan.Resumes {
		if err := r.stack.Broker().MakeRecordsAgain(ctx, load.ReopenedPipeline); err != nil {
			return err
		}
		if err := r.stack.ResumeDying(ctx, load.ReopenedPipeline, point); err != nil {
			return err
		}
	}
	return nil
}

// reopen publishes again what a person has given up just now, in some runs.
func (r *run) reopen(ctx context.Context) error {
	if !load.Reopens(r.Plan) {
		return nil
	}
	n, err := load.Reopen(ctx, r.target, r.Plan, r.published)
	r.record(history.Event{At: r.stack.Since(), What: "note", Text: fmt.Sprintf("%d discarded records were published again", n)})
	return err
}

// keepLifting lifts what is paused, again and again: a pause may come late, from work that was done while another was lifted.
func (r *run) keepLifting(ctx context.Context) {
	tick := time.NewTicker(liftEvery)
	defer tick.Stop()
	for {
		if err := r.lift(ctx); err != nil && ctx.Err() == nil {
			r.record(history.Event{At: r.stack.Since(), What: "note", Text: "resume: " + err.Error()})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *run) dump(ctx context.Context) error {
	began := time.Now()
	r.phase("collect")
	ctx, cancel := context.WithTimeout(ctx, collectBound)
	defer cancel()
	if err := collect.Run(ctx, r.target, r.Dir); err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	if err := history.WriteJSON(r.at(history.PointsFile), r.stack.Points()); err != nil {
		return err
	}
	r.note.CollectSeconds = time.Since(began).Seconds()
	return nil
}
