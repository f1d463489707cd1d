//go:build !race

package simulation_test

import (
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// hits are how often the org's rules have struck, by their effect.
func hits(t *testing.T, w *world.World) map[string]int {
	t.Helper()
	var rules []struct {
		Effect struct {
			Kind string `json:"kind"`
		} `json:"effect"`
		Hits int `json:"hits"`
	}
	if err := w.Get(w.Org(), "/sim/faults", &rules); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, r := range rules {
		out[r.Effect.Kind] += r.Hits
	}
	return out
}

// TestHalfOfTheRetriesTimeOut: some rows are locked when they are sent first. When they are sent again half of the calls that make, fill and close their jobs
// are done by the org, which says so after the client has given up, and half of the looks at them as well.
func TestHalfOfTheRetriesTimeOut(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, op := range operations {
		t.Run("lands every "+op.name+" once", func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				const first = 30 * time.Second // by then everything was sent for the first time, and the org has not begun to work on it
				w := world.Open(t, days(world.Options{Pipelines: op.pipelines, QueueDelay: time.Minute, Plan: trial.Plan{
					Seed: 31, Records: trial.RecordsFor(60, op.pipelines...), FaultsFor: 5000, Faults: []trial.Fault{lockedOnce(0)},
				}}))
				w.Start()
				w.Storm()
				w.Publish()
				time.Sleep(first - time.Duration(w.Since()*float64(time.Millisecond)))
				// A call is given up after a minute, an upload after ten.
				for n, late := range []struct{ endpoint, by string }{{"create", "90s"}, {"upload", "11m"}, {"close", "90s"}, {"info", "90s"}} {
					script := fmt.Sprintf(`[{"match":{"endpoint":%q,"fraction":0.5,"seed":%d,"for":"50m"},"effect":{"kind":"latency","when":"after","duration":%q}}]`, late.endpoint, n, late.by)
					if status, answer, err := w.Ask("POST", w.Org(), "/sim/faults", []byte(script)); err != nil || status >= 300 {
						t.Fatalf("%d %s %v", status, answer, err)
					}
				}
				time.Sleep(time.Hour)
				if struck := hits(t, w); struck["latency"] < 4 || struck["row_error"] == 0 {
					t.Errorf("the org was hardly late: %v", struck)
				}
				w.Heal()
				w.Calm(6 * time.Hour)
				run := judge(t, w, "I17") // calls that are answered late cost more of them
				if n := len(run.Landed); n == 0 {
					t.Error("nothing landed")
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAJobOfThreeHours: nobody gives a job up because it takes long.
func TestAJobOfThreeHours(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	const queued = 3 * time.Hour
	t.Run("is looked at until it has ended, and is reconciled", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			mix := []string{"parts", "visits"} // what finds its row by a key, and what nothing tells apart
			o := days(world.Options{Pipelines: mix, QueueDelay: queued, Plan: trial.Plan{Seed: 41, Records: trial.RecordsFor(20, mix...), FaultsFor: 2000}})
			o.Sweep = 10 * time.Minute // looking for what nobody told of shows nothing here
			w := world.Open(t, o)
			w.Start()
			w.Publish()
			w.Heal()
			w.Calm(20 * time.Hour) // some jobs wait for others in their lane
			run := judge(t, w)
			looks := map[string]int{}
			for _, c := range run.Calls {
				if c.Endpoint == "info" {
					looks[c.Job]++
				}
			}
			ended := 0
			for _, j := range run.Jobs {
				if j.Closed == 0 {
					continue
				}
				ended++
				if took := time.Duration((j.Ended - j.Closed) * float64(time.Millisecond)); took < queued-time.Second || j.State != "JobComplete" {
					t.Errorf("job %s is %s after %s", j.ID, j.State, took)
				}
				// Looks are minutes apart when a job takes that long.
				if n := looks[j.ID]; n == 0 || n > 200 {
					t.Errorf("job %s was looked at %d times", j.ID, n)
				}
			}
			if ended == 0 || len(run.Landed) == 0 {
				t.Errorf("%d jobs ended, %d records landed", ended, len(run.Landed))
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}
