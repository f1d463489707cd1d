package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counter reads the value of a loop's counter as a scrape would.
func counter(t *testing.T, registry *prometheus.Registry, name, loop string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == loop {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func TestLoopBounds(t *testing.T) {
	t.Parallel()
	t.Run("a pass is ended by its own bound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var took time.Duration
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Hour, Timeout: time.Minute, Pass: func(ctx context.Context) (int, error) {
				began := time.Now()
				<-ctx.Done()
				took = time.Since(began)
				return 0, ctx.Err()
			}})
			time.Sleep(time.Minute)
			synctest.Wait()
			if took != time.Minute {
				t.Errorf("took %v", took)
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("a rest after failures stays below its own bound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			calls := 0
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Hour, MaxRest: time.Second, Pass: func(context.Context) (int, error) {
				calls++
				return 0, errors.New("no")
			}})
			time.Sleep(time.Minute)
			synctest.Wait()
			if calls < 60 || calls > 140 {
				t.Errorf("called %d times in a minute: rests of half a second to a second give 60 to 125", calls)
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("the first rest after a failure may be as long as any", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			calls := 0
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Minute, FirstRest: time.Minute, MaxRest: time.Minute, Pass: func(context.Context) (int, error) {
				calls++
				return 0, errors.New("no")
			}})
			time.Sleep(time.Hour)
			synctest.Wait()
			if calls < 60 || calls > 121 {
				t.Errorf("called %d times in an hour: rests of half a minute to a minute give 60 to 120", calls)
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("a bell does not end the rest after a failure, and is heard after it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			bell := NewBell()
			var calls atomic.Int32
			go RunLoops(ctx, quiet(), Loop{Name: "l", Every: time.Hour, Wake: bell.C(), Pass: func(context.Context) (int, error) {
				if calls.Add(1) == 1 {
					return 0, errors.New("no")
				}
				return 0, nil
			}})
			synctest.Wait()
			for range 10 {
				bell.Ring()
				synctest.Wait()
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("called %d times while it should rest", n)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := calls.Load(); n != 3 {
				t.Errorf("called %d times, want the repeat and one for the bell", n)
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("the same error is logged once, again after five minutes, and its end is told", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var log bytes.Buffer
			env := Env{Logger: slog.New(slog.NewTextHandler(&log, nil)), Registry: prometheus.NewRegistry()}
			var healed atomic.Bool
			go RunLoops(ctx, env, Loop{Name: "l", Every: time.Hour, Pass: func(context.Context) (int, error) {
				if healed.Load() {
					return 0, nil
				}
				return 0, errors.New("no")
			}})
			time.Sleep(sayAgain + time.Minute)
			synctest.Wait()
			healed.Store(true)
			time.Sleep(time.Minute)
			synctest.Wait()
			if failed, again := strings.Count(log.String(), "pass failed"), strings.Count(log.String(), "pass works again"); failed != 2 || again != 1 {
				t.Errorf("%d failures and %d ends in\n%s", failed, again, log.String())
			}
			cancel()
			synctest.Wait()
		})
	})
	t.Run("passes, work, failures and panics are counted by loop", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			env, calls := quiet(), 0
			go RunLoops(ctx, env, Loop{Name: "l", Every: time.Hour, Pass: func(context.Context) (int, error) {
				calls++
				switch calls {
				case 1:
					return 7, nil
				case 2:
					panic("bug")
				}
				return 0, nil
			}})
			time.Sleep(time.Minute)
			synctest.Wait()
			for name, want := range map[string]float64{"passes": 3, "units": 7, "failures": 1, "panics": 1} {
				if got := counter(t, env.Registry, "bulkhead_loop_"+name+"_total", "l"); got != want {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
			cancel()
			synctest.Wait()
		})
	})
}
