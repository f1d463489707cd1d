//go:build !race

package simulation_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/simulation/internal/world"
)

// A seed is played until as many of its runs as same are the same one, and as often as plays at most. Where the machine is busy with something else it takes the processor away
// from a goroutine in the middle of what it does, and then another one may come first.
const plays, same = 6, 4

func TestEqualSeedsAreEqualRuns(t *testing.T) {
	for _, seed := range []uint64{3, 7, 19} {
		t.Run(fmt.Sprintf("of seed %d, down to the time of every call of ledger, broker and org", seed), func(t *testing.T) {
			var seen [][]string // that differ
			var times []int     // each of them was played
			for range plays {
				calls := played(t, seed)
				n := slices.IndexFunc(seen, func(before []string) bool { return slices.Equal(before, calls) })
				if n < 0 {
					n, seen, times = len(seen), append(seen, calls), append(times, 0)
				}
				if times[n]++; times[n] == same {
					return
				}
			}
			for i, calls := range seen[1:] {
				t.Log(parting(seen[0], calls, i+2))
			}
			t.Errorf("of %d runs %v are the same, want %d", plays, times, same)
		})
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Run("from one another, so that to be equal says something", func(t *testing.T) {
		if one, other := played(t, 3), played(t, 13); slices.Equal(one, other) { // of the same pipelines
			t.Error("two seeds are one run")
		}
	})
}

// played are all calls of a seed's run with their times. Those of one moment are told in the order of their words.
func played(t *testing.T, seed uint64) (calls []string) {
	t.Helper()
	tidy()
	bubble.Test(t, func(t *testing.T) {
		o, began := world.Draw(seed), time.Now()
		var mu sync.Mutex
		o.Call = func(service, edge, what string) error {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, fmt.Sprintf("%015d %s %s %s", time.Since(began), service, edge, strings.Join(strings.Fields(what), " ")))
			return nil
		}
		w := world.Open(t, o)
		if _, err := w.Play(bound); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	slices.Sort(calls)
	return calls
}

// parting says where two runs part.
func parting(one, other []string, n int) string {
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			return fmt.Sprintf("run %d parts from the first at call %d of %d:\n%.200s\n%.200s", n, i+1, len(one), one[i], other[i])
		}
	}
	return fmt.Sprintf("run %d has %d calls, the first one %d", n, len(other), len(one))
}
