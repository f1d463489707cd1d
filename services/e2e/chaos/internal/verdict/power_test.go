package verdict

import (
	"slices"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestWitnessesOfPowerCuts(t *testing.T) {
	for name, c := range map[string]struct {
		acked, kept int
		wrong       bool
	}{
		"find all that was acknowledged":             {40, 40, false},
		"miss a single write":                        {40, 39, true},
		"say nothing where nothing was acknowledged": {0, 0, false},
		"miss everything, for the server began anew": {40, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			run := sample()
			run.Timeline = append(run.Timeline, history.Event{At: 900, What: "witness", Fault: "f09", Kind: history.PowerCut, Target: "nats", Acked: c.acked, Kept: c.kept})
			v := judged(t, run)
			found := slices.ContainsFunc(v.Findings, func(f history.Finding) bool { return f.Invariant == "I5" && f.Name == lost })
			if found != c.wrong || v.OK == c.wrong || v.Checked["witnessed:nats"] != c.acked {
				t.Errorf("%+v, %v", v.Findings, v.Checked)
			}
		})
	}
}

func TestABrokerThatIsToldToForget(t *testing.T) {
	t.Run("leaves letters that their reader never saw, and the run is judged all the same", func(t *testing.T) {
		run := sample()
		run.Final.Left = append(run.Final.Left, "never-seen")
		if _, err := Of(run); err == nil {
			t.Fatal("a run whose reader of letters was blind is judged")
		}
		run.Plan.Unsafe = "nats"
		if _, err := Of(run); err != nil {
			t.Error(err)
		}
	})
}
