package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/plan"
)

// rounds bound how often points that nothing died at are tried again, in runs that are about them alone.
const rounds = 4

// sweep makes runs that are about crash points alone, until processes died at all that a plan can bring about, and adds them to what is
// known already. What nothing died at after some rounds is the report's to tell.
func sweep(ctx context.Context, set drive.Set, first uint64, declared []plan.Point, outcome drive.Outcome) (drive.Outcome, error) {
	planted := ""
	if len(set.Plans) > 0 {
		planted = set.Plans[0].Planted
	}
	for range rounds {
		left, err := alive(declared, outcome.Dirs)
		if err != nil {
			return outcome, err
		}
		set.Plans = plan.Sweep(first, left)
		if len(set.Plans) == 0 {
			return outcome, nil
		}
		for i := range set.Plans {
			set.Plans[i].Planted = planted
		}
		first += uint64(len(set.Plans))
		more, err := drive.Many(ctx, set)
		outcome.Add(more)
		if err != nil {
			return outcome, err
		}
	}
	return outcome, nil
}

// alive are the points at which nothing died in any of the runs.
func alive(declared []plan.Point, dirs []string) ([]plan.Point, error) {
	died := map[string]bool{}
	for _, d := range dirs {
		if d == "" {
			continue
		}
		p, err := history.ReadJSON[history.Points](filepath.Join(d, history.PointsFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it told nothing
		}
		if err != nil {
			return nil, err
		}
		for name, n := range p.Killed {
			died[name] = died[name] || n > 0
		}
	}
	var out []plan.Point
	for _, p := range declared {
		if !died[p.Name] {
			out = append(out, p)
		}
	}
	return out, nil
}
