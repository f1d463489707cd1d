//go:build chaos

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/plan"
	"bulkhead/services/e2e/chaos/internal/report"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/origin"
)

// freshSeeds is how many seeds that nobody ever ran are run.
const freshSeeds = 5

// testBin holds the binaries under test for all tests here.
var testBin string

func TestMain(m *testing.M) {
	os.Exit(withBinaries(m))
}

func withBinaries(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead-chaos-bin-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }() // what is left of it is in the system's directory for that
		// The database server runs as an account of its own where this one is root.
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = stack.Build(context.Background(), dir)
	}
	if err != nil {
		println("the binaries under test:", err.Error())
		return 1
	}
	testBin = dir
	return m.Run()
}

// toTest prints what runs say as they say it: a run takes many seconds.
type toTest struct{ t *testing.T }

func (w toTest) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// makeRuns runs seeds, as draw expands them, and fails with what was found; what failed is kept in a directory that the lines name.
func makeRuns(t *testing.T, seeds []uint64, draw func(uint64, []plan.Point) history.Plan) {
	t.Helper()
	declared, err := points()
	if err != nil {
		t.Fatal(err)
	}
	var plans []history.Plan
	for _, s := range seeds {
		plans = append(plans, draw(s, declared))
	}
	o := runFlags{keep: defaultKeep()}
	dir, err := o.session()
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := drive.Many(t.Context(), drive.Set{
		Plans: plans, Dir: dir, Bin: testBin, Jobs: 1, Commit: origin.Commit(t.Context()), Machine: origin.Machine(), Out: toTest{t},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range outcome.Verdicts {
		switch {
		case len(v.Findings) > 0:
			t.Errorf("seed %d: %d findings, first: %s; once more: %s", seeds[i], len(v.Findings), report.Sentence(v.Findings[0]), report.Again(plans[i], outcome.Dirs[i]))
		case !v.OK:
			t.Errorf("seed %d has no verdict; once more: %s", seeds[i], report.Again(plans[i], outcome.Dirs[i]))
		}
	}
	if outcome.Harness > 0 {
		t.Errorf("%d runs told nothing, twice", outcome.Harness)
	}
	if !t.Failed() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}

func TestChaosOfFreshSeeds(t *testing.T) {
	first := uint64(time.Now().UnixMilli())
	t.Logf("seeds %d to %d; again: make chaos SEEDS=%d FIRST=%d", first, first+freshSeeds-1, freshSeeds, first)
	var seeds []uint64
	for i := range uint64(freshSeeds) {
		seeds = append(seeds, first+i)
	}
	makeRuns(t, seeds, plan.Draw)
}

func TestChaosOfAFreshSeedOnACluster(t *testing.T) {
	seed := uint64(time.Now().UnixMilli())
	t.Logf("seed %d; again: make chaos SEED=%d NATS=%d", seed, seed, plan.Nodes)
	makeRuns(t, []uint64{seed}, plan.DrawCluster)
}

func TestChaosOfKeptSeeds(t *testing.T) {
	list, err := kept()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return // nothing has failed yet
	}
	var seeds []uint64
	for _, k := range list {
		t.Logf("seed %d: %s", k.seed, k.why)
		seeds = append(seeds, k.seed)
	}
	makeRuns(t, seeds, plan.Draw)
}
