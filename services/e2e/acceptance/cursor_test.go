package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestARestartGoesOnAtTheCursor: status shows how far extractor and reconciler have come, and one that is started again reads nothing twice that was decided.
func TestARestartGoesOnAtTheCursor(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs, func(o *inprocess.Options) {
		o.Waits = record.ShortWaits()
		o.Waits.Settle = 6 * time.Second // between two reads, so that the reconciler can be met between them
	})
	const n = 60
	s.Sim.AddFault(simtest.Fault{Match: simtest.Match{Object: "Contact"}, Effect: simtest.Effect{Kind: simtest.JobFail, Rows: simtest.AfterRows(20), Message: "InternalServerError : it broke"}})
	s.publish("contacts", "", frame("C", n), true)
	var status struct {
		Pipelines []struct {
			Name        string
			Checkpoints []struct {
				Lane int
				Seq  uint64
			}
		}
		Items []struct{ Owner, Kind, Note string } `json:"open_items"`
	}
	s.Eventually("the reconciler has read once", func() bool {
		status.Items, status.Pipelines = nil, nil
		s.Ask(http.MethodGet, "/v1/status", nil, &status)
		for _, i := range status.Items {
			if i.Owner == "reconciler" && strings.Contains(i.Note, "complete reads: 1") {
				return true
			}
		}
		return false
	})
	before := fmt.Sprint(status.Pipelines)
	if !strings.Contains(before, "contacts") {
		t.Fatalf("status shows no checkpoint: %s", before)
	}
	for _, name := range []string{"reconciler", "extractor"} {
		s.Stop(name)
		s.Start(name)
	}
	b := s.settle("contacts", n)
	if b.Landed != n || b.Repeats != 0 {
		t.Errorf("%+v: what was decided was decided again", b)
	}
	for _, j := range s.closed() {
		if j.State != "Failed" {
			continue
		}
		reads := 0
		for _, c := range s.Sim.Calls(0, simtest.Successful) {
			if c.Job == j.ID && c.Status == http.StatusOK {
				reads++
			}
		}
		if reads != 2 {
			t.Errorf("the files of job %s were read %d times: one before the restart, and one behind it", j.ID, reads)
		}
	}
	status.Pipelines = nil
	s.Ask(http.MethodGet, "/v1/status", nil, &status)
	if after := fmt.Sprint(status.Pipelines); after != before {
		t.Errorf("the extractor's checkpoints are %s, and were %s when everything was read", after, before)
	}
}
