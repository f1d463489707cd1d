//go:build bench

package main

import (
	"os"
	"testing"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/report"
	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/origin"
)

// TestMain makes the test's own program the publisher of a run, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "publish" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// A load of a million records of which three in a hundred fail at first is carried by one machine, and five times as many records take no more memory.
// What a run must prove before it counts is the package trial's: the balance, that the org holds each row, and that it saved each once.
func TestAMillionRecordsTakeNoMoreMemoryThanFewer(t *testing.T) {
	const most, smalls = 1.2, 3
	self, err := trial.Self()
	if err != nil {
		t.Fatal(err)
	}
	rep := &report.Report{Machine: origin.Machine(), Commit: origin.Commit(t.Context()), Settings: "the load of a test"}
	o := &loadFlags{frame: 500, publishers: 8}
	bin, done, err := o.binaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	load := func(n int64) *trial.Result {
		c := report.Case{Records: n, Chunk: people.Usual(), Failing: fewer}
		opts := o.options(n, bin, self)
		opts.Chunk, opts.Failing = c.Chunk, c.Failing
		res, err := trial.Run(t.Context(), opts)
		if err != nil {
			t.Fatalf("%s: %v", c.Words(), err)
		}
		if err := rep.Add(c, []*trial.Result{res}); err != nil {
			t.Fatal(err)
		}
		return res
	}
	// What a process holds at most is chance in part, and a load that takes five times as long meets it five times: so the fewer are loaded some times.
	few := load(small)
	for range smalls - 1 {
		if again := load(small); again.Peak.Services > few.Peak.Services {
			few = again
		}
	}
	many := load(usual)
	t.Log("\n" + rep.Table())
	if ratio := float64(many.Peak.Services) / float64(few.Peak.Services); ratio > most {
		t.Errorf("the services took %d bytes for %d records and %d for %d: %.2f times as much", few.Peak.Services, few.Records, many.Peak.Services, many.Records, ratio)
	}
	if want := float64(many.Records) * fewer; float64(many.FailedAtFirst) < 0.9*want || float64(many.FailedAtFirst) > 1.1*want {
		t.Errorf("%d of %d failed at first, wanted some %.0f", many.FailedAtFirst, many.Records, want)
	}
}
