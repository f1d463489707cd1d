package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/report"
	"bulkhead/services/e2e/bench/internal/stages"
	"bulkhead/services/e2e/bench/internal/trial"
)

func TestExecute(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"helps when nothing is asked for":              {nil, exitDone, "trickle"},
		"refuses a flag that there is not":             {[]string{"run", "--colour"}, exitMisuse, "colour"},
		"refuses to load nothing":                      {[]string{"run", "--records", "0"}, exitMisuse, "at least 1"},
		"refuses no runs":                              {[]string{"run", "--runs", "0"}, exitMisuse, "--runs"},
		"refuses a profile of several runs":            {[]string{"run", "--records", "10", "--profile", "x"}, exitMisuse, "--runs 1"},
		"refuses to have everything refused":           {[]string{"run", "--failing", "1"}, exitMisuse, "--failing"},
		"refuses a page without a place for it":        {[]string{"run", "--markdown", "doc.go"}, exitMisuse, "--markdown"},
		"refuses a command that there is not":          {[]string{"walk"}, exitMisuse, "walk"},
		"refuses what stands behind a command":         {[]string{"run", "fast"}, exitMisuse, "fast"},
		"refuses a page without a place for a trickle": {[]string{"trickle", "--markdown", "doc.go"}, exitMisuse, "--markdown"},
		"refuses stages of nothing":                    {[]string{"stages"}, exitMisuse, "one directory"},
		"says where stages would stand":                {[]string{"stages", "gone"}, exitFailed, "result.json"},
		"refuses a trickle of nothing":                 {[]string{"trickle", "--for", "1ms"}, exitMisuse, "at least one record"},
		"tells of a publisher that has nobody there":   {[]string{"publish", "--nats", "nats://127.0.0.1:1", "--records", "1"}, exitFailed, "connect to NATS"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := execute(t.Context(), c.args, &out, &errOut)
			if said := out.String() + errOut.String(); code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("exit %d, want %d; it says %q", code, c.code, said)
			}
		})
	}
}

func TestCases(t *testing.T) {
	none := func(string) bool { return false }
	t.Run("are those with bounds unless something else is asked for", func(t *testing.T) {
		o := &runFlags{}
		if got := o.cases(none); !slices.Equal(got, standard()) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("have what flags ask for", func(t *testing.T) {
		o := &runFlags{records: []int64{7, 8}}
		o.chunk, o.failing = people.Chunk{Rows: 3, Bytes: 4, Age: time.Second}, 0.5
		want := []report.Case{{Records: 7, Chunk: o.chunk, Failing: 0.5}, {Records: 8, Chunk: o.chunk, Failing: 0.5}}
		if got := o.cases(func(flag string) bool { return flag == "records" }); !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("are the usual numbers of records when only chunks are asked for", func(t *testing.T) {
		o := &runFlags{largest: true}
		got := o.cases(none)
		if len(got) != 2 || got[0].Records != small || got[1].Records != usual || got[1].Chunk != people.Largest() {
			t.Errorf("%+v", got)
		}
	})
	t.Run("end with the largest load where growth is asked for", func(t *testing.T) {
		o := &runFlags{growth: true}
		o.chunk, o.failing = people.Usual(), failing
		got := o.cases(none)
		last := report.Case{Records: huge, Chunk: people.Load(), Failing: failing, Rate: report.SteadyRate}
		beside := last
		beside.Records = usual
		if len(got) != len(standard())+2 || got[len(got)-1] != last || got[len(got)-2] != beside {
			t.Errorf("%+v", got)
		}
	})
	t.Run("are run in rounds, and what is run once in the middle of them", func(t *testing.T) {
		o := &runFlags{growth: true, runs: 3}
		got := o.turns([]report.Case{{Records: small}, {Records: usual}, {Records: huge}})
		want := []turn{{0, 3}, {1, 3}, {0, 3}, {1, 3}, {2, 1}, {0, 3}, {1, 3}}
		if !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
	t.Run("are loaded by other clients once for each number of records", func(t *testing.T) {
		if got := loads(standard()); !slices.Equal(got, []int64{small, usual}) {
			t.Errorf("%v", got)
		}
	})
}

func TestBroken(t *testing.T) {
	t.Run("names each bound that was measured and does not hold", func(t *testing.T) {
		err := broken([]report.Bound{{What: "a", Limit: 1, Value: 2, Known: true}, {What: "b", Limit: 1, Value: 1, Known: true}, {What: "c", Limit: 1, Value: 9}})
		if err == nil || !strings.Contains(err.Error(), "a: 2") || strings.Contains(err.Error(), "b:") || strings.Contains(err.Error(), "c:") {
			t.Error(err)
		}
	})
	t.Run("is nothing when all hold", func(t *testing.T) {
		if err := broken(nil); err != nil {
			t.Error(err)
		}
	})
}

func TestStageTable(t *testing.T) {
	t.Run("gives each stage its part of what the process used, and sums up", func(t *testing.T) {
		res := &trial.Result{Records: 1_000_000, CPU: trial.CPU{Services: 8, Broker: 1, Postgres: 6}, PostgresBy: map[string]float64{"b": 2, "a": 4}}
		got := stageTable(res, []stages.Share{{Stage: "extract", Part: 0.75}, {Stage: "submit", Part: 0.25}})
		want := "| stage | µs of CPU a record |\n| --- | ---: |\n| extract | 6.00 |\n| submit | 2.00 |\n| **services** | 8.00 |\n" +
			"| PostgreSQL: a | 4.00 |\n| PostgreSQL: b | 2.00 |\n| **PostgreSQL** | 6.00 |\n| **nats-server** | 1.00 |\n| **together** | 15.00 |\n"
		if got != want {
			t.Error(got)
		}
	})
}
