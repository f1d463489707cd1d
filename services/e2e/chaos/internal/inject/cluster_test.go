package inject

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// everyNode is a plan with each fault of a cluster's nodes. They are to strike one after the other, though they begin at the same time.
func everyNode() history.Plan {
	p := history.Plan{Version: 1, Seed: 7, Records: 400, FaultsFor: 3_000, RowsPerSecond: 5_000, Nodes: 3}
	for i, f := range []history.Fault{
		{Kind: history.LeaderKill, Stream: "META"},
		{Kind: history.LeaderKill, Stream: "RECORDS"},
		{Kind: history.NodeCut, For: 1_000},
		{Kind: history.NodeEmpty},
		{Kind: history.TwoDown, For: 500},
	} {
		f.ID, f.At, f.Target = fmt.Sprintf("f%02d", i+1), 500, "nats"
		p.Faults = append(p.Faults, f)
	}
	return p
}

func TestEveryFaultOfAClusterIsCarriedOut(t *testing.T) {
	bin := binaries(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cluster, err := stack.OpenCluster(ctx, open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	plan, seen := everyNode(), &timeline{}
	s, err := stack.Start(ctx, stack.Options{
		Dir: t.TempDir(), Bin: bin, Plan: plan, Model: load.Model(), Definitions: load.Definitions(), Cluster: cluster, Record: seen.record,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("timeline:\n%s", seen)
		}
	})
	s.LoadStarted()
	if err := Run(ctx, s, plan, Hooks{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("each strikes when the one before it is over and the cluster is settled", func(t *testing.T) {
		began, ended := seen.of("fault"), seen.of("fault_end")
		type span struct{ from, to float64 }
		var spans []span
		for _, f := range plan.Faults {
			if len(began[f.ID]) != 1 || !began[f.ID][0].Done || len(ended[f.ID]) != 1 || ended[f.ID][0].Text != "settled again" {
				t.Fatalf("%s, a %s: %+v, %+v", f.ID, f.Kind, began[f.ID], ended[f.ID])
			}
			spans = append(spans, span{began[f.ID][0].At, ended[f.ID][0].At})
		}
		for i, a := range spans {
			for _, b := range spans[i+1:] {
				if a.from < b.to && b.from < a.to {
					t.Errorf("two strike at once: %+v, %+v", a, b)
				}
			}
		}
	})
	t.Run("the nodes were restarted as each fault means it", func(t *testing.T) {
		starts := map[string]int{}
		for _, e := range seen.of("start")[""] {
			if strings.HasPrefix(e.Target, stack.NATS) {
				starts[e.Target]++
			}
		}
		// The first start, two that were down, two leaders, and one that was emptied.
		if total := starts["nats-1"] + starts["nats-2"] + starts["nats-3"]; total != 3+2+2+1 {
			t.Errorf("%v", starts)
		}
	})
	t.Run("everything is ready again", func(t *testing.T) {
		if err := s.WaitReady(ctx); err != nil {
			t.Error(err)
		}
	})
}
