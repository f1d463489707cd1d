package acceptance

import (
	"testing"

	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestNoJobOfOursStaysOpen: replies are lost around the calls that make a job, and the submitter is taken away in the middle. Jobs are left behind, which
// is harmless; they are aborted, and each row has been in one closed job.
func TestNoJobOfOursStaysOpen(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs, func(o *inprocess.Options) { o.Orphans = "abort" })
	for _, e := range []simtest.Endpoint{simtest.Create, simtest.Upload, simtest.Close} {
		s.Sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: e}, Times: simtest.Times(2), Effect: simtest.Effect{Kind: simtest.DropAfter}})
	}
	const n = 80
	for i, k := range keysOf("C", 0, n) {
		s.publish("contacts", "evt-"+k, contact(k), false)
		if i == n/2 {
			s.Sim.AwaitCall(0, simtest.Upload, false)
			s.Stop("submitter")
			s.Start("submitter")
		}
	}
	if b := s.settle("contacts", n); b.Landed != n {
		t.Errorf("%+v", b)
	}
	left := 0
	for _, j := range s.Sim.Jobs() {
		if !j.Closed {
			left++
		}
	}
	if left == 0 {
		t.Error("no job was left behind: nothing is shown")
	}
	s.Eventually("no job is open", func() bool {
		for _, j := range s.Sim.Jobs() {
			if j.State == "Open" {
				return false
			}
		}
		return true
	})
	sent := map[string]int{}
	for _, j := range s.closed() {
		_, rows := s.uploaded(j.ID)
		for k := range rows {
			sent[k]++
		}
		if s.number(`SELECT count(*) FROM submitter.submissions WHERE job_id = $1`, j.ID) != 1 {
			t.Errorf("job %s was closed and belongs to no submission", j.ID)
		}
	}
	for k, times := range sent {
		if times != 1 {
			t.Errorf("%s was in %d closed jobs", k, times)
		}
	}
	if len(sent) != n {
		t.Errorf("%d records were sent, %d published", len(sent), n)
	}
}
