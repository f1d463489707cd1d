package simulation_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// bound is the virtual time in which everything must come to rest when all faults are over.
const bound = 3 * time.Minute

// TestSeeds plays worlds from their seeds. BULKHEAD_SIMULATION_SEEDS is how many, BULKHEAD_SIMULATION_SEED the first.
func TestSeeds(t *testing.T) {
	seeds, first := number(t, "BULKHEAD_SIMULATION_SEEDS", 100), number(t, "BULKHEAD_SIMULATION_SEED", 1)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a world is thrown away after a moment
	began := time.Now()
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) { judged(t, world.Draw(uint64(seed))) })
			if t.Failed() {
				t.Logf("to repeat it: BULKHEAD_SIMULATION_SEED=%d BULKHEAD_SIMULATION_SEEDS=1 go test ./services/e2e/simulation -run TestSeeds", seed)
			}
		})
	}
	t.Logf("%d seeds from %d, %.0f ms each", seeds, first, float64(time.Since(began).Milliseconds())/float64(max(seeds, 1)))
}

// judged plays a world and wants the judge to find nothing.
func judged(t *testing.T, o world.Options) (trial.Verdict, *world.World) {
	t.Helper()
	if os.Getenv("BULKHEAD_SIMULATION_LOG") != "" {
		o.Log = logger(t)
	}
	w := world.Open(t, o)
	run, err := w.Play(bound)
	if err != nil {
		t.Fatal(err)
	}
	v, err := trial.Judge(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Findings {
		t.Errorf("%+v", f)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if t.Failed() || os.Getenv("BULKHEAD_SIMULATION_LOG") != "" {
		for _, f := range run.Plan.Faults {
			t.Logf("fault %s %s %s %s at %.0f ms for %.0f ms %s%s %s", f.ID, f.Kind, f.Target, f.Point, f.At, f.For, f.Stream, f.OrgKind, f.Script)
		}
		for _, e := range run.Timeline {
			t.Logf("%9.3f %-8s %s %s %s %s done=%v", e.At, e.What, e.Fault, e.Target, e.Point, e.Text, e.Done)
		}
	}
	return v, w
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is not a number from 1", name, text)
	}
	return n
}
