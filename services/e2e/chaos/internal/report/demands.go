package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Demands are what complete runs must have been and tried. What is zero is not demanded.
type Demands struct {
	// Points are the declared crash points, at each of which something must have been killed; OrgKinds the simulator's kinds of effect.
	Points   []string
	OrgKinds []string
	// Times is how often each kind of fault must have been injected.
	Times int
	// Runs is how many there must be, sweeps of crash points not counted. Each of them must have published so many Records, have been struck by
	// so many Faults, and have taken so many Seconds at most.
	Runs    int
	Records int
	Faults  int
	Seconds float64
	// Recoveries is how many of each group must have been measured: p99 of fewer than a hundred is no more than the longest.
	Recoveries int
}

// retriedOneIn bounds the runs that are made again because they told nothing: one in so many.
const retriedOneIn = 20

// single is a run with a verdict.
type single struct {
	plan    history.Plan
	run     history.Run
	verdict history.Verdict
}

// struck is how many faults really happened in a run.
func (s single) struck() int {
	n := 0
	for kind, times := range s.verdict.Faults {
		if !strings.HasPrefix(kind, orgKind("")) { // they are summed up as those of the org
			n += times
		}
	}
	return n
}

// gaps says what was demanded and is not so.
func (r *Report) gaps() []string {
	return slices.Concat(r.untried(), r.unkept())
}

// untried are the faults and crash points that were not tried often enough.
func (r *Report) untried() []string {
	var out []string
	for _, k := range r.kinds() {
		if n := r.Faults[string(k)]; k != history.Org && n < r.demands.Times {
			out = append(out, fmt.Sprintf("fault %s was injected %d times, not %d", k, n, r.demands.Times))
		}
	}
	for _, k := range r.demands.OrgKinds {
		if n := r.Faults[orgKind(k)]; n < r.demands.Times {
			out = append(out, fmt.Sprintf("the org's fault %s struck in %d runs, not %d", k, n, r.demands.Times))
		}
	}
	for _, p := range r.demands.Points {
		c := r.point(p)
		switch {
		case c.Reached == 0:
			out = append(out, fmt.Sprintf("crash point %s was never reached", p))
		case c.Killed == 0:
			out = append(out, fmt.Sprintf("nothing was killed at crash point %s", p))
		}
	}
	for _, t := range r.Times {
		if t.Count < r.demands.Recoveries {
			out = append(out, fmt.Sprintf("the recovery of %s was measured %d times, not %d", t.Group, t.Count, r.demands.Recoveries))
		}
	}
	return out
}

// unkept is what the runs were to be and were not.
func (r *Report) unkept() []string {
	ran := slices.DeleteFunc(slices.Clone(r.ran), func(s single) bool { return s.plan.Sweep })
	var out []string
	if len(ran) < r.demands.Runs {
		out = append(out, fmt.Sprintf("%d runs have a verdict, not %d", len(ran), r.demands.Runs))
	}
	worst := func(of func(single) float64, wrong func(single) bool, format string) {
		bad := slices.DeleteFunc(slices.Clone(ran), func(s single) bool { return !wrong(s) })
		if len(bad) == 0 {
			return
		}
		w := slices.MinFunc(bad, func(a, b single) int { return cmp.Compare(of(a), of(b)) })
		out = append(out, fmt.Sprintf(format, len(bad), w.plan.Seed, max(of(w), -of(w))))
	}
	if r.Retried*retriedOneIn > r.Runs {
		out = append(out, fmt.Sprintf("%d of %d runs told nothing at first, more than one in %d: what they died of may be the product's doing", r.Retried, r.Runs, retriedOneIn))
	}
	records := func(s single) float64 { return float64(s.verdict.Checked["records"]) }
	worst(records, func(s single) bool { return records(s) < float64(r.demands.Records) },
		fmt.Sprintf("%%d runs published less than %d records, the least seed %%d: %%.0f", r.demands.Records))
	worst(func(s single) float64 { return float64(s.struck()) }, func(s single) bool { return s.struck() < r.demands.Faults },
		fmt.Sprintf("%%d runs were struck by less than %d faults, the least seed %%d: by %%.0f", r.demands.Faults))
	if most := r.demands.Seconds; most > 0 {
		worst(func(s single) float64 { return -s.run.Seconds }, func(s single) bool { return s.run.Seconds > most },
			fmt.Sprintf("%%d runs took longer than %.0f s, the longest seed %%d: %%.1f s", most))
	}
	return out
}
