package inject

import (
	"os"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/plan"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	t.Run("accepts the plan of every seed", func(t *testing.T) {
		t.Parallel()
		text, err := os.ReadFile("../../points.txt")
		if err != nil {
			t.Fatal(err)
		}
		points, err := plan.ParsePoints(string(text))
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[history.FaultKind]bool{}
		for seed := range uint64(300) {
			p := plan.Draw(seed, points)
			if err := Check(p); err != nil {
				t.Fatal(err)
			}
			for _, f := range p.Faults {
				kinds[f.Kind] = true
			}
		}
		for seed := range uint64(300) {
			if err := Check(plan.DrawCluster(seed, points)); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range plan.Sweep(1, points) {
			if err := Check(p); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range history.FaultKinds() {
			if !kinds[k] {
				t.Errorf("no seed has a %s", k)
			}
		}
	})
	t.Run("knows how to carry out every kind, and power cuts, which are in no seed's plan", func(t *testing.T) {
		t.Parallel()
		for _, k := range slices.Concat(history.FaultKinds(), history.ClusterKinds(), []history.FaultKind{history.PowerCut}) {
			if carriers[k] == nil || len(targets(k, plan.Nodes)) == 0 {
				t.Errorf("%s: carried out %t, targets %v", k, carriers[k] != nil, targets(k, plan.Nodes))
			}
		}
	})
	for name, c := range map[string]struct {
		fault history.Fault
		want  string
	}{
		"refuses a kind that is not known":      {history.Fault{Kind: "melt", Target: "nats"}, "melt"},
		"refuses a target that is not there":    {history.Fault{Kind: history.Kill, Target: "submitter-3"}, "submitter-3"},
		"refuses to end the org":                {history.Fault{Kind: history.Kill, Target: "org"}, "org"},
		"refuses an edge that is not there":     {history.Fault{Kind: history.Cut, Target: "poller-1>org"}, "poller-1>org"},
		"refuses a death at no point":           {history.Fault{Kind: history.KillPoint, Target: "poller-1"}, "crash point"},
		"refuses to delete no stream":           {history.Fault{Kind: history.StreamDelete, Target: "nats"}, "stream"},
		"refuses a script of the org without":   {history.Fault{Kind: history.Org, Target: "org"}, "script"},
		"refuses to cut the power of a service": {history.Fault{Kind: history.PowerCut, Target: "ops-1"}, "ops-1"},
		"refuses a fault of nodes without any":  {history.Fault{Kind: history.NodeEmpty, Target: "nats"}, "cluster"},
		"refuses an edge as target of a pause":  {history.Fault{Kind: history.Pause, Target: "services>org"}, "pause"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := Check(history.Plan{Seed: 5, Faults: []history.Fault{c.fault}}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
		})
	}
	t.Run("refuses two faults of one id", func(t *testing.T) {
		t.Parallel()
		f := history.Fault{ID: "f01", Kind: history.Kill, Target: "nats"}
		if err := Check(history.Plan{Faults: []history.Fault{f, f}}); err == nil || !strings.Contains(err.Error(), "f01") {
			t.Error(err)
		}
	})
	t.Run("the same plan is as bad again", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []history.FaultKind{history.Cut, history.Delay, history.HalfOpen} {
			for seed := range uint64(50) {
				words := func() string {
					f := &fault{Fault: history.Fault{ID: "f03", Kind: kind}, dice: dice(seed, "f03")}
					_, how := f.condition()
					return how
				}
				if one, two := words(), words(); one != two {
					t.Errorf("%s of seed %d: %q, then %q", kind, seed, one, two)
				}
			}
		}
	})
}
