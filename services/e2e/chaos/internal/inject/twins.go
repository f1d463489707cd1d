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
	back map[string]func() // by the instance that stands back: what lets it come back
}

// twinOf is the other instance of a service.
func twinOf(instance string) string {
	service, n, _ := strings.Cut(instance, "-")
	if n == "1" {
		return service + "-2"
	}
	return service + "-1"
}

// standBack ends the twin of an instance, and keeps it down until the instance has had its chance. A twin that has a rule of its own stays,
// and an instance that stood back comes back: who is to die at a point comes before who is to stand back.
func (w *twins) standBack(ctx context.Context, s *stack.Stack, instance string) (comeBack func()) {
	w.recall(instance)
	name := twinOf(instance)
	w.mu.Lock()
	twin := s.Part(name)
	if w.back[name] != nil || twin.Ruled() {
		w.mu.Unlock()
		return func() {}
	}
	release := twin.Hold()
	end := s.Undo(func(context.Context) error { release(); return nil })
	come := sync.OnceFunc(func() { _ = end(context.WithoutCancel(ctx)) }) // it never fails
	w.back[name] = come
	w.mu.Unlock()
	twin.Terminate(ctx)
	return func() {
		come()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.back, name)
	}
}

// recall has an instance come back that stands back: something else is to strike it.
func (w *twins) recall(instance string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if come := w.back[instance]; come != nil {
		come()
		delete(w.back, instance)
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
