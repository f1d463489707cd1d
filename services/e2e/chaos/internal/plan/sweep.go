package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// The sizes of a run of a sweep.
const (
	// sweepFor is while faults go on in it. Each death costs what the dead one had claimed a lease of two seconds.
	sweepFor = 14_000
	// resumeFor is how long the load lasts in the run in which `extractor resume` dies: it does when everything is at rest.
	resumeFor = 3_000
	// perService is how many points a service dies at in one run, at most.
	perService = 6
	sweepSpeed = 6_000
)

// themes are needs that are provided in one run, because they do not stand in each other's way.
func themes() [][]string {
	return [][]string{
		{"replay", "reread", "definition"},
		{"aborted_job", "broken_results", "refused_close", "dlq_forgotten"},
		{"gone", "foreign_rows", "gone_results", "orphan", "lost_close"},
		{"missing_rows", "pause", "refused_calls"},
		{"slow_call", stopInACall, "slow_job", "backlog"},
		{"unresolved"},
		{"shared_space"},
	}
}

// Sweep gives the plans of runs that are about crash points alone: each point is died at once, in one of them, if it is reached. One
// instance of each service has the rules of all its points, and its twin stands back while it has any; what the points need is brought about
// again and again. Seeds are seed and those that follow it. The points of `extractor resume` come in a run of their own. Points whose needs no
// plan can provide (a restored ledger) are left out.
func Sweep(seed uint64, points []Point) []history.Plan {
	everyday := map[string][]Point{}
	byTheme := make([]map[string][]Point, len(themes()))
	var resumes []string
	for _, p := range sorted(points) {
		if slices.Contains(p.Needs, madeAgain) {
			resumes = append(resumes, p.Name)
			continue
		}
		if p.Needs == nil {
			everyday[p.Service] = append(everyday[p.Service], p)
			continue
		}
		n := theme(p)
		if n < 0 {
			continue
		}
		if byTheme[n] == nil {
			byTheme[n] = map[string][]Point{}
		}
		byTheme[n][p.Service] = append(byTheme[n][p.Service], p)
	}
	var out []history.Plan
	for _, group := range append([]map[string][]Point{everyday}, byTheme...) {
		for n := 0; ; n++ {
			d := sweep(seed+uint64(len(out)), group, n)
			if d == nil {
				break
			}
			out = append(out, d.plan)
		}
	}
	if resumes != nil {
		p := sweepPlan(seed + uint64(len(out)))
		p.FaultsFor, p.Resumes = resumeFor, resumes
		out = append(out, p)
	}
	return out
}

// sweepPlan is one without faults.
func sweepPlan(seed uint64) history.Plan {
	return history.Plan{Version: Version, Seed: seed, Records: minRecords, FaultsFor: sweepFor, RowsPerSecond: sweepSpeed, Sweep: true}
}

// Swept says that plans can bring a service to the point.
func Swept(p Point) bool {
	return stormy(p) || slices.Contains(p.Needs, madeAgain)
}

// stormy says that they can while faults go on.
func stormy(p Point) bool { return p.Needs == nil || theme(p) >= 0 }

// theme is the place among themes of the last that a point needs; -1 = it has none.
func theme(p Point) int {
	return slices.IndexFunc(themes(), func(needs []string) bool { return slices.Contains(needs, p.Needs[len(p.Needs)-1]) })
}

// need is a word of points.txt, for the instance that is to die.
type need struct{ word, target string }

// sweep is the n-th run of a group of points; nil = there is none.
func sweep(seed uint64, group map[string][]Point, n int) *drawing {
	d := &drawing{chance: newChance(seed, 1), seed: seed, plan: sweepPlan(seed)}
	needs := map[need]history.Fault{}
	for _, service := range Services() {
		// As many runs as it takes, with as many points each.
		all := group[service]
		runs := (len(all) + perService - 1) / perService
		if n >= runs {
			continue
		}
		for _, p := range all[n*len(all)/runs : (n+1)*len(all)/runs] {
			f := history.Fault{At: firstFault, Kind: history.KillPoint, Target: fmt.Sprintf("%s-%d", service, 1+seed%Instances), Point: p.Name, For: sweepFor}
			d.add(f)
			for _, word := range p.Needs {
				needs[need{word, f.Target}] = f
			}
		}
	}
	if len(d.plan.Faults) == 0 {
		return nil
	}
	provided := map[string]bool{}
	for _, n := range slices.SortedFunc(maps.Keys(needs), func(a, b need) int {
		return cmp.Or(strings.Compare(a.word, b.word), strings.Compare(a.target, b.target))
	}) {
		if provided[n.word] && n.word != stopInACall {
			continue // it is brought about for all
		}
		provided[n.word] = true
		// The last moments are for what the points themselves take.
		for at := 1_000.0; at < sweepFor-2_500; at += 2_500 {
			f := needs[n]
			f.At = at
			d.provide(n.word, f)
		}
	}
	d.number()
	return d
}
