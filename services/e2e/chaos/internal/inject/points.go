package inject

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

const (
	// tryFor is how long a process runs with a rule for a point where a plan does not say; starting is what its start may take before.
	tryFor   = 3 * time.Second
	starting = time.Second
	// holdFor is how long a process waits at a point by itself: long enough that it is seen and made to stand still.
	holdFor = "1s"
)

// point parts "name@2" into the name and the hit.
func (f *fault) point() (name, hit string) {
	name, hit, ok := strings.Cut(f.Point, "@")
	if !ok {
		hit = "1"
	}
	return name, hit
}

// arm starts the target anew with a rule. Rules come by the environment, so there is no other way. It does not wait until the target is
// ready: some points are reached before.
// Its twin stands back until comeBack is called.
func (f *fault) arm(ctx context.Context, p *stack.Part, action string, times int) (comeBack func()) {
	name, hit := f.point()
	p.Rule(f.ID, name, fmt.Sprintf("%s=%s@%s", name, action, hit), times)
	var both sync.WaitGroup
	both.Go(func() {
		// One new start gives it the rules of all faults that begin at this moment.
		defer f.twins.alone(f.Target)()
		if !p.Obeys(f.ID) {
			f.restart(ctx, p, "to be given a rule")
		}
	})
	comeBack = f.twins.standBack(ctx, f.s, f.Target)
	both.Wait()
	return comeBack
}

// disarm takes the rule away, and starts the target anew if it may still obey it.
func (f *fault) disarm(ctx context.Context, p *stack.Part, restart bool) {
	p.Unrule(f.ID)
	if restart {
		f.restart(ctx, p, "to be rid of a rule")
	}
}

func (f *fault) restart(ctx context.Context, p *stack.Part, why string) {
	how, _ := p.Terminate(ctx)
	f.s.Record(history.Event{What: "note", Fault: f.ID, Target: f.Target, Point: f.Point, Text: fmt.Sprintf("restarted %s: %s", why, how)})
}

// reached waits until the target came to the point. For as long as the plan says its twin stands back; then the twin comes back, and the
// rule stays until so long before faults end: on a slow machine a point may be reached late.
func (f *fault) reached(ctx context.Context, first, before time.Duration, comeBack func(), yes func() bool) bool {
	alone, cancel := context.WithTimeout(ctx, starting+first)
	err := stack.Await(alone, yes)
	cancel()
	if err == nil {
		return true
	}
	comeBack()
	late, cancel := context.WithDeadline(ctx, f.load.Add(ms(f.plan.FaultsFor)-before))
	defer cancel()
	return stack.Await(late, yes) == nil || yes()
}

// killPoint has the target kill itself at a point, once or twice.
func (f *fault) killPoint(ctx context.Context) error {
	p := f.s.Part(f.Target)
	name, _ := f.point()
	times := 1
	if f.Kind == history.KillTwice {
		times = 2
	}
	before := p.Killed(name)
	comeBack := f.arm(ctx, p, "crash", times)
	defer comeBack()
	for n := 1; n <= times; n++ {
		if !f.reached(ctx, f.lasting(tryFor), 0, comeBack, func() bool { return p.Killed(name)-before >= n }) {
			f.struck(false, fmt.Sprintf("killed %d times: the point was not reached", n-1))
			f.disarm(context.WithoutCancel(ctx), p, true)
			return nil
		}
	}
	f.struck(true, "")
	comeBack()
	f.disarm(ctx, p, false)
	f.ready(ctx, p.WaitReady)
	return nil
}

// pausePoint makes the whole process stand still when it has come to a point, for longer than every lease, so that it goes on there as a
// zombie: held at the point alone, its other goroutines would renew its leases.
func (f *fault) pausePoint(ctx context.Context) error {
	p := f.s.Part(f.Target)
	name, _ := f.point()
	before := p.Held(name)
	comeBack := f.arm(ctx, p, "delay:"+holdFor, 0)
	defer comeBack()
	if !f.reached(ctx, tryFor, f.lasting(pastLease), comeBack, func() bool { return p.Held(name) > before }) {
		f.struck(false, "the point was not reached")
		f.disarm(context.WithoutCancel(ctx), p, true)
		return nil
	}
	thaw, done := p.Freeze()
	f.struck(done, down(done))
	comeBack() // it takes over what the frozen one holds
	f.disarm(ctx, p, false)
	err := f.last(ctx, f.lasting(pastLease), func(context.Context) error { thaw(); return nil })
	f.over("")
	return err
}
