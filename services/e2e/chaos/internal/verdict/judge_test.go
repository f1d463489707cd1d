package verdict

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestARunThatIsAsItMustBe(t *testing.T) {
	t.Run("passes, and everything in it was looked at", func(t *testing.T) {
		v := judged(t, sample())
		if !v.OK || len(v.Findings) != 0 {
			t.Fatalf("%+v", v.Findings)
		}
		for _, what := range []string{
			"records", "landed", "dead", "unresolved", "superseded", "inserts", "rows", "versions", "fields", "uploaded_rows", "jobs", "resends",
			"open_letters", "letters", "replayed", "samples", "marks", "balances", "calls",
		} {
			if v.Checked[what] == 0 {
				t.Errorf("nothing of %q was checked: %v", what, v.Checked)
			}
		}
	})
	t.Run("is judged alike from its files", func(t *testing.T) {
		dir := t.TempDir()
		if err := history.Store(dir, sample()); err != nil {
			t.Fatal(err)
		}
		v, err := Judge(dir)
		if err != nil || !v.OK || v.Seed != 7 {
			t.Fatalf("%+v, %v", v, err)
		}
	})
	t.Run("tells what was injected and what recovered", func(t *testing.T) {
		v := judged(t, sample())
		if v.Faults["kill"] != 1 || v.Faults["org"] != 1 || v.Faults["org:lose_rows"] != 1 || v.Faults["cut"] != 0 {
			t.Errorf("faults: %v", v.Faults)
		}
		if len(v.Recoveries) != 1 || v.Recoveries[0].Target != "submitter-1" || v.Recoveries[0].Seconds != 0.69 {
			t.Errorf("recoveries: %+v", v.Recoveries)
		}
	})
	t.Run("measures no recovery in which everything goes once more: the later one is measured", func(t *testing.T) {
		a := sample()
		a.Timeline = append(a.Timeline, history.Event{At: 600, What: "fault", Fault: "f9", Kind: history.KillAll, Target: "all", Done: true})
		for _, r := range judged(t, a).Recoveries {
			if r.Fault == "f1" {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("measures no service's recovery on a cluster of brokers", func(t *testing.T) {
		a := sample()
		a.Plan.Nodes = 3
		if v := judged(t, a); !v.OK || len(v.Recoveries) != 0 {
			t.Errorf("%+v, recoveries: %+v", v.Findings, v.Recoveries)
		}
	})
}

func judged(t *testing.T, run *history.All) history.Verdict {
	t.Helper()
	v, err := Of(run)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestARunThatCannotBeJudged(t *testing.T) {
	for name, spoil := range map[string]func(*history.All){
		"because the instrument failed":                              func(a *history.All) { a.Run.Harness = "no broker" },
		"because nothing was published":                              func(a *history.All) { a.Published = nil },
		"because it is not told what the records of a pipeline mean": func(a *history.All) { a.Pipelines = a.Pipelines[1:] },
		"because it is not told how often a record may be tried":     func(a *history.All) { a.Final.Attempts = nil },
		"because the reader of letters was not there":                func(a *history.All) { a.Letters = nil },
		"because every job is called somebody else's": func(a *history.All) {
			for i := range a.Jobs {
				a.Jobs[i].Foreign = true
			}
		},
		"because a job that wrote a row is missing": func(a *history.All) {
			gone := a.Jobs[0].ID
			a.Jobs = a.Jobs[1:]
			a.Rows = slices.DeleteFunc(a.Rows, func(r history.OrgRow) bool { return r.Job == gone })
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := sample()
			spoil(run)
			if v, err := Of(run); !errors.Is(err, ErrHarness) {
				t.Fatalf("%+v, %v", v, err)
			}
		})
	}
	for name, spoil := range map[string]func(*history.All){
		"because nobody took samples": func(a *history.All) { a.Samples = nil },
		"because the ledger could not be looked at": func(a *history.All) {
			for i := range a.Samples {
				a.Samples[i].Marks = nil
			}
		},
		"because ops could not be asked": func(a *history.All) {
			for i := range a.Samples {
				a.Samples[i].Balance = nil
			}
		},
		"because a mark is none": func(a *history.All) { a.Samples[1].Marks["parts"]["0"] = "far" },
	} {
		t.Run(name, func(t *testing.T) {
			run, dir := sample(), t.TempDir()
			spoil(run)
			if err := history.Store(dir, run); err != nil {
				t.Fatal(err)
			}
			if v, err := Judge(dir); !errors.Is(err, ErrHarness) {
				t.Fatalf("%+v, %v", v, err)
			}
		})
	}
	t.Run("because a file is missing", func(t *testing.T) {
		if _, err := Judge(t.TempDir()); err == nil {
			t.Fatal("no error")
		}
	})
}

// The judge proves nothing by code that it shares with what it judges.
func TestTheJudgeIsIndependent(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	want := []string{"bulkhead/services/e2e/chaos/internal/history", "bulkhead/services/e2e/chaos/internal/verdict"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("it imports %v", got)
	}
}
