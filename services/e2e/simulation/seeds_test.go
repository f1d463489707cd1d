package simulation_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// bound is the virtual time in which everything must come to rest when all faults are over.
const bound = 3 * time.Minute

// TestSeeds plays worlds from their seeds. BULKHEAD_SIMULATION_SEEDS is how many, BULKHEAD_SIMULATION_SEED the first, BULKHEAD_SIMULATION_STEP how far it is from
// one to the next.
func TestSeeds(t *testing.T) {
	seeds, first, step := number(t, "BULKHEAD_SIMULATION_SEEDS", 100), number(t, "BULKHEAD_SIMULATION_SEED", 1), number(t, "BULKHEAD_SIMULATION_STEP", 1)
	if os.Getenv(inPart) == "" && seeds >= manySeeds {
		inParts(t, first, seeds, step)
		return
	}
	began := time.Now()
	for n := range seeds {
		seed := first + n*step
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) { judged(t, world.Draw(uint64(seed))) })
			if t.Failed() {
				t.Logf("to repeat it: BULKHEAD_SIMULATION_SEED=%d BULKHEAD_SIMULATION_SEEDS=1 go test ./services/e2e/simulation -run TestSeeds", seed)
			}
		})
	}
	t.Logf("%d seeds from %d, %.0f ms each", seeds, first, float64(time.Since(began).Milliseconds())/float64(max(seeds, 1)))
}

const (
	// manySeeds is how many are worth a process for each processor: one process plays them on one, see TestMain.
	manySeeds = 100
	// inPart says that the process is such a one.
	inPart = "BULKHEAD_SIMULATION_IN_PART"
)

// inParts has the seeds played by as many processes as there are processors.
func inParts(t *testing.T, first, seeds, step int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parts := min(runtime.NumCPU(), seeds)
	for n := range parts {
		from, to := n*seeds/parts, (n+1)*seeds/parts
		t.Run(fmt.Sprintf("seeds %d to %d", first+from*step, first+(to-1)*step), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSeeds$", "-test.v="+strconv.FormatBool(testing.Verbose()), "-test.timeout=60m")
			cmd.Env = append(os.Environ(), inPart+"=1", fmt.Sprintf("BULKHEAD_SIMULATION_SEED=%d", first+from*step), fmt.Sprintf("BULKHEAD_SIMULATION_SEEDS=%d", to-from))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			} else if testing.Verbose() {
				t.Logf("%s", out)
			}
		})
	}
}

// judged plays a world and wants the judge to find nothing.
func judged(t *testing.T, o world.Options) (trial.Verdict, *world.World) {
	t.Helper()
	tidy()
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
