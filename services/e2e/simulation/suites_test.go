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

// org is a script of the org as a fault that begins with the load.
func org(kind, script string) trial.Fault {
	return trial.Fault{ID: kind, Kind: trial.Org, Target: "org", OrgKind: kind, Script: []byte(script)}
}

// suite plays a world of every operation with some faults, wants the judge to find nothing and the org's rules to have struck, and gives the run.
func suite(t *testing.T, o world.Options) (run *trial.All) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		if o.Pipelines == nil {
			o.Pipelines = everyOperation
		}
		o.Plan.Version, o.Plan.Seed = 1, 51
		if o.Plan.Records == 0 {
			o.Plan.Records = trial.RecordsFor(60, o.Pipelines...)
		}
		w := world.Open(t, o)
		w.Start()
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Storm()
		}()
		w.Publish()
		<-done
		for range 60 { // as long as there is something to strike
			if moving, err := w.Moving(); err == nil && len(moving) == 0 {
				break
			}
			time.Sleep(time.Second)
		}
		struck := hits(t, w)
		for _, f := range o.Plan.Faults {
			if f.OrgKind != "" && struck[f.OrgKind] == 0 {
				t.Errorf("the org's %s never struck: %v", f.OrgKind, struck)
			}
		}
		w.Heal()
		w.Calm(6 * time.Hour)
		run = judge(t, w, "I17") // a slow org costs more looks
		for _, e := range run.Timeline {
			if e.What == "fault" && !e.Done {
				t.Errorf("fault %s was not done: %s", e.Fault, e.Text)
			}
		}
		if len(run.Landed) == 0 {
			t.Error("nothing landed")
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return run
}

// TestSuitePartialFailure: a part of the rows, or of a job, lands, and another does not.
func TestSuitePartialFailure(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, tc := range []struct{ name, kind, script string }{
		{"rows that a rule of the org refuses", "row_error", `[{"match":{"fraction":0.3,"seed":1},"times":0,"effect":{"kind":"row_error","error":"FIELD_CUSTOM_VALIDATION_EXCEPTION:not on a Sunday:A__c--"}}]`},
		{"rows that are locked at first", "row_error", lockedOften},
		{"an error that nobody knows", "row_error", `[{"match":{"fraction":0.2,"seed":1},"times":0,"effect":{"kind":"row_error","error":"SOMETHING_NEW:nobody knows it:--"}}]`},
		{"jobs that fail in their middle", "job_fail", `[{"times":4,"effect":{"kind":"job_fail","rows":2,"message":"InternalServerError : it broke"}}]`},
		{"jobs that are aborted in their middle", "job_abort", `[{"times":4,"effect":{"kind":"job_abort","rows":2}}]`},
		{"jobs that vanish in their middle", "job_vanish", `[{"times":3,"effect":{"kind":"job_vanish","rows":2}}]`},
		{"rows that stand in no result file", "lose_rows", `[{"match":{"fraction":0.2,"seed":3},"times":20,"effect":{"kind":"lose_rows"}}]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			suite(t, world.Options{Plan: trial.Plan{FaultsFor: 3000, Faults: []trial.Fault{org(tc.kind, tc.script)}}})
		})
	}
}

// TestSuiteSlowDownstream: the org answers late, works slowly, or stands still for a while. Nobody gives anything up, and publishers notice nothing.
func TestSuiteSlowDownstream(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	slow := func(o world.Options, faults ...trial.Fault) world.Options {
		o.Plan.FaultsFor, o.Plan.Faults = 5000, faults
		return o
	}
	for _, tc := range []struct {
		name string
		o    world.Options
	}{
		{"every call takes eight seconds", slow(world.Options{}, org("latency", `[{"times":0,"effect":{"kind":"latency","duration":"8s"}}]`))},
		{"answers come after the effect, behind the caller's patience", slow(world.Options{}, org("latency", `[{"match":{"fraction":0.2,"seed":2},"times":40,"effect":{"kind":"latency","when":"after","duration":"70s"}}]`))},
		{"a row a second is worked on", slow(world.Options{Plan: trial.Plan{RowsPerSecond: 1}})},
		{"jobs wait for a quarter of an hour", slow(world.Options{QueueDelay: 15 * time.Minute, LongWaits: true, Lease: 15 * time.Second, Sweep: 30 * time.Second, Instances: 1, Plan: trial.Plan{Records: trial.RecordsFor(20, everyOperation...)}})},
		{"result files come at fifty bytes a second", slow(world.Options{}, org("slow", `[{"match":{"endpoint":"success"},"times":0,"effect":{"kind":"slow","bytes_per_second":50}}]`))},
		{"jobs stand still for ten minutes", slow(world.Options{}, org("job_stall", `[{"times":4,"effect":{"kind":"job_stall","rows":1,"duration":"10m"}}]`))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run := suite(t, tc.o)
			for _, p := range run.Published {
				if p.Answer == trial.Failed {
					t.Errorf("the broker refused %s: %s", p.Message, p.Refused)
				}
			}
		})
	}
}

// TestSuiteNetworkFaults: each edge of each service is cut or slow while it is in use, and the org's answers are lost or come in halves.
func TestSuiteNetworkFaults(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, kind := range []trial.FaultKind{trial.Cut, trial.Delay} {
		for _, edge := range []string{"postgres", "nats", "org"} {
			t.Run(fmt.Sprintf("%s of every service's edge to %s", kind, edge), func(t *testing.T) {
				o := world.Options{Plan: trial.Plan{FaultsFor: 7000, Faults: []trial.Fault{lockedOnce(0)}}}
				for i, service := range world.Services() {
					o.Plan.Faults = append(o.Plan.Faults, trial.Fault{
						ID: service, At: 500 + 1000*float64(i), Kind: kind, Target: service + ">" + edge, For: 1500,
					})
				}
				suite(t, o)
			})
		}
	}
	for _, tc := range []struct{ name, kind, script string }{
		{"answers are lost when all is done", "drop_after", `[{"match":{"fraction":0.3,"seed":4},"times":40,"effect":{"kind":"drop_after"}}]`},
		{"connections are cut before anything happens", "drop_before", `[{"match":{"fraction":0.3,"seed":5},"times":40,"effect":{"kind":"drop_before"}}]`},
		{"uploads are cut in their middle", "drop_mid", `[{"match":{"endpoint":"upload"},"times":8,"effect":{"kind":"drop_mid","bytes":40}}]`},
		{"half of an answer arrives", "half_reply", `[{"match":{"fraction":0.3,"seed":6},"times":40,"effect":{"kind":"half_reply","bytes":30}}]`},
		{"result files end too early as if they were whole", "truncate", `[{"match":{"endpoint":"success"},"times":8,"effect":{"kind":"truncate","bytes":60}}]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			suite(t, world.Options{Plan: trial.Plan{FaultsFor: 3000, Faults: []trial.Fault{org(tc.kind, tc.script)}}})
		})
	}
}
