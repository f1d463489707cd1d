//go:build !race

package simulation_test

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// Days are played with the waits of production, and one instance of each service: what they show does not lie in who is first.
func days(o world.Options) world.Options {
	o.LongWaits, o.Instances, o.Lease, o.Sweep = true, 1, 15*time.Second, 30*time.Second
	o.Plan.Version = 1
	return o
}

// lasting gives the load so much time to be published.
func lasting(d time.Duration) float64 { return float64(d / time.Millisecond) }

// judge wants the judge to find nothing in a run. except are invariants whose bounds are made for runs of seconds: what stands in their place is tested there.
func judge(t *testing.T, w *world.World, except ...string) *trial.All {
	t.Helper()
	run, err := w.Collect()
	if err != nil {
		t.Fatal(err)
	}
	v, err := trial.Judge(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Findings {
		if slices.Contains(except, f.Invariant) {
			t.Logf("in days: %+v", f)
			continue
		}
		t.Errorf("%+v", f)
	}
	return run
}

// fates is what became of every record, by pipeline and key: landed, or what the API calls it.
func fates(run *trial.All) map[string]string {
	out := map[string]string{}
	for _, l := range run.Landed {
		out[l.Pipeline+" "+l.Key] = "landed"
	}
	for _, r := range run.Final.Records {
		out[r.Pipeline+" "+r.Key] = r.State
	}
	return out
}

// dead are the records with an open letter.
func dead(run *trial.All) []string {
	var out []string
	for _, l := range run.Final.Open {
		out = append(out, l.Pipeline+" "+l.Key)
	}
	slices.Sort(out)
	return out
}

// callsIn counts the requests of a part of the run.
func callsIn(run *trial.All, from, to time.Duration) int {
	n := 0
	for _, c := range run.Calls {
		if at := time.Duration(c.At * float64(time.Millisecond)); at >= from && at < to {
			n++
		}
	}
	return n
}

// TestOutage is of an org that has work of every kind all the time. Package days plays outages with little work, and short ones.
func TestOutage(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	const whole, from, lasts = 50 * time.Minute, 10 * time.Minute, 30 * time.Minute
	play := func(faults ...trial.Fault) (run *trial.All) {
		bubble.Test(t, func(t *testing.T) {
			mix := []string{"parts", "orders"}
			w := world.Open(t, days(world.Options{
				Pipelines: mix, Plan: trial.Plan{Seed: 5, Records: trial.RecordsFor(4500, mix...), FaultsFor: lasting(whole), Faults: faults},
			}))
			w.Start()
			go w.Storm()
			w.Publish()
			w.Heal()
			w.Calm(3 * time.Hour)
			run = judge(t, w, "I17") // the rate of all calls is compared with that of health
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		return run
	}
	t.Run("of thirty minutes costs at most 1.1 times the healthy rate of calls, and no dead letter", func(t *testing.T) {
		healthy := play()
		script := fmt.Sprintf(`[{"match":{"for":"%s"},"effect":{"kind":"org_down","format":"json"}}]`, lasts)
		broken := play(trial.Fault{ID: "outage", At: lasting(from), Kind: trial.Org, Target: "org", OrgKind: "org_down", Script: []byte(script)})
		was, is := callsIn(healthy, from, from+lasts), callsIn(broken, from, from+lasts)
		t.Logf("%d calls in thirty minutes of health, %d in those of the outage", was, is)
		if float64(is) > 1.1*float64(was) || is == 0 {
			t.Errorf("%d calls in the outage, %d in as much time of health", is, was)
		}
		if a, b := dead(healthy), dead(broken); !slices.Equal(a, b) {
			t.Errorf("dead letters: %v without and %v with an outage", a, b)
		}
		if a, b := fates(healthy), fates(broken); len(a) != len(b) {
			t.Errorf("%d records without and %d with an outage", len(a), len(b))
		}
	})
}

func TestRetention(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	t.Run("results that nobody fetched for eight days are not there: what has a key is sent again or looked up, the rest is unresolved, nothing lands twice", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			mix := []string{"parts", "orders", "visits", "phones", "removals"}
			w := world.Open(t, days(world.Options{
				Pipelines: mix, Absent: []string{"poller"},
				Plan: trial.Plan{Seed: 8, Records: trial.RecordsFor(80, mix...), FaultsFor: 4000},
			}))
			w.Start()
			w.Publish()
			time.Sleep(10 * time.Minute)
			jobs, err := w.Jobs()
			if err != nil || len(jobs) == 0 {
				t.Fatalf("%d jobs: %v", len(jobs), err)
			}
			// Looking for work for days shows nothing that an hour of it does not.
			others := slices.DeleteFunc(world.Services(), func(s string) bool { return s == "poller" })
			w.Down(others...)
			time.Sleep(8 * 24 * time.Hour)
			w.Up(world.Services()...)
			w.Calm(3 * time.Hour)
			run := judge(t, w)
			of := map[string]map[string]int{}
			for key, fate := range fates(run) {
				pipeline, _, _ := strings.Cut(key, " ")
				if of[pipeline] == nil {
					of[pipeline] = map[string]int{}
				}
				of[pipeline][fate]++
			}
			t.Log(of)
			for _, p := range mix {
				if p == "visits" {
					if of[p]["unresolved"] == 0 { // what its lane held back was sent later, and landed
						t.Errorf("visits, which nothing tells apart: %v", of[p])
					}
					continue
				}
				if of[p]["unresolved"] > 0 || of[p]["landed"] == 0 {
					t.Errorf("%s: %v", p, of[p])
				}
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestExpiry(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	t.Run("sessions that end after two hours are renewed, and nothing dies of it", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			mix := []string{"parts", "orders"}
			w := world.Open(t, days(world.Options{
				Pipelines: mix, Plan: trial.Plan{Seed: 9, Records: trial.RecordsFor(60, mix...), FaultsFor: lasting(5 * time.Hour)},
			}))
			w.Start()
			w.Publish()
			w.Calm(time.Hour)
			run := judge(t, w)
			tokens := 0
			for _, c := range run.Calls {
				if c.Endpoint == "token" {
					tokens++
				}
			}
			if t.Logf("%d sessions", tokens); tokens < 2*3 {
				t.Errorf("%d sessions in five hours", tokens)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestSkew(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	play := func(t *testing.T, skew map[string]time.Duration) (run *trial.All) {
		bubble.Test(t, func(t *testing.T) {
			mix := []string{"parts", "orders", "phones"}
			o := world.Options{Pipelines: mix, Skew: skew, Plan: trial.Plan{Version: 1, Seed: 11, Records: trial.RecordsFor(60, mix...), FaultsFor: 3000}}
			w := world.Open(t, o)
			var err error
			if run, err = w.Play(8 * time.Hour); err != nil {
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
		})
		return run
	}
	right := fates(play(t, nil))
	for _, service := range world.Services() {
		for name, by := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour} {
			t.Run(fmt.Sprintf("a clock of %s that is %s changes no outcome", service, name), func(t *testing.T) {
				if got := fates(play(t, map[string]time.Duration{service: by})); !maps.Equal(got, right) {
					for key, fate := range got {
						if right[key] != fate {
							t.Errorf("%s: %s, by the right clock %s", key, fate, right[key])
						}
					}
				}
			})
		}
	}
}
