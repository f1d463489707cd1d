package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Lifecycle collects what must be undone, by name, and undoes it in reverse order. The zero value is ready to use.
type Lifecycle struct {
	mu    sync.Mutex
	steps []step
	once  sync.Once
	err   error
}

type step struct {
	name string
	stop func(ctx context.Context) error
}

// Add notes a step; the last one added is the first to run.
func (l *Lifecycle) Add(name string, stop func(ctx context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

// Stop runs the steps once, in reverse, all under the deadline of ctx; a step that fails does not keep the others from
// running. A second Stop waits for the first and returns the same error.
func (l *Lifecycle) Stop(ctx context.Context) error {
	l.once.Do(func() {
		l.mu.Lock()
		steps := l.steps
		l.mu.Unlock()
		var errs []error
		for i := len(steps) - 1; i >= 0; i-- {
			if err := steps[i].stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
			}
		}
		l.err = errors.Join(errs...)
	})
	return l.err
}
