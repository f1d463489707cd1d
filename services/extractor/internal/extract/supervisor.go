package extract

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bulkhead/libs/service"
)

// longestRest bounds the rest of a reader after errors, below any lease: it must not lose the lease by resting.
const longestRest = 2 * time.Second

// Supervisor runs one reader per defined pipeline, each in a loop of its own, and starts those of new pipelines.
type Supervisor struct {
	deps  Deps
	every time.Duration
	env   service.Env

	mu      sync.Mutex
	readers map[string]*running
	stopped bool
}

type running struct {
	reader *Reader
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// NewSupervisor makes one that runs nothing yet. every is the period of readers that can do nothing: that another instance holds the
// lease of, that are stopped or at their bound.
func NewSupervisor(d Deps, every time.Duration, env service.Env) *Supervisor {
	return &Supervisor{deps: d, every: every, env: env, readers: map[string]*running{}}
}

// Pass starts readers of pipelines that have none. They run until Stop.
func (s *Supervisor) Pass(ctx context.Context) (int, error) {
	defs, err := s.deps.Catalog.Current(ctx)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range defs {
		if s.readers[d.Name] == nil && !s.stopped {
			s.readers[d.Name] = s.start(ctx, d.Name)
		}
	}
	return 0, nil
}

func (s *Supervisor) start(ctx context.Context, name string) *running {
	// The pass that starts a reader ends long before it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reader := NewReader(s.deps, name)
	r := &running{reader: reader, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		service.RunLoops(ctx, s.env, service.Loop{Name: "read_" + name, Every: s.every, Wake: r.wake, Pass: reader.Pass, MaxRest: longestRest})
		s.giveBack(ctx, s.deps.Logger.With("pipeline", name), reader)
	}()
	return r
}

// giveBack releases the lease, so that another instance need not wait for its end.
func (s *Supervisor) giveBack(ctx context.Context, logger *slog.Logger, reader *Reader) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := reader.Close(ctx); err != nil {
		logger.WarnContext(ctx, "the lease is not given back, it runs out by itself", "error", err)
	}
}

// Wake makes a pipeline's reader look again at once; "" wakes all.
func (s *Supervisor) Wake(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, r := range s.readers {
		if name == "" || n == name {
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Ordered makes a pipeline's reader look for orders to read a part of its stream again; "" is all.
func (s *Supervisor) Ordered(name string) {
	s.mu.Lock()
	for n, r := range s.readers {
		if name == "" || n == name {
			r.reader.LookForOrders()
		}
	}
	s.mu.Unlock()
	s.Wake(name)
}

// Reconciled makes a pipeline's reader count the chunks without an outcome at once: there is one less.
func (s *Supervisor) Reconciled(name string) {
	s.mu.Lock()
	if r := s.readers[name]; r != nil {
		r.reader.LookForOutcomes()
	}
	s.mu.Unlock()
	s.Wake(name)
}

// Stop ends all readers and waits until their leases are given back, or ctx is done.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	readers := make(map[string]*running, len(s.readers))
	for n, r := range s.readers {
		readers[n] = r
		r.cancel()
	}
	s.mu.Unlock()
	for n, r := range readers {
		select {
		case <-r.done:
		case <-ctx.Done():
			return fmt.Errorf("reader of %s: %w", n, ctx.Err())
		}
	}
	return nil
}
