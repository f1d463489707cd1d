package power

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/inject"
)

func TestPlans(t *testing.T) {
	t.Run("have as many cuts as there are rounds, can be carried out, and are the same for the same seed", rapid.MakeCheck(func(t *rapid.T) {
		first, rounds := rapid.Uint64Range(0, 1<<40).Draw(t, "first"), rapid.IntRange(1, 60).Draw(t, "rounds")
		plans := Plans(first, rounds, history.CutTargets(), "")
		if !reflect.DeepEqual(plans, Plans(first, rounds, history.CutTargets(), "")) {
			t.Fatal("the second time they are others")
		}
		cuts, seeds := 0, map[uint64]bool{}
		for _, p := range plans {
			if err := inject.Check(p); err != nil {
				t.Fatal(err)
			}
			if !p.CutsPower() || seeds[p.Seed] {
				t.Fatalf("%+v", p)
			}
			seeds[p.Seed] = true
			cuts += len(p.Faults)
			for i, f := range p.Faults {
				if f.At < firstCut || f.At > p.FaultsFor {
					t.Fatalf("a cut at %.0f of %.0f ms", f.At, p.FaultsFor)
				}
				if i > 0 && f.At-p.Faults[i-1].At < apart-jitter {
					t.Fatalf("%.0f ms from one cut to the next", f.At-p.Faults[i-1].At)
				}
			}
		}
		if cuts != rounds {
			t.Fatalf("%d cuts, want %d", cuts, rounds)
		}
	}))
	t.Run("deal who loses power evenly, across runs too", func(t *testing.T) {
		by := map[string]int{}
		for _, p := range Plans(7, 52, history.CutTargets(), "") {
			for _, f := range p.Faults {
				by[f.Target]++
			}
		}
		for _, target := range history.CutTargets() {
			if by[target] != 13 {
				t.Errorf("%s: %d of 52 cuts, want 13", target, by[target])
			}
		}
	})
	t.Run("name whoever is unsafe, so that a kept plan is as unsafe again", func(t *testing.T) {
		for _, p := range Plans(1, 12, []string{history.CutNATS}, "nats") {
			if p.Unsafe != "nats" {
				t.Errorf("%+v", p)
			}
		}
	})
}

func TestSum(t *testing.T) {
	t.Run("counts cuts that happened, by who lost power, and what was kept", func(t *testing.T) {
		dir := t.TempDir()
		plan := Plans(1, 3, []string{history.CutMachine}, "")[0]
		timeline, err := history.Create(dir + "/" + history.TimelineFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []history.Event{
			{What: "fault", Kind: history.PowerCut, Fault: "f01", Target: history.CutMachine, Done: true},
			{What: "witness", Kind: history.PowerCut, Fault: "f01", Target: "nats", Acked: 40, Kept: 40},
			{What: "witness", Kind: history.PowerCut, Fault: "f01", Target: "postgres", Acked: 30, Kept: 29},
			{What: "fault", Kind: history.PowerCut, Fault: "f02", Target: history.CutMachine},
		} {
			if err := timeline.Put(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := timeline.Close(); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]any{history.PlanFile: plan, history.VerdictFile: history.Verdict{Checked: map[string]int{"records": 2000}}} {
			if err := history.WriteJSON(dir+"/"+name, value); err != nil {
				t.Fatal(err)
			}
		}
		s := NewSum()
		if err := s.Add(dir); err != nil {
			t.Fatal(err)
		}
		want := "1 of 3 power cuts (machine 1); 2000 records; of what was acknowledged in the moments before them nats kept 40 of 40, postgres kept 29 of 30"
		if got := s.Line(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
	t.Run("a directory without a run is an error", func(t *testing.T) {
		if err := NewSum().Add(t.TempDir()); err == nil {
			t.Error("it was summed up")
		}
	})
}
