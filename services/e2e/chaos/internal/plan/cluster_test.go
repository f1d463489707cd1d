package plan

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestAPlanForACluster(t *testing.T) {
	t.Run("is its seed, and says of how many nodes", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			seed := rapid.Uint64().Draw(t, "seed")
			a := DrawCluster(seed, ninety())
			if !reflect.DeepEqual(a, DrawCluster(seed, ninety())) {
				t.Fatal("the same seed gives another plan")
			}
			if a.Nodes != Nodes || !a.Clustered() || a.Seed != seed || len(a.Faults) < 10 || len(a.Faults) > 30 {
				t.Fatalf("%d nodes, seed %d, %d faults", a.Nodes, a.Seed, len(a.Faults))
			}
		})
	})
	t.Run("has faults of nodes that stand apart, and last no longer than they may", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			last, nodes := -apart*2.0, 0
			for _, f := range DrawCluster(rapid.Uint64().Draw(t, "seed"), nil).Faults {
				ofNodes := slices.Contains(history.ClusterKinds(), f.Kind)
				switch {
				case ofNodes, f.Kind == history.KillAll, f.Kind == history.NATSKill, f.Kind == history.NATSRestart:
					nodes++
				case f.Kind == history.PGKill, f.Kind == history.PGRestart:
				default:
					continue
				}
				if f.At-last < apart {
					t.Fatalf("%s at %.0f ms, %.0f ms behind another", f.Kind, f.At, f.At-last)
				}
				last = f.At
				if (f.Kind == history.LeaderKill) != (f.Stream != "") || (f.Kind == history.NodeCut || f.Kind == history.TwoDown) != (f.For > 0) {
					t.Fatalf("%+v", f)
				}
			}
			if nodes != nodesEach {
				t.Fatalf("%d faults of the broker's nodes", nodes)
			}
		})
	})
	t.Run("tries each fault of a cluster, and the leader of each stream, within twenty seeds", func(t *testing.T) {
		for _, first := range []uint64{1, 1_000_003} {
			seen := map[history.FaultKind]int{}
			leaders := map[string]int{}
			for seed := first; seed < first+20; seed++ {
				for _, f := range DrawCluster(seed, nil).Faults {
					seen[f.Kind]++
					if f.Kind == history.LeaderKill {
						leaders[f.Stream]++
					}
				}
			}
			for _, k := range append(history.ClusterKinds(), history.NATSKill, history.NATSRestart, history.KillAll, history.PGKill) {
				if seen[k] < 2 {
					t.Errorf("from seed %d on: %s is injected %d times", first, k, seen[k])
				}
			}
			for _, stream := range []string{"RECORDS", "FLOW", "DLQ", "META"} {
				if leaders[stream] < 2 {
					t.Errorf("from seed %d on: the leader of %s is killed %d times", first, stream, leaders[stream])
				}
			}
		}
	})
	t.Run("leaves the plans for one server as they are", func(t *testing.T) {
		for _, f := range Draw(17, ninety()).Faults {
			if slices.Contains(history.ClusterKinds(), f.Kind) {
				t.Errorf("%+v", f)
			}
		}
		if Draw(17, nil).Clustered() {
			t.Error("it is for a cluster")
		}
	})
}
