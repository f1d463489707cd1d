package verdict

import (
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestAClusterIsUnsettled(t *testing.T) {
	timeline := []history.Event{
		{At: 1_000, What: "fault", Fault: "f1", Kind: history.Kill, Done: true},
		{At: 20_000, What: "fault", Fault: "f2", Kind: history.LeaderKill, Done: true},
		{At: 30_000, What: "fault_end", Fault: "f2", Kind: history.LeaderKill, Done: true},
		{At: 50_000, What: "fault", Fault: "f3", Kind: history.NodeCut}, // it did not strike
		{At: 60_000, What: "fault_end", Fault: "f3", Kind: history.NodeCut, Done: true},
		{At: 90_000, What: "fault", Fault: "f4", Kind: history.TwoDown, Done: true}, // the run ends before it does
	}
	for name, c := range map[string]struct {
		at   float64
		want bool
	}{
		"not when something else was killed":            {2_000, false},
		"soon before one of its leaders dies":           {20_000 - leadTime, true},
		"not long before":                               {20_000 - leadTime - 1, false},
		"until it is settled again":                     {30_000, true},
		"not from then on":                              {30_001, false},
		"not through a fault that did not strike":       {55_000, false},
		"to the end, through a fault that has no end":   {200_000, true},
		"not before that, long after the one before it": {70_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unsettled(timeline, c.at); got != c.want {
				t.Errorf("at %.0f ms: %t", c.at, got)
			}
		})
	}
}
