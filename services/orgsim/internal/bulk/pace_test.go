package bulk

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/services/orgsim/internal/settings"
)

// paced is settings at a speed and a width.
func paced(t *testing.T, perSecond, width int) *settings.Store {
	t.Helper()
	s := settings.Default()
	s.RowsPerSecond, s.ParallelBatches = perSecond, width
	set, err := settings.NewStore(s)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func merge(t *testing.T, set *settings.Store, text string) {
	t.Helper()
	if _, err := set.Merge([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestPacer(t *testing.T) {
	// line lets three callers of 200 rows wait and returns when each was done; then is called once all of them wait.
	line := func(t *testing.T, set *settings.Store, then func(leave []context.CancelFunc)) []time.Duration {
		p, begun := newPacer(), time.Now()
		done := make([]time.Duration, 3)
		var leave []context.CancelFunc
		var all sync.WaitGroup
		for i := range done {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			leave = append(leave, cancel)
			all.Go(func() {
				if err := p.wait(ctx, 200, set); err == nil {
					done[i] = time.Since(begun)
				}
			})
			synctest.Wait() // they come one after the other
		}
		if then != nil {
			then(leave)
		}
		all.Wait()
		return done
	}
	const second = time.Second
	for _, tc := range []struct {
		name string
		then func(*testing.T, *settings.Store, []context.CancelFunc)
		want []time.Duration
	}{
		{"callers take turns at the speed of the settings", nil, []time.Duration{second, 2 * second, 3 * second}},
		{"a new speed holds from the moment on at which it is set", func(t *testing.T, set *settings.Store, _ []context.CancelFunc) {
			time.Sleep(second / 2)
			merge(t, set, `{"rows_per_second": 1000}`)
		}, []time.Duration{600 * time.Millisecond, 800 * time.Millisecond, second}},
		{"no limit lets all of them go on", func(t *testing.T, set *settings.Store, _ []context.CancelFunc) {
			time.Sleep(second / 2)
			merge(t, set, `{"rows_per_second": 0}`)
		}, []time.Duration{second / 2, second / 2, second / 2}},
		{"who gives up leaves its time to the others", func(_ *testing.T, _ *settings.Store, leave []context.CancelFunc) {
			time.Sleep(second / 2)
			leave[0]()
			leave[1]()
		}, []time.Duration{0, 0, 3 * second / 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := paced(t, 200, 5)
				got := line(t, set, func(leave []context.CancelFunc) {
					if tc.then != nil {
						tc.then(t, set, leave)
					}
				})
				if fmt.Sprint(got) != fmt.Sprint(tc.want) {
					t.Errorf("done after %v, want %v", got, tc.want)
				}
			})
		})
	}
	t.Run("a pause of the callers does not let them catch up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, set := newPacer(), paced(t, 200, 5)
			for range 2 {
				begun := time.Now()
				if err := p.wait(t.Context(), 200, set); err != nil || time.Since(begun) != second {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
				time.Sleep(time.Hour)
			}
		})
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := paced(t, 0, 1)
		var g gate
		in := make(chan error, 4)
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			go func() { in <- g.enter(ctx, set) }()
		}
		count := func() int {
			synctest.Wait()
			return len(in)
		}
		if n := count(); n != 1 {
			t.Errorf("%d are in", n)
		}
		merge(t, set, `{"parallel_batches": 2}`)
		if n := count(); n != 2 {
			t.Errorf("%d are in though there is room for two", n)
		}
		g.leave()
		if n := count(); n != 3 {
			t.Errorf("%d are in after one has left", n)
		}
		go func() { in <- g.enter(ctx, set) }()
		if n := count(); n != 3 {
			t.Errorf("%d were let in", n)
		}
		cancel()
		if n := count(); n != 4 {
			t.Error("it goes on waiting")
		}
	})
}
