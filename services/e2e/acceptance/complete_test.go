package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// TestAJobThatIsCompleteAndLandsNothing: JobComplete says that every row was attempted, never that one is well.
func TestAJobThatIsCompleteAndLandsNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	const n = 300
	s.Sim.AddFault(simtest.Fault{
		Match: simtest.Match{Object: "Contact"}, Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.RowError, Error: noLastName},
	})
	s.publish("contacts", "file", frame("C", n), true)
	b := s.settle("contacts", n)
	t.Run("the org calls the job complete, with every row failed", func(t *testing.T) {
		for _, j := range s.closed() {
			if j.State != "JobComplete" || j.Processed == 0 || j.Failed != j.Processed {
				t.Errorf("%+v", j)
			}
		}
	})
	t.Run("the balance says that nothing landed and everything is dead", func(t *testing.T) {
		if b.Landed != 0 || b.Dead != n || b.Failed["data"] != n {
			t.Errorf("%+v", b)
		}
	})
	t.Run("the metrics say so too", func(t *testing.T) {
		metrics := string(s.Get("/metrics"))
		for state, count := range map[string]int{"landed": 0, "dead": n} {
			if line := fmt.Sprintf("bulkhead_records{pipeline=%q,state=%q} %d\n", "contacts", state, count); !strings.Contains(metrics, line) {
				t.Errorf("the metrics do not say %s", line)
			}
		}
	})
	t.Run("there is one letter for each, and the outcome keeps that a complete job landed nothing", func(t *testing.T) {
		for _, l := range s.awaitLetters("contacts", n) {
			if l.Class != "data" || l.Code != "REQUIRED_FIELD_MISSING" {
				t.Errorf("%+v", l)
			}
		}
		if got := s.number(`SELECT count(*) FROM reconciler.outcomes WHERE job_state = 'JobComplete' AND landed = 0 AND failed = rows`); got == 0 {
			t.Error("no outcome keeps that a complete job landed nothing")
		}
	})
}
