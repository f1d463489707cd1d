package report

import (
	"strings"
	"testing"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/trial"
)

// measured makes a report of cases with one run each.
func measured(t *testing.T, cases map[Case]*trial.Result) *Report {
	t.Helper()
	r := &Report{}
	for c, res := range cases {
		res.Records = c.Records
		if err := r.Add(c, []*trial.Result{res}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// took is a run by what has bounds.
func took(cpu, perSecond float64, peak, calls int64) *trial.Result {
	return &trial.Result{RecordsPerSecond: perSecond, CPU: trial.CPU{Services: cpu / 2, Broker: cpu / 4, Postgres: cpu / 4}, Peak: trial.Memory{Services: peak}, Calls: trial.Calls{Fresh: calls}}
}

func TestBounds(t *testing.T) {
	small, usual := Case{200_000, people.Usual(), failing, 0}, Case{1_000_000, people.Usual(), failing, 0}
	part, load := Case{200_000, people.Load(), failing, 0}, Case{1_000_000, people.Load(), failing, 0}
	largest := Case{1_000_000, people.Largest(), failing, 0}
	steady, huge := Case{1_000_000, people.Load(), failing, SteadyRate}, Case{10_000_000, people.Load(), failing, SteadyRate}
	t.Run("hold at their limits", func(t *testing.T) {
		r := measured(t, map[Case]*trial.Result{
			small: took(4, 1, 250e6, 1), usual: took(20, 40_000, 300e6, 160), part: took(4, 1, 250e6, 1), load: took(16, 40_000, 300e6, 1),
			largest: took(20, 1, 900e6, 16), steady: took(16, 1, 1, 1), huge: took(192, 1, 1, 1),
		})
		bounds := r.Bounds()
		if len(bounds) != 10 {
			t.Fatalf("%+v", bounds)
		}
		for _, b := range bounds {
			if !b.Known || !b.Held() || b.Broken() {
				t.Errorf("%+v", b)
			}
		}
	})
	t.Run("are broken one by one behind their limits", func(t *testing.T) {
		r := measured(t, map[Case]*trial.Result{
			small: took(4, 1, 250e6, 1), usual: took(20, 39_999, 301e6, 161), part: took(4, 1, 250e6, 1), load: took(16.1, 39_999, 301e6, 1),
			largest: took(20, 1, 900e6, 17), steady: took(16, 1, 1, 1), huge: took(194, 1, 1, 1),
		})
		for _, b := range r.Bounds() {
			if b.Held() || !b.Broken() {
				t.Errorf("%+v", b)
			}
		}
	})
	t.Run("of what was not measured are neither held nor broken", func(t *testing.T) {
		for _, b := range measured(t, map[Case]*trial.Result{load: took(17, 50_000, 1, 1)}).Bounds() {
			if about := strings.Contains(b.What, "to that") || !strings.Contains(b.What, "for loads"); b.Known == about || !b.Known && b.Broken() {
				t.Errorf("%+v", b)
			}
		}
	})
	t.Run("are about the cases that they name alone", func(t *testing.T) {
		other := usual
		other.Failing = 0.03
		if b := measured(t, map[Case]*trial.Result{other: took(17, 1, 1, 1), {300_000, people.Usual(), failing, 0}: took(1, 1, 1, 1)}).Bounds(); b != nil {
			t.Errorf("%+v", b)
		}
	})
}
