package acceptance

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// TestResultsOfUnfinishedJobs: what an org shows of the results while a job still runs is no answer, however whole it looks: a header without rows, or the
// rows of the transactions so far. Results are read when the job has ended, and a job that seems to go back has not.
func TestResultsOfUnfinishedJobs(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	total := int64(0)
	for i, position := range []simtest.Position{"header_only", "partial"} {
		s.Sim.Move("unfinished_results", position)
		for k, c := range []struct {
			name   string
			effect simtest.Effect
		}{
			{"goes back in its middle", simtest.Effect{Kind: simtest.JobBackwards, Rows: simtest.AfterRows(200), Count: 2}},
			{"seems to go back after its end", simtest.Effect{Kind: simtest.JobBackwards, Count: 2}},
			{"stands still in its middle", simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(200), Duration: simtest.Duration(time.Second)}},
			{"is aborted in its middle", simtest.Effect{Kind: simtest.JobAbort, Rows: simtest.AfterRows(200)}},
		} {
			t.Run(fmt.Sprintf("%s, a job %s", position, c.name), func(t *testing.T) {
				const n = 500
				s.Sim.AddFault(simtest.Fault{Match: simtest.Match{Object: "Contact"}, Effect: c.effect})
				before := len(s.closed())
				s.publish("contacts", "", frame(fmt.Sprintf("U%d%d", i, k), n), true)
				total += n
				if b := s.settle("contacts", total); b.Landed != total || len(b.Failed) != 0 {
					t.Errorf("%+v", b)
				}
				reads := 0
				for _, j := range s.closed()[before:] {
					ended := j.History[len(j.History)-1].At
					for _, call := range s.Sim.Calls(0, "") {
						if call.Job != j.ID || call.Endpoint != string(simtest.Successful) && call.Endpoint != string(simtest.FailedRows) && call.Endpoint != string(simtest.Unprocessed) {
							continue
						}
						if reads++; call.At.Before(ended) {
							t.Errorf("the %s rows of %s were read %s before it ended", call.Endpoint, j.ID, ended.Sub(call.At))
						}
					}
				}
				if reads == 0 {
					t.Error("no results were read")
				}
			})
		}
	}
	t.Run("no row landed twice, and none was lost", func(t *testing.T) {
		if rows := s.Sim.Counts()["Contact"].Rows; int64(rows) != total {
			t.Errorf("%d rows in the org, want %d", rows, total)
		}
		for _, r := range s.Sim.Records("Contact", true) {
			if len(r.Versions) != 1 {
				t.Errorf("%s was written %d times", r.Fields["External_Id__c"], len(r.Versions))
			}
		}
	})
}
