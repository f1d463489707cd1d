//go:build planted

package account

import (
	"testing"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// plant switches a bug on for one test. Bugs are the process's, so nothing here is parallel.
func plant(t *testing.T, bug planted.Bug) {
	t.Helper()
	if err := planted.Set(bug); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = planted.Set(planted.None) })
}

func TestPlantedBugsOfTheAccounting(t *testing.T) {
	complete := Job{State: salesforce.StateJobComplete, Processed: 3, Failed: 1}
	states := func(bug planted.Bug, job Job, say func(*Reading)) string {
		plant(t, bug)
		r := NewReading(index(t, nil, "a", "b", "c"), nil)
		if say != nil {
			say(r)
		}
		return string(r.Finish(job).States)
	}
	for _, c := range []struct {
		bug           planted.Bug
		job           Job
		say           func(*Reading)
		right, broken string
		does          string
	}{
		{planted.MatchingByPosition, complete, func(r *Reading) {
			r.Landed("a", id18(1), true)
			r.Landed("c", id18(3), true)
			r.Failed("b", "", "UNABLE_TO_LOCK_ROW:x:--")
		}, "lfl", "llf", "takes the second row for landed that failed"},
		{planted.ResultsOfAbortedJobsIgnored, Job{State: salesforce.StateAborted}, nil, "mmm", "uuu", "takes every row of an aborted job for unprocessed"},
		{planted.SendAgainOn404, Job{State: JobGone}, nil, "mmm", "uuu", "takes every row of a job that is gone for unprocessed"},
		{planted.EndOfFileTakenAsComplete, complete, func(r *Reading) { r.Landed("a", id18(1), true) }, "lmm", "luu", "takes rows for unprocessed that a short file does not tell of"},
		{planted.ResendOfTheWholeChunk, complete, func(r *Reading) {
			r.Landed("a", id18(1), true)
			r.Landed("c", id18(3), true)
			r.Failed("b", "", "UNABLE_TO_LOCK_ROW:x:--")
		}, "lfl", "ufu", "sends landed rows again with the one that failed"},
	} {
		t.Run(string(c.bug)+" "+c.does, func(t *testing.T) {
			if got := states(planted.None, c.job, c.say); got != c.right {
				t.Errorf("without it %s, want %s", got, c.right)
			}
			if got := states(c.bug, c.job, c.say); got != c.broken {
				t.Errorf("with it %s, want %s", got, c.broken)
			}
		})
	}
	t.Run("end_of_file_taken_as_complete settles files that differ from the counters", func(t *testing.T) {
		read := Read{Sent: 3, Landed: 1}
		plant(t, planted.None)
		if v := Decide(complete, read, Past{}, record.DefaultWaits(), at0); v.Step != StepAgain {
			t.Error(v)
		}
		plant(t, planted.EndOfFileTakenAsComplete)
		if v := Decide(complete, read, Past{}, record.DefaultWaits(), at0); v.Step != StepSettle {
			t.Error(v)
		}
	})
	t.Run("results_of_aborted_jobs_ignored reads no file of an aborted job", func(t *testing.T) {
		plant(t, planted.ResultsOfAbortedJobsIgnored)
		if (Job{State: salesforce.StateAborted}).HasFiles() || !complete.HasFiles() {
			t.Error("the wrong files are read")
		}
	})
}
