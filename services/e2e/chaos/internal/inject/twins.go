package inject

import (
	"context"
	"strings"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/stack"
)

// twins keeps account of instances that stand back, so that all work of their service is done by the one that is to die at a point. Without
// that the work stays with the twin: it takes over the leases of an instance that is restarted to be given its rule, and keeps them.
type twins struct {
	mu   sync.Mutex
	back map[string]*standing   // by the instance that stands back
	arms map[string]*sync.Mutex // by the instance that is given rules: who starts it anew
}

// standing is an instance that stands back: for how many points, and what lets it come back.
type standing struct {
	points int
	come   func()
}

func newTwins() *twins { return &twins{back: map[string]*standing{}, arms: map[string]*sync.Mutex{}} }

// alone waits until nobody else starts an instance anew to give it rules.
func (w *twins) alone(instance string) (done func()) {
	w.mu.Lock()
	arm := w.arms[instance]
	if arm == nil {
		arm = &sync.Mutex{}
		w.arms[instance] = arm
	}
	w.mu.Unlock()
	arm.Lock()
	return arm.Unlock
}

// twinOf is the other instance of a service.
func twinOf(instance string) string {
	service, n, _ := strings.Cut(instance, "-")
	if n == "1" {
		return service + "-2"
	}
	return service + "-1"
}

// standBack ends the twin of an instance, and keeps it down until the instance has had its chance at all of its points. A twin that has a
// rule of its own stays, and an instance that stood back comes back: who is to die at a point comes before who is to stand back.
func (w *twins) standBack(ctx context.Context, s *stack.Stack, instance string) (comeBack func()) {
	w.recall(instance)
	name := twinOf(instance)
	w.mu.Lock()
	twin, stands := s.Part(name), w.back[name]
	switch {
	case stands != nil:
		stands.points++
		w.mu.Unlock()
	case twin.Ruled():
		w.mu.Unlock()
		return func() {}
	default:
		release := twin.Hold()
		end := s.Undo(func(context.Context) error { release(); return nil })
		stands = &standing{points: 1, come: func() { _ = end(context.WithoutCancel(ctx)) }} // it never fails
		w.back[name] = stands
		w.mu.Unlock()
		twin.Terminate(ctx)
	}
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if stands.points--; stands.points == 0 {
			w.comeLocked(name, stands)
		}
	})
}

// recall has an instance come back that stands back: something else is to strike it.
func (w *twins) recall(instance string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stands := w.back[instance]; stands != nil {
		w.comeLocked(instance, stands)
	}
}

// comeLocked lets it come back; that it came back before, and may stand back again by now, does no harm.
func (w *twins) comeLocked(name string, stands *standing) {
	stands.come()
	if w.back[name] == stands {
		delete(w.back, name)
	}
}

// comesBack is how long a part may take to be started again before it counts as down.
const comesBack = time.Second

// part is the fault's target, running if it is to run: what stands back comes back, and what is just being started is waited for.
func (f *fault) part(ctx context.Context) *stack.Part {
	f.twins.recall(f.Target)
	p := f.s.Part(f.Target)
	ctx, cancel := context.WithTimeout(ctx, comesBack)
	defer cancel()
	_ = stack.Await(ctx, p.Alive) // what is down is said by who strikes it
	return p
}
