package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/internal/marked"
)

// RunLine is a run on one line.
func RunLine(p history.Plan, note history.Run, v history.Verdict) string {
	word := "ok"
	if !v.OK {
		word = "FAILED"
	}
	type count struct {
		kind string
		n    int
	}
	var kinds []count
	total := 0
	org := 0
	for k, n := range v.Faults {
		if k == string(history.Org) {
			continue // the sum of the org's kinds, which are there one by one
		}
		total += n
		if strings.HasPrefix(k, orgKind("")) {
			org += n
			continue
		}
		kinds = append(kinds, count{k, n})
	}
	if org > 0 {
		kinds = append(kinds, count{string(history.Org), org})
	}
	slices.SortFunc(kinds, func(a, b count) int {
		if a.n != b.n {
			return b.n - a.n
		}
		return strings.Compare(a.kind, b.kind)
	})
	var said []string
	for _, c := range kinds {
		said = append(said, fmt.Sprintf("%s×%d", c.kind, c.n))
	}
	return fmt.Sprintf("seed %d %s %.1f s (start %.1f, storm %.1f, rest %.1f, collect %.1f) %s records %d faults (%s) %d findings",
		p.Seed, word, note.Seconds, note.StartSeconds, note.FaultSeconds, note.HealSeconds, note.CollectSeconds, marked.Count(p.Records), total,
		strings.Join(said, " "), len(v.Findings))
}

// Failure says what was found in a run, where it is kept, and how to make it again.
func Failure(p history.Plan, dir string, v history.Verdict) string {
	var b strings.Builder
	for i, f := range v.Findings {
		if i == 2*maxShown {
			fmt.Fprintf(&b, "  and %d more\n", len(v.Findings)-i)
			break
		}
		fmt.Fprintf(&b, "  %s\n", Sentence(f))
	}
	fmt.Fprintf(&b, "  kept in %s; once more: %s; judge again: chaos judge %s; fewer faults: chaos shrink %s", dir, Again(p, dir), dir, dir)
	return b.String()
}

// Again is the command that makes a run once more; dir is where it is kept.
func Again(p history.Plan, dir string) string {
	if p.Sweep || p.CutsPower() {
		return "chaos run --plan " + filepath.Join(dir, history.PlanFile) // it is no seed's
	}
	again := fmt.Sprintf("make chaos SEED=%d", p.Seed)
	if p.Clustered() {
		again += fmt.Sprintf(" NATS=%d", p.Nodes)
	}
	if p.Planted != "" {
		again += " PLANTED=" + p.Planted
	}
	return again
}
