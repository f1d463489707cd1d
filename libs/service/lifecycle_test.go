package service

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLifecycleDeadline(t *testing.T) {
	t.Parallel()
	t.Run("a step that ignores the deadline is left behind, named, and the rest still runs", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var l Lifecycle
			closed, release := false, make(chan struct{})
			l.Add("pool", func(context.Context) error { closed = true; return nil })
			l.Add("stuck", func(context.Context) error { <-release; return nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			err := l.Stop(ctx)
			if took := time.Since(began); took != time.Minute+abandonAfter || !closed {
				t.Errorf("took %v, the pool is closed: %v", took, closed)
			}
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop stuck") {
				t.Errorf("got %v", err)
			}
			close(release)
		})
	})
	t.Run("two stops at the same time run every step once and hear the same", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var l Lifecycle
			var runs atomic.Int32
			no := errors.New("no")
			l.Add("slow", func(context.Context) error { time.Sleep(time.Second); runs.Add(1); return no })
			answers := make(chan error, 2)
			for range 2 {
				go func() { answers <- l.Stop(t.Context()) }()
			}
			if first, second := <-answers, <-answers; !errors.Is(first, no) || !errors.Is(second, no) || runs.Load() != 1 {
				t.Errorf("%v, %v, %d runs", first, second, runs.Load())
			}
		})
	})
	t.Run("what is added after the stop has begun is stopped at once", func(t *testing.T) {
		t.Parallel()
		var l Lifecycle
		if err := l.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		stopped := false
		l.Add("late", func(context.Context) error { stopped = true; return nil })
		if !stopped {
			t.Error("it is left running")
		}
	})
	t.Run("a step that panics is an error, and the rest still runs", func(t *testing.T) {
		t.Parallel()
		var l Lifecycle
		closed := false
		l.Add("pool", func(context.Context) error { closed = true; return nil })
		l.Add("bad", func(context.Context) error { panic("bug") })
		var p *PanicError
		if err := l.Stop(t.Context()); !errors.As(err, &p) || !closed {
			t.Errorf("%v, closed %v", err, closed)
		}
	})
}
