package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Loop is the outermost of the three layers: it calls a pass until the pass found nothing to do, then waits until it is woken
// or Every has gone by.
type Loop struct {
	// Name of the loop in logs and metrics, unique in its service.
	Name string
	// Every is the longest rest between two calls; jittered by a tenth so that instances spread out.
	Every time.Duration
	// Wake ends a rest at once; nil = only time does. One slot of buffer is enough.
	Wake <-chan struct{}
	// Pass does one unit of work and says how much it did; 0 = nothing was there.
	Pass func(ctx context.Context) (int, error)
	// Timeout bounds one pass; 0 = the pass bounds itself.
	Timeout time.Duration
	// MaxRest bounds the rest after a pass that failed; 0 = 10 s. One-machine mode, where everything comes back within a second,
	// sets less.
	MaxRest time.Duration
	// FirstRest is the rest after the first pass that failed; 0 = 100 ms. What is never urgent sets Every here and as MaxRest.
	FirstRest time.Duration
}

// sayAgain is how often an error that stays the same is repeated in the log.
const sayAgain = 5 * time.Minute

// Bounds of the rest after a pass that failed: doubled from the first to the last, jittered. A Wake does not end it: who finds
// work must not make us hammer on what is broken.
const (
	firstRest = 100 * time.Millisecond
	lastRest  = 10 * time.Second
)

// RunLoops runs the loops until the context ends, and returns when each of them has returned from its last pass.
func RunLoops(ctx context.Context, env Env, loops ...Loop) {
	m := newLoopMetrics(env.Registry)
	var wg sync.WaitGroup
	for _, l := range loops {
		wg.Go(func() { l.run(ctx, env, m) })
	}
	wg.Wait()
}

func (l Loop) run(ctx context.Context, env Env, m *loopMetrics) {
	logger := env.Logger.With("loop", l.Name)
	var (
		last string // the error that was logged last: the same one again is not news
		said time.Time
		rest time.Duration
	)
	most := l.MaxRest
	if most <= 0 {
		most = lastRest
	}
	first := l.FirstRest
	if first <= 0 {
		first = firstRest
	}
	for ctx.Err() == nil {
		n, err := l.guarded(ctx, logger, m)
		m.passes.WithLabelValues(l.Name).Inc()
		if n > 0 {
			m.units.WithLabelValues(l.Name).Add(float64(n))
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			m.failures.WithLabelValues(l.Name).Inc()
			if err.Error() != last || time.Since(said) >= sayAgain {
				last, said = err.Error(), time.Now()
				logger.Warn("pass failed", "error", err)
			}
			rest = min(max(2*rest, first), most)
			sleep(ctx, rest/2+env.Spread(rest/2), nil)
			continue
		case last != "":
			logger.Info("pass works again", "after", last)
			last = ""
		}
		rest = 0
		if n == 0 {
			sleep(ctx, l.Every-l.Every/10+env.Spread(l.Every/5), l.Wake)
		}
	}
}

// PanicError is a panic that a pass did not survive; the loop did.
type PanicError struct{ Value any }

func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

func (l Loop) guarded(ctx context.Context, logger *slog.Logger, m *loopMetrics) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			m.panics.WithLabelValues(l.Name).Inc()
			logger.Error("pass panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			n, err = 0, &PanicError{Value: v}
		}
	}()
	if l.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Timeout)
		defer cancel()
	}
	return l.Pass(ctx)
}

func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// Bell wakes a loop: Ring never blocks, and many rings before the loop listens are one.
type Bell struct{ c chan struct{} }

// NewBell makes a bell; give C to Loop.Wake.
func NewBell() *Bell { return &Bell{c: make(chan struct{}, 1)} }

// Ring wakes the loop, now or at its next rest.
func (b *Bell) Ring() {
	select {
	case b.c <- struct{}{}:
	default:
	}
}

// C is what the loop waits on.
func (b *Bell) C() <-chan struct{} { return b.c }

type loopMetrics struct {
	passes, units, failures, panics *prometheus.CounterVec
}

func newLoopMetrics(reg *prometheus.Registry) *loopMetrics {
	counter := func(name, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"loop"})
		if err := reg.Register(c); err != nil {
			var are prometheus.AlreadyRegisteredError
			if errors.As(err, &are) {
				if have, ok := are.ExistingCollector.(*prometheus.CounterVec); ok {
					return have
				}
			}
		}
		return c
	}
	return &loopMetrics{
		passes:   counter("bulkhead_loop_passes_total", "Passes run, by loop."),
		units:    counter("bulkhead_loop_units_total", "Units of work done, by loop."),
		failures: counter("bulkhead_loop_failures_total", "Passes that returned an error, by loop."),
		panics:   counter("bulkhead_loop_panics_total", "Passes that panicked, by loop."),
	}
}
