package simulation_test

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/fault"
	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// TestCallsOfProcessesThatStoodStill holds a process that has written down a call of collections and has not made it: until another one has called for the
// same rows, the chunk has its outcome, and newer versions of the rows have landed. What it sends when it goes on would put the older ones back.
func TestCallsOfProcessesThatStoodStill(t *testing.T) {
	if !fault.Enabled {
		return // the points are there in a build with the tag `fault` alone: `make simulate` makes it
	}
	for _, pipelines := range [][]string{{"labels"}, {"levels"}, {"dated", "prices"}} {
		for n := 1; n <= 6; n++ {
			t.Run(fmt.Sprintf("call %d of %s", n, pipelines[0]), func(t *testing.T) {
				const point = "submitter.collect.before_call"
				bubble.Test(t, func(t *testing.T) {
					_, w := judged(t, world.Options{Pipelines: pipelines, Linger: 15 * time.Second, Sweep: time.Second, Plan: trial.Plan{
						Version: 1, Seed: uint64(n), Records: trial.RecordsFor(300, pipelines...), FaultsFor: 12_000, RowsPerSecond: -1,
						Faults: []trial.Fault{{
							ID: "p1", Kind: trial.PausePoint, Target: "submitter", Point: fmt.Sprintf("%s@%d", point, n), For: trial.Standstill(point),
						}},
					}})
					for _, f := range w.Unstruck() {
						t.Errorf("nobody stood still at %s", f.Point)
					}
				})
			})
		}
	}
}
