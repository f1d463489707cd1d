package power

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// patience bounds one subtest.
const patience = 2 * time.Minute

// binaries builds what is tested into a directory that is kept.
func binaries(t *testing.T) string {
	t.Helper()
	dir, err := stack.BuildKept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// powered is a stack whose servers' power can be cut. It takes root and loop devices: there is no other way.
func powered(t *testing.T, bin, unsafe string) *stack.Stack {
	t.Helper()
	dir, err := os.MkdirTemp("", "bulkhead-power-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's own user must be able to enter
		t.Fatal(err)
	}
	cluster, err := stack.OpenPowered(t.Context(), dir, unsafe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(t.Context(), stack.Options{
		Dir: run, Bin: bin, Plan: history.Plan{RowsPerSecond: 1000}, Model: load.Model(), Definitions: load.Definitions(), Cluster: cluster,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestAPowerCut is the instrument tried on itself: with the shipped settings a witness finds everything that was acknowledged, and with unsafe ones it
// does not, so that finding everything says something.
func TestAPowerCut(t *testing.T) {
	bin := binaries(t)
	for name, c := range map[string]struct {
		unsafe string
		loses  string // who must have lost something; "" = nobody
	}{
		"keeps all that was acknowledged with the shipped settings":     {"", ""},
		"takes what a broker acknowledged that syncs every two minutes": {stack.NATS, stack.NATS},
		"takes what a ledger acknowledged that commits asynchronously":  {stack.Postgres, stack.Postgres},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s := powered(t, bin, c.unsafe)
			lost := map[string]int{}
			for range 2 {
				struck := 0
				kept, err := s.PowerCut(ctx, stack.Outage{Broker: true, Ledger: true, Services: true, Before: 400 * time.Millisecond}, func() { struck++ })
				if err != nil {
					t.Fatal(err)
				}
				if struck != 1 || len(kept) != 2 {
					t.Fatalf("it struck %d times, and %+v was kept", struck, kept)
				}
				for _, k := range kept {
					if k.Acked == 0 {
						t.Errorf("%s acknowledged nothing before the cut: nothing is shown", k.Target)
					}
					lost[k.Target] += k.Acked - k.Kept
				}
				if err := s.WaitReady(ctx); err != nil {
					t.Fatal(err)
				}
			}
			for _, target := range []string{stack.NATS, stack.Postgres} {
				if (lost[target] > 0) != (c.loses == target) {
					t.Errorf("%s lost %d of what it had acknowledged", target, lost[target])
				}
			}
		})
	}
	t.Run("of somebody who is not there is refused", func(t *testing.T) {
		if _, err := stack.OpenPowered(t.Context(), t.TempDir(), "org"); err == nil || !strings.Contains(err.Error(), "nats or postgres") {
			t.Error(err)
		}
	})
}
