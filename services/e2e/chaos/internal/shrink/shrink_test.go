package shrink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/e2e/chaos/internal/history"
)

func faults(n int) history.Plan {
	var p history.Plan
	for i := range n {
		p.Faults = append(p.Faults, history.Fault{ID: fmt.Sprintf("f%02d", i+1), Kind: history.Kill})
	}
	return p
}

func ids(p history.Plan) []string {
	var out []string
	for _, f := range p.Faults {
		out = append(out, f.ID)
	}
	return out
}

// needs makes a Try that fails when all of these faults are there.
func needs(needed []string) Try {
	return func(_ context.Context, p history.Plan) ([]history.Finding, error) {
		for _, n := range needed {
			if !slices.Contains(ids(p), n) {
				return nil, nil
			}
		}
		return []history.Finding{{Name: "lost"}}, nil
	}
}

func TestOnlyTheFaultsThatItTakesAreLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := faults(rapid.IntRange(1, 20).Draw(t, "faults"))
		needed := rapid.SliceOfNDistinct(rapid.SampledFrom(ids(p)), 1, 5, rapid.ID).Draw(t, "needed")
		slices.Sort(needed)
		r, err := Smallest(t.Context(), p, []string{"lost"}, needs(needed), Options{Tries: 1, Runs: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(r.Plan); !slices.Equal(got, needed) || !r.Complete {
			t.Fatalf("left are %v, needed are %v; complete: %v", got, needed, r.Complete)
		}
	})
}

func TestSmallest(t *testing.T) {
	t.Run("a fault is needed only when every try without it passes", func(t *testing.T) {
		n := 0
		flaky := func(ctx context.Context, p history.Plan) ([]history.Finding, error) {
			if n++; n%2 == 1 {
				return nil, nil
			}
			return needs([]string{"f03"})(ctx, p)
		}
		r, err := Smallest(t.Context(), faults(6), []string{"lost"}, flaky, Options{Tries: 2, Runs: 1_000})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(r.Plan); !slices.Equal(got, []string{"f03"}) {
			t.Errorf("left are %v", got)
		}
	})
	t.Run("another way of failing counts as passing", func(t *testing.T) {
		r, err := Smallest(t.Context(), faults(4), []string{"stale"}, needs(nil), Options{Runs: 1_000})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Plan.Faults) != 4 || r.Findings != nil {
			t.Errorf("left are %v with %v", ids(r.Plan), r.Findings)
		}
	})
	t.Run("the bound of runs is kept, and said", func(t *testing.T) {
		r, err := Smallest(t.Context(), faults(16), []string{"lost"}, needs([]string{"f01", "f09"}), Options{Tries: 2, Runs: 5})
		if err != nil {
			t.Fatal(err)
		}
		if r.Runs != 5 || r.Complete || len(r.Plan.Faults) < 2 {
			t.Errorf("%d runs, complete %v, left %v", r.Runs, r.Complete, ids(r.Plan))
		}
	})
	t.Run("an instrument that always fails ends it", func(t *testing.T) {
		broken := errors.New("no memory")
		_, err := Smallest(t.Context(), faults(4), []string{"lost"}, func(context.Context, history.Plan) ([]history.Finding, error) { return nil, broken }, Options{Runs: 9})
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "told anything") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the end of the context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Smallest(ctx, faults(4), []string{"lost"}, needs(nil), Options{Runs: 9}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}
