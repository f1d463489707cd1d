package service

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTuneCollector(t *testing.T) {
	percent, limit := debug.SetGCPercent(77), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	for _, c := range []struct {
		name, env   string
		floor       int64
		wantPercent int
		wantLimit   int64
	}{
		{"a process of services has the heap grow by half", "", 0, gcPercent, math.MaxInt64},
		{"what the environment says of the heap holds", "GOGC", 0, 77, math.MaxInt64},
		{"what it says of memory holds", "GOMEMLIMIT", 0, 77, math.MaxInt64},
		{"a floor holds neither against the one", "GOGC", 1 << 40, 77, math.MaxInt64},
		{"nor against the other", "GOMEMLIMIT", 1 << 40, 77, math.MaxInt64},
		{"up to a floor the heap may grow by more", "", 1 << 40, gcPercentBelow, 1 << 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
				t.Setenv(name, "99") // so that it is put back
				if name != c.env {
					if err := os.Unsetenv(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			debug.SetGCPercent(77)
			debug.SetMemoryLimit(math.MaxInt64)
			TuneCollector(c.floor)
			if got := debug.SetGCPercent(77); got != c.wantPercent {
				t.Errorf("it grows by %d, and should by %d", got, c.wantPercent)
			}
			if got := debug.SetMemoryLimit(-1); got != c.wantLimit {
				t.Errorf("it may take %d, and should %d", got, c.wantLimit)
			}
		})
	}
	t.Run("behind a run of the collector the limit fits what is alive", func(t *testing.T) {
		watchCollector(1 << 41) // far above what any test holds
		for end := time.Now().Add(time.Minute); debug.SetMemoryLimit(-1) != 1<<41; runtime.Gosched() {
			if runtime.GC(); time.Now().After(end) {
				t.Fatalf("it is still %d", debug.SetMemoryLimit(-1))
			}
		}
	})
}

func TestLimitFor(t *testing.T) {
	const mega = 1 << 20
	for _, c := range []struct {
		name              string
		live, floor, want int64
	}{
		{"a small heap may take the floor", 40 * mega, 200 * mega, 200 * mega},
		{"so may one of which nothing is known", 0, 200 * mega, 200 * mega},
		{"a heap that needs the floor may grow by half", 400 * mega, 200 * mega, 600*mega + besideHeap},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := limitFor(c.live, c.floor); got != c.want {
				t.Errorf("it may take %d, and should %d", got, c.want)
			}
		})
	}
}
