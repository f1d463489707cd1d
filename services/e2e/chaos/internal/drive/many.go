package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/report"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// Set is many runs to be made.
type Set struct {
	Plans []history.Plan
	// Dir takes a directory for each run, and the database clusters.
	Dir string
	Bin string
	// Jobs is how many runs are made at a time; at least 1. Each has a cluster of its own.
	Jobs int
	// KeepAll keeps everything of runs that passed too, not only what a report needs.
	KeepAll bool
	// UntilFound ends the set with the first run that fails.
	UntilFound bool

	Commit, Machine string
	// Out takes a line for each run, and what is to be said of one that failed.
	Out io.Writer
	// Phase is told what each run begins; nil = nobody listens.
	Phase func(seed uint64, name string)
}

// Outcome is what became of a set.
type Outcome struct {
	// Dirs are those of the runs, in the order of the plans; "" for those that were not made.
	Dirs     []string
	Verdicts []history.Verdict // by plan, as Dirs
	Failed   int               // runs with findings
	Harness  int               // runs that told nothing, twice
	Retried  int               // runs that were made again because they told nothing
}

// Add puts what became of another set behind it.
func (o *Outcome) Add(more Outcome) {
	o.Dirs, o.Verdicts = append(o.Dirs, more.Dirs...), append(o.Verdicts, more.Verdicts...)
	o.Failed, o.Harness, o.Retried = o.Failed+more.Failed, o.Harness+more.Harness, o.Retried+more.Retried
}

// Many makes the runs of a set. Findings and failures of the instrument are in the outcome; an error is the context's, or of a cluster that
// could not be opened.
func Many(ctx context.Context, s Set) (Outcome, error) {
	return makeAll(ctx, s, maker{run: begin, open: func(ctx context.Context, dir string) (*stack.Cluster, func(context.Context) error, error) {
		c, err := openFor(ctx, s.Plans, dir)
		if err != nil {
			return nil, nil, err
		}
		return c, c.Close, nil
	}})
}

// openFor opens what the runs of some plans need: disks whose power can be cut, where one of them cuts it.
func openFor(ctx context.Context, plans []history.Plan, dir string) (*stack.Cluster, error) {
	if i := slices.IndexFunc(plans, history.Plan.CutsPower); i >= 0 {
		return stack.OpenPowered(ctx, dir, plans[i].Unsafe)
	}
	return stack.OpenCluster(ctx, dir)
}

// maker is what runs are made with: tests have others.
type maker struct {
	run  func(ctx context.Context, o Options) (judged, error)
	open func(ctx context.Context, dir string) (*stack.Cluster, func(context.Context) error, error)
}

func makeAll(ctx context.Context, s Set, with maker) (Outcome, error) {
	m := &many{Set: s, maker: with, out: Outcome{Dirs: make([]string, len(s.Plans)), Verdicts: make([]history.Verdict, len(s.Plans))}}
	if m.Phase == nil {
		m.Phase = func(uint64, string) {}
	}
	ctx, m.stop = context.WithCancelCause(ctx)
	defer m.stop(nil)
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range s.Plans {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for n := range min(max(1, s.Jobs), len(s.Plans)) {
		workers.Go(func() {
			if err := m.work(ctx, n+1, next); err != nil {
				m.stop(err)
			}
		})
	}
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errFound) {
		return m.out, cause
	}
	return m.out, nil
}

// errFound ends a set that was to go on until something is found.
var errFound = errors.New("found")

type many struct {
	Set
	maker
	stop context.CancelCauseFunc

	mu  sync.Mutex
	out Outcome
}

// work makes runs on one cluster. While one is judged the next one starts, up to where its faults would begin.
func (m *many) work(ctx context.Context, n int, next <-chan int) (err error) {
	dir := filepath.Join(m.Dir, fmt.Sprintf("cluster-%d", n))
	cluster, closing, err := m.open(ctx, dir)
	if err != nil {
		return errors.Join(fmt.Errorf("open a database cluster: %w", err), os.RemoveAll(dir))
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
		defer cancel()
		if closed := closing(ending); closed != nil && err == nil {
			err = fmt.Errorf("close a database cluster: %w", closed)
		}
		// What runs are judged by lies in their own directories.
		if removed := os.RemoveAll(dir); removed != nil && err == nil {
			err = fmt.Errorf("remove a database cluster: %w", removed)
		}
	}()
	w := &worker{many: m, cluster: cluster, before: ended(nil)}
	defer func() {
		if judged := <-w.before; judged != nil && err == nil {
			err = judged
		}
	}()
	for i := range next {
		if ctx.Err() != nil {
			return nil // whoever ended it has said why
		}
		if err := w.one(ctx, i); err != nil {
			return err
		}
	}
	if err := w.wait(); err != nil {
		return err
	}
	for _, i := range w.again {
		if err := errors.Join(w.try(ctx, i, 2), w.wait()); err != nil {
			return err
		}
	}
	return nil
}

