package soak

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// A soak of a few thousand records on real processes, of which one dies every few seconds.
func TestASoakOfAFewThousandRecords(t *testing.T) {
	t.Parallel()
	bin, err := stack.BuildKept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bulkhead-soak-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's own user must be able to enter
		t.Fatal(err)
	}
	cluster, err := stack.OpenCluster(t.Context(), filepath.Join(dir, "cluster"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var most int64
	got, err := Run(ctx, Options{
		Dir: dir, Bin: bin, Cluster: cluster, Load: Load{Records: 20_000, Failing: 500}, Seed: 3, Every: 3 * time.Second, Sample: time.Second, Brief: true,
		At: func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			most = max(most, n)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("finds nothing, and has looked at everything", func(t *testing.T) {
		if len(got.Findings) > 0 || got.Seen.Rows != got.Want.Rows || got.Seen.Letters != got.Want.Dead || got.Want.Dead != 150 || most != 20_000 {
			t.Errorf("%s\n%+v", strings.Join(got.Findings, "\n"), got)
		}
		if got.PerSecond() <= 0 || got.Published <= 0 || got.Published > got.Settled {
			t.Errorf("%.0f a second; published in %.1f s, settled in %.1f s", got.PerSecond(), got.Published, got.Settled)
		}
	})
	t.Run("kills in turn, and everybody comes back", func(t *testing.T) {
		next := newTurns(3)
		for i, k := range got.Kills {
			target, part := next.next()
			if k.Target != target || k.Part != part || k.Back <= 0 && i < len(got.Kills)-1 {
				t.Errorf("kill %d is %+v, and should be of %s", i+1, k, part)
			}
		}
		if len(got.Kills) < 4 {
			t.Errorf("%d kills", len(got.Kills))
		}
	})
	t.Run("leaves samples of every process, of the ledger and of the streams", func(t *testing.T) {
		samples, err := history.ReadAll[Sample](filepath.Join(dir, SamplesFile))
		if err != nil || len(samples) < 10 {
			t.Fatalf("%d samples, %v", len(samples), err)
		}
		for _, name := range append(stack.Instances(), stack.NATS, stack.Postgres, stack.Org) {
			whole := func(s Sample) bool {
				p, ok := s.Processes[name]
				return ok && p.Memory > 1<<20 && p.Start > 0 && (p.Goroutines > 0) == strings.Contains(name, "-") && (p.Files > 0) == (name != stack.Postgres)
			}
			if !slices.ContainsFunc(samples, whole) {
				t.Errorf("%s was never seen: %+v", name, samples[len(samples)/2].Processes[name])
			}
		}
		whole := func(s Sample) bool {
			return s.Balance != nil && len(s.Messages) == 3 && len(s.Ledger) == 6+7 && s.Ledger["leases"] > 0 && s.Ledger["sessions of poller"] > 0 && s.Ledger["ledger bytes"] > 1<<20
		}
		if !slices.ContainsFunc(samples, whole) {
			t.Errorf("no sample is whole: %+v", samples[len(samples)/2])
		}
	})
}

func TestGoroutinesOf(t *testing.T) {
	t.Run("is read from a page of metrics", func(t *testing.T) {
		n, err := goroutinesOf(strings.NewReader("# HELP go_goroutines Number\n# TYPE go_goroutines gauge\ngo_goroutines 47\ngo_info 1\n"))
		if err != nil || n != 47 {
			t.Errorf("%d, %v", n, err)
		}
	})
	for name, page := range map[string]string{"empty": "", "of somebody else": "go_info 1\n", "without a number": "go_goroutines many\n"} {
		t.Run("is an error of a page that is "+name, func(t *testing.T) {
			if n, err := goroutinesOf(strings.NewReader(page)); err == nil {
				t.Error(n)
			}
		})
	}
}
