package power

import (
	"fmt"
	"path/filepath"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Sum is what came of all rounds.
type Sum struct {
	// Planned is how many cuts were asked for, Cuts how many there were, and By by who lost power.
	Planned, Cuts int
	By            map[string]int
	// Records are those that the load had acknowledged; Acked and Kept are what the witnesses had acknowledged and found, by server.
	Records     int
	Acked, Kept map[string]int
}

// NewSum sums up nothing yet.
func NewSum() *Sum {
	return &Sum{By: map[string]int{}, Acked: map[string]int{}, Kept: map[string]int{}}
}

// Add reads the directory of a run that was judged.
func (s *Sum) Add(dir string) error {
	p, err := history.ReadJSON[history.Plan](filepath.Join(dir, history.PlanFile))
	if err != nil {
		return err
	}
	v, err := history.ReadJSON[history.Verdict](filepath.Join(dir, history.VerdictFile))
	if err != nil {
		return err
	}
	timeline, err := history.ReadAll[history.Event](filepath.Join(dir, history.TimelineFile))
	if err != nil {
		return err
	}
	s.Planned += len(p.Faults)
	s.Records += v.Checked["records"]
	for _, e := range timeline {
		switch {
		case e.What == "fault" && e.Kind == history.PowerCut && e.Done:
			s.Cuts++
			s.By[e.Target]++
		case e.What == "witness":
			s.Acked[e.Target] += e.Acked
			s.Kept[e.Target] += e.Kept
		}
	}
	return nil
}

// Line says it in one line.
func (s *Sum) Line() string {
	var by []string
	for _, t := range history.CutTargets() {
		if n := s.By[t]; n > 0 {
			by = append(by, fmt.Sprintf("%s %d", t, n))
		}
	}
	var kept []string
	for _, t := range []string{history.CutNATS, history.CutLedger} {
		if s.Acked[t] > 0 {
			kept = append(kept, fmt.Sprintf("%s kept %d of %d", t, s.Kept[t], s.Acked[t]))
		}
	}
	return fmt.Sprintf("%d of %d power cuts (%s); %d records; of what was acknowledged in the moments before them %s",
		s.Cuts, s.Planned, strings.Join(by, ", "), s.Records, strings.Join(kept, ", "))
}
