package inject

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

const (
	// readyWithin bounds waiting for a part that was started again. It goes on to start after that.
	readyWithin = 10 * time.Second
	// leastReady is waited for it in any case.
	leastReady = time.Second
	// undoWithin bounds undoing one fault.
	undoWithin = 5 * time.Second
	// hookWithin bounds what operators and changed definitions take.
	hookWithin = 15 * time.Second
	// lookEvery is the rest between two looks at something that is waited for.
	lookEvery = 25 * time.Millisecond
)

// Hooks are the faults that only the load can carry out. Both are called at their times, and may be called more than once.
type Hooks struct {
	// Operators has two operators replay the same letters at once.
	Operators func(ctx context.Context) error
	// Definition changes a definition in mid-flight.
	Definition func(ctx context.Context) error
}

// Instances are the names that a plan may give as targets of faults on a service.
func Instances() []string { return stack.Instances() }

// Edges are the names that a plan may give as targets of cuts, delays and half-open connections.
func Edges() []string { return stack.Edges() }

// fault is one in progress.
type fault struct {
	history.Fault
	s    *stack.Stack
	plan history.Plan
	do   Hooks
	// dice decide what the plan leaves open.
	dice *rand.Rand
	load time.Time
	// twins are shared by all faults of a run.
	twins *twins
}

// carriers carry out each kind. They return when the fault is over; an error is one of the instrument.
var carriers = map[history.FaultKind]func(f *fault, ctx context.Context) error{
	history.Kill: (*fault).kill, history.KillLong: (*fault).killLong, history.KillAll: (*fault).killAll,
	history.KillPoint: (*fault).killPoint, history.KillTwice: (*fault).killPoint, history.PausePoint: (*fault).pausePoint,
	history.Pause: (*fault).pause, history.Term: (*fault).term,
	history.NATSKill: (*fault).broker, history.NATSRestart: (*fault).broker,
	history.LeaderKill: (*fault).leaderKill, history.NodeCut: (*fault).nodeCut, history.NodeEmpty: (*fault).nodeEmpty, history.TwoDown: (*fault).twoDown,
	history.PGKill: (*fault).postgres, history.PGRestart: (*fault).postgres,
	history.Cut: (*fault).edge, history.Delay: (*fault).edge, history.HalfOpen: (*fault).edge,
	history.BrokerFull: (*fault).brokerFull, history.StreamDelete: (*fault).streamDelete, history.ConsumerDel: (*fault).consumerDelete,
	history.Org: (*fault).org, history.Operators: (*fault).operators, history.Definition: (*fault).definition,
	history.PowerCut: (*fault).powerCut,
}