// worker makes one run after the other.
type worker struct {
	*many
	cluster *stack.Cluster
	// before gives what became of judging the run before; there is always one value in it, or one to come.
	before chan error
	// fatal is what ended the set while a run was being made beside it.
	fatal error
	// again are runs that told nothing only when they were judged: they are made once more behind all others.
	again []int
}

// ended is what comes of something that is over.
func ended(err error) chan error {
	out := make(chan error, 1)
	out <- err
	return out
}

// wait waits until the run before is judged.
func (w *worker) wait() error {
	err := <-w.before
	w.before <- nil
	if err != nil {
		w.fatal = err
	}
	return w.fatal
}

// one makes a run, and once more when the instrument failed.
func (w *worker) one(ctx context.Context, i int) error {
	err := w.try(ctx, i, 1)
	var h *Harness
	if errors.As(err, &h) {
		return errors.Join(w.wait(), w.try(ctx, i, 2))
	}
	return err
}

// try makes a run for the first or the second time, and has it judged by the side. It gives back a failure of the instrument in a first try, and what ends the set.
func (w *worker) try(ctx context.Context, i, try int) error {
	p := w.Plans[i]
	dir := filepath.Join(w.Dir, fmt.Sprintf("seed-%d", p.Seed))
	if try > 1 {
		dir += "-again"
	}
	judge, err := w.run(ctx, Options{
		Plan: p, Dir: dir, Bin: w.Bin, Cluster: w.cluster, Commit: w.Commit, Machine: w.Machine,
		Phase: func(name string) { w.Phase(p.Seed, name) }, Quiet: w.wait,
	})
	if err != nil && w.fatal == nil {
		return w.failed(i, try, dir, err)
	}
	if err := w.wait(); err != nil {
		return err
	}
	judged := make(chan error, 1)
	w.before = judged
	go func() {
		v, err := judge()
		if err == nil {
			judged <- w.ended(i, dir, v)
			return
		}
		err = w.failed(i, try, dir, err)
		var h *Harness
		if errors.As(err, &h) {
			w.mu.Lock()
			w.again = append(w.again, i)
			w.mu.Unlock()
			err = nil
		}
		judged <- err
	}()
	if w.UntilFound {
		return w.wait() // another run may not be wanted
	}
	return nil
}

// failed tells of a run without a verdict. A failure of the instrument in a first try is given back; of a second one nothing more is made.
func (w *worker) failed(i, try int, dir string, err error) error {
	var h *Harness
	if !errors.As(err, &h) {
		return err
	}
	w.say(fmt.Sprintf("seed %d told nothing: %s\n  kept in %s", w.Plans[i].Seed, report.Line(err.Error()), dir))
	if try == 1 {
		w.count(func(o *Outcome) { o.Retried++ })
		return err
	}
	w.count(func(o *Outcome) { o.Harness++; o.Dirs[i] = dir })
	return nil
}

// ended tells what became of a run.
func (m *many) ended(i int, dir string, v history.Verdict) error {
	m.count(func(o *Outcome) {
		o.Dirs[i], o.Verdicts[i] = dir, v
		if !v.OK {
			o.Failed++
		}
	})
	note, err := history.ReadJSON[history.Run](filepath.Join(dir, history.RunFile))
	if err != nil {
		return err
	}
	m.say(report.RunLine(m.Plans[i], note, v))
	if v.OK {
		if m.KeepAll {
			return nil
		}
		return trim(dir)
	}
	m.say(report.Failure(m.Plans[i], dir, v))
	if m.UntilFound {
		m.stop(errFound)
	}
	return nil
}

func (m *many) count(change func(o *Outcome)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.out)
}

// say prints lines of one run together.
func (m *many) say(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintln(m.Out, text)
}

// trim leaves of a run that passed what a report needs, and its timeline, which says why a fault did not strike.
func trim(dir string) error {
	keep := map[string]bool{
		history.PlanFile: true, history.RunFile: true, history.VerdictFile: true, history.PointsFile: true, history.TimelineFile: true,
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("directory of the run: %w", err)
	}
	for _, e := range entries {
		if keep[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove what a passing run need not keep: %w", err)
		}
	}
	return nil
}
