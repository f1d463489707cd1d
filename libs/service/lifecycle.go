package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// abandonAfter is how long a step may still take once the deadline has passed: enough to close a socket.
const abandonAfter = 250 * time.Millisecond

// Lifecycle collects what must be undone, by name, and undoes it in reverse order. The zero value is ready to use.
type Lifecycle struct {
	mu      sync.Mutex
	steps   []step
	stopped chan struct{} // made when the stop begins, closed when it has ended
	err     error         // of the stop; valid when stopped is closed
}

type step struct {
	name string
	stop func(ctx context.Context) error
}

// Add notes a step; the last one added is the first to run. When Stop has begun already the step runs at once: a start that
// lost the race against a stop must not leave anything running.
func (l *Lifecycle) Add(name string, stop func(ctx context.Context) error) {
	l.mu.Lock()
	late := l.stopped != nil
	if !late {
		l.steps = append(l.steps, step{name, stop})
	}
	l.mu.Unlock()
	if late {
		ctx, cancel := context.WithTimeout(context.Background(), abandonAfter)
		defer cancel()
		_ = step{name, stop}.run(ctx) // whoever asked for the stop has its answer, or gets it without us
	}
}

// Stop runs the steps once, in reverse, all under the one deadline of ctx. A step that fails does not keep the others from
// running, nor does one that does not look at its deadline: it is left behind and named in the error, and what remains is still
// run, with a moment each. A second Stop waits for the first and returns the same error.
func (l *Lifecycle) Stop(ctx context.Context) error {
	l.mu.Lock()
	if stopped := l.stopped; stopped != nil {
		l.mu.Unlock()
		<-stopped
		return l.err
	}
	l.stopped = make(chan struct{})
	steps := l.steps
	l.mu.Unlock()
	defer close(l.stopped)
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		errs = append(errs, steps[i].run(ctx))
	}
	l.err = errors.Join(errs...)
	return l.err
}

// run runs the step and returns by the deadline, whatever the step does.
func (s step) run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				ended <- &PanicError{Value: v}
			}
		}()
		ended <- s.stop(ctx)
	}()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		timer := time.NewTimer(abandonAfter)
		defer timer.Stop()
		select {
		case err = <-ended:
		case <-timer.C:
			err = fmt.Errorf("it did not end in time: %w", ctx.Err())
		}
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}
