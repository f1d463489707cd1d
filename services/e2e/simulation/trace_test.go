package simulation_test

import (
	"runtime"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/simulation/internal/world"
)

// traced plays a seed and gives the calls that were made, with their times.
func traced(t *testing.T, seed uint64) (lines []string) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		w := world.Open(t, world.Draw(seed))
		w.KeepTrace()
		if _, err := w.Play(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		_, _, lines = w.Trace()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return lines
}

// sameCalls is how many calls are the same at least: those before the first wait whose length a service draws by itself.
const sameCalls = 100

func TestTrace(t *testing.T) {
	t.Run("a seed is the same run until a service draws a number of its own", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		for seed := uint64(1); seed <= 3; seed++ {
			a, b := traced(t, seed), traced(t, seed)
			n := 0
			for n < min(len(a), len(b)) && a[n] == b[n] {
				n++
			}
			if t.Logf("seed %d: %d and %d calls, the first %d are the same", seed, len(a), len(b), n); n < sameCalls {
				t.Errorf("seed %d: then %.120q and %.120q", seed, a[n], b[n])
			}
		}
	})
}
