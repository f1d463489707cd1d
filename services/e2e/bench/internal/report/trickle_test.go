package report

import (
	"strings"
	"testing"

	"bulkhead/services/e2e/bench/internal/trial"
)

func TestTrickle(t *testing.T) {
	r := &trial.TrickleResult{
		Records: 6000, PerSecond: 100, Seconds: 60, InOrg: trial.Latency{P50: 0.2, P95: 0.3, P99: 0.4, Max: 0.5},
		Landed: trial.Latency{P50: 1.5, P95: 2, P99: 5.001, Max: 6}, CPU: trial.CPU{Services: 0.1, Broker: 0.02, Postgres: 0.03},
		Calls: trial.Calls{Total: 120, Jobs: 3, By: map[string]int64{"collections": 100}},
	}
	t.Run("says how soon records had landed, and whether that is soon enough", func(t *testing.T) {
		text := Trickle(r)
		for _, want := range []string{"6,000 records, 100 a second", "0.200    0.300    0.400    0.500", "1.5, at most 1.5: held", "5.001, at most 5: NOT HELD", "collections 100"} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q:\n%s", want, text)
			}
		}
	})
	t.Run("is a table on a page", func(t *testing.T) {
		text := TrickleMarkdown("Commit `abc`", r)
		for _, want := range []string{"Commit `abc`. 6,000 records, 100 a second; 120 API calls, 3 jobs, 0.150 CPU s", "| until the ledger knew that | 1.500 | 2.000 | 5.001 | 6.000 |"} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q:\n%s", want, text)
			}
		}
	})
}
