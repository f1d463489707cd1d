package load

import (
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestWhatIsPublishedAgainIsWhatAPersonGivesUp(t *testing.T) {
	seeds, some := 0, 0
	for seed := range uint64(4 * reopenEach) {
		p := history.Plan{Seed: seed, Records: 2_000, FaultsFor: 7_000}
		if !Reopens(p) {
			continue
		}
		seeds++
		m := reopened(Draw(p))
		if len(m.Entries) > reopenMost {
			t.Errorf("seed %d publishes %d records again", seed, len(m.Entries))
		}
		for _, e := range m.Entries {
			some++
			if !dropped(e) || !e.Again || e.Key == "" {
				t.Errorf("seed %d publishes %s of %s again", seed, e.Key, e.Entity)
			}
		}
	}
	if seeds != 4 || some == 0 {
		t.Errorf("of %d seeds %d publish something again", 4*reopenEach, seeds)
	}
}