// Run carries out all faults of the plan. It waits for the start of the load, which their times count from, and returns when the last one
// is over. A plan that names what is not there is refused before anything happens; an error later is one of the instrument, which judges
// nothing.
func Run(ctx context.Context, s *stack.Stack, p history.Plan, do Hooks) error {
	if err := Check(p); err != nil {
		return err
	}
	select {
	case <-s.Load():
	case <-ctx.Done():
		return fmt.Errorf("inject: the load did not begin: %w", ctx.Err())
	}
	load := time.Now()
	back := newTwins()
	errs := make([]error, len(p.Faults))
	var wg sync.WaitGroup
	for i, planned := range p.Faults {
		f := &fault{Fault: planned, s: s, plan: p, do: do, dice: dice(p.Seed, planned.ID), load: load, twins: back}
		wg.Go(func() {
			if !f.rest(ctx, time.Until(load.Add(ms(f.At)))) {
				return
			}
			if err := carriers[f.Kind](f, ctx); err != nil {
				errs[i] = fmt.Errorf("inject %s (%s of %s): %w", f.ID, f.Kind, f.Target, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Check says what in a plan cannot be carried out.
func Check(p history.Plan) error {
	var errs []error
	ids := map[string]bool{}
	for _, f := range p.Faults {
		switch {
		case carriers[f.Kind] == nil:
			errs = append(errs, fmt.Errorf("fault %s: nobody can carry out a %q", f.ID, f.Kind))
		case ids[f.ID]:
			errs = append(errs, fmt.Errorf("fault %s: its id is another one's, too", f.ID))
		case slices.Contains(history.ClusterKinds(), f.Kind) && !p.Clustered():
			errs = append(errs, fmt.Errorf("fault %s: a %s needs a cluster of brokers", f.ID, f.Kind))
		case !slices.Contains(targets(f.Kind, p.Nodes), f.Target):
			errs = append(errs, fmt.Errorf("fault %s: a %s has no target %q", f.ID, f.Kind, f.Target))
		case needsPoint(f.Kind) && f.Point == "":
			errs = append(errs, fmt.Errorf("fault %s: a %s needs a crash point", f.ID, f.Kind))
		case (f.Kind == history.StreamDelete || f.Kind == history.ConsumerDel || f.Kind == history.LeaderKill) && f.Stream == "":
			errs = append(errs, fmt.Errorf("fault %s: a %s needs a stream", f.ID, f.Kind))
		case f.Kind == history.Org && len(f.Script) == 0:
			errs = append(errs, fmt.Errorf("fault %s: the org needs a script", f.ID))
		}
		ids[f.ID] = true
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("plan of seed %d: %w", p.Seed, err)
	}
	return nil
}

// targets that a kind has where the broker is a cluster of so many nodes; 0 = it is one server.
func targets(k history.FaultKind, nodes int) []string {
	switch k {
	case history.Kill, history.KillLong:
		return append(Instances(), stack.Servers(nodes)...)
	case history.Pause:
		return append(append(Instances(), stack.Servers(nodes)...), stack.Postgres, stack.Org)
	case history.KillPoint, history.KillTwice, history.PausePoint, history.Term:
		return Instances()
	case history.KillAll:
		return []string{"all"}
	case history.NATSKill, history.NATSRestart, history.BrokerFull, history.StreamDelete, history.ConsumerDel,
		history.LeaderKill, history.NodeCut, history.NodeEmpty, history.TwoDown:
		return []string{stack.NATS}
	case history.PGKill, history.PGRestart:
		return []string{stack.Postgres}
	case history.Cut, history.Delay, history.HalfOpen:
		return Edges()
	case history.Org:
		return []string{stack.Org}
	case history.PowerCut:
		return history.CutTargets()
	default: // what people do has no target that we would have to find
		return []string{"ops", ""}
	}
}

func needsPoint(k history.FaultKind) bool {
	return k == history.KillPoint || k == history.KillTwice || k == history.PausePoint
}

// dice of one fault: equal for equal plans.
func dice(seed uint64, id string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func ms(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }

// lasting is how long the fault lasts; a plan that does not say gets or.
func (f *fault) lasting(or time.Duration) time.Duration {
	if f.For <= 0 {
		return or
	}
	return ms(f.For)
}

// struck writes down that the fault happened, or did not.
func (f *fault) struck(done bool, text string) { f.tell("fault", done, text) }

// over writes down that it is over.
func (f *fault) over(text string) { f.tell("fault_end", true, text) }

// struckAt is for what is known to have happened only afterwards.
func (f *fault) struckAt(at float64, done bool, text string) {
	f.s.Record(history.Event{At: at, What: "fault", Fault: f.ID, Kind: f.Kind, Target: f.Target, Text: text, Done: done})
}

func (f *fault) tell(what string, done bool, text string) {
	f.s.Record(history.Event{What: what, Fault: f.ID, Kind: f.Kind, Target: f.Target, Point: f.Point, Text: strings.TrimSpace(text), Done: done})
}

// rest waits, and says whether the whole time passed.
func (f *fault) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// last keeps up what was done for as long as it is to last, and undoes it, whatever became of ctx.
func (f *fault) last(ctx context.Context, d time.Duration, undo func(context.Context) error) error {
	end := f.s.Undo(undo)
	f.rest(ctx, d)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
	defer cancel()
	return end(ending)
}

// ready waits until a part serves again, and writes the end of the fault. When the time of faults is over it waits no longer: healing does.
func (f *fault) ready(ctx context.Context, wait func(context.Context) error) {
	within := min(readyWithin, max(time.Until(f.load.Add(ms(f.plan.FaultsFor))), leastReady))
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	text := "ready again"
	if err := wait(ctx); err != nil {
		text = err.Error()
	}
	f.over(text)
}
