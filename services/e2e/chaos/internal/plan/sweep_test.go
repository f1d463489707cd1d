package plan

import (
	"os"
	"slices"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestASweepTriesEachPointOnce(t *testing.T) {
	text, err := os.ReadFile("../../points.txt")
	if err != nil {
		t.Fatal(err)
	}
	declared, err := ParsePoints(string(text))
	if err != nil {
		t.Fatal(err)
	}
	tried, seeds := map[string]int{}, map[uint64]bool{}
	for _, p := range Sweep(7, declared) {
		if seeds[p.Seed] || !p.Sweep || p.Records < minRecords {
			t.Errorf("seed %d comes twice, or is no sweep of %d records", p.Seed, p.Records)
		}
		seeds[p.Seed] = true
		each, last := map[string]int{}, 0.0
		for _, f := range p.Faults {
			if f.At < last || f.At > p.FaultsFor || f.ID == "" {
				t.Errorf("seed %d: fault %q is at %.0f ms", p.Seed, f.ID, f.At)
			}
			last = f.At
			if f.Kind == history.KillPoint {
				tried[f.Point]++
				each[f.Target]++
			}
		}
		for _, point := range p.Resumes {
			tried[point]++
		}
		for target, n := range each {
			if n > perService {
				t.Errorf("seed %d: %s is to die at %d points", p.Seed, target, n)
			}
		}
	}
	for _, p := range declared {
		want := 1
		if slices.Contains(p.Needs, restored) {
			want = 0 // no plan can provide it
		}
		if tried[p.Name] != want || Swept(p) != (want == 1) {
			t.Errorf("%s is tried %d times, not %d", p.Name, tried[p.Name], want)
		}
	}
}
