// Package shrink makes the plan of a failing run smaller: it takes faults away, one at a time, and keeps each one out without which the run
// still fails in the same way.
//
// It knows nothing of how a run is made: [Smallest] is given a [Try]. Runs of processes do not repeat themselves exactly, so a fault counts
// as needed only when none of several tries without it failed; the smallest plan found is one that did fail. What is left undone when the
// bound is reached stays in the plan.
package shrink

import (
	"context"
	"fmt"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Try runs a plan and gives the findings; none = it passed. An error is one of the instrument, and tells nothing about the plan.
type Try func(ctx context.Context, p history.Plan) ([]history.Finding, error)

// Options bound the work.
type Options struct {
	// Tries is how often a plan may pass before it counts as passing; at least 1.
	Tries int
	// Runs is how many runs may be made in all; at least 1.
	Runs int
	// Said is told what each step learned, for people; nil = nobody listens.
	Said func(text string)
}

// Result is what shrinking came to.
type Result struct {
	Plan history.Plan
	// Findings are those of the last failing run of Plan; nil when no smaller plan failed.
	Findings []history.Finding
	Runs     int
	// Complete says that every fault left was tried without, and is needed.
	Complete bool
}

// Smallest takes faults out of a failing plan. Names are the words of the findings that it failed with: a run that fails with none of them
// failed in another way, and counts as passing. An error is the context's, or that no try told anything.
func Smallest(ctx context.Context, plan history.Plan, names []string, try Try, o Options) (Result, error) {
	s := &search{Result: Result{Plan: plan}, names: names, try: try, o: o}
	s.o.Tries, s.o.Runs = max(1, o.Tries), max(1, o.Runs)
	if s.o.Said == nil {
		s.o.Said = func(string) {}
	}
	// Large parts first: most faults have nothing to do with it, and a run takes many seconds.
	for part := len(plan.Faults) / 2; part >= 1; part /= 2 {
		if err := s.without(ctx, part); err != nil {
			return s.Result, err
		}
	}
	// What could go when others were still there went; whether one can go now that these are gone is asked until none can.
	for {
		before := len(s.Plan.Faults)
		if err := s.without(ctx, 1); err != nil {
			return s.Result, err
		}
		if len(s.Plan.Faults) == before {
			break
		}
	}
	s.Complete = s.Runs < s.o.Runs
	return s.Result, nil
}

type search struct {
	Result
	names []string
	try   Try
	o     Options
}

// without tries the plan without each part of so many faults, from the last one on: late faults are the likeliest to be of no account.
func (s *search) without(ctx context.Context, part int) error {
	for end := len(s.Plan.Faults); end > 0; end -= part {
		from := max(0, end-part)
		if end > len(s.Plan.Faults) {
			continue
		}
		if s.Runs >= s.o.Runs {
			return nil // what is left is neither needed nor not: nobody tried
		}
		less := s.Plan
		less.Faults = slices.Delete(slices.Clone(s.Plan.Faults), from, end)
		fails, err := s.fails(ctx, less)
		if err != nil {
			return err
		}
		if fails == nil {
			s.o.Said(fmt.Sprintf("needed: %s", list(s.Plan.Faults[from:end])))
			continue
		}
		s.o.Said(fmt.Sprintf("%d faults left without %s", len(less.Faults), list(s.Plan.Faults[from:end])))
		s.Plan, s.Findings = less, fails
	}
	return nil
}

// fails runs a plan until it fails in the way that is looked for, or has passed often enough.
func (s *search) fails(ctx context.Context, p history.Plan) ([]history.Finding, error) {
	told := false
	var last error
	for range s.o.Tries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.Runs >= s.o.Runs {
			return nil, nil
		}
		s.Runs++
		findings, err := s.try(ctx, p)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			last = err
			continue
		}
		told = true
		for _, f := range findings {
			if slices.Contains(s.names, f.Name) {
				return findings, nil
			}
		}
	}
	if !told {
		return nil, fmt.Errorf("no try of a plan with %d faults told anything: %w", len(p.Faults), last)
	}
	return nil, nil
}

func list(faults []history.Fault) string {
	out := ""
	for i, f := range faults {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%s (%s %s)", f.ID, f.Kind, f.Target)
	}
	return out
}
