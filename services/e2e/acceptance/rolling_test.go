package acceptance

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestRollingRestartsRedoNothing asks every service to stop and starts it anew, one after the other and twenty times, while records come in and the org
// takes its time over uploads and closes: what was begun is brought to its end first, so that no row is uploaded a second time for it.
func TestRollingRestartsRedoNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs, func(o *inprocess.Options) {
		o.Waits = record.ShortWaits()
		o.Waits.BindMaxAge, o.Waits.OrphanAge = record.DefaultWaits().BindMaxAge, record.DefaultWaits().OrphanAge // no job grows too old to be bound
	})
	for _, endpoint := range []simtest.Endpoint{simtest.Upload, simtest.Close} {
		s.Sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: endpoint}, Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(150 * time.Millisecond)},
		})
	}
	const rounds, each = 20, 20
	total := int64(0)
	midway := 0 // stops of the submitter with an upload in hand
	for round := range rounds {
		for _, name := range inprocess.Services() {
			prefix := fmt.Sprintf("R%02d%s", round, name[:3])
			s.publish("contacts", "", frame(prefix, each), true)
			total += each
			if name == "submitter" {
				since := len(s.Sim.Calls(0, simtest.Upload))
				s.Eventually("an upload has begun", func() bool { return len(s.Sim.Calls(0, simtest.Upload)) > since || !s.open("submitter") })
				if s.open("submitter") {
					midway++
				}
			}
			s.Stop(name)
			s.Start(name)
		}
	}
	if b := s.settle("contacts", total); b.Landed != total || b.Repeats != 0 {
		t.Errorf("%+v, want %d landed", b, total)
	}
	t.Run("the submitter was asked to stop while it had work in hand", func(t *testing.T) {
		if midway < rounds/2 {
			t.Errorf("in %d of %d rounds", midway, rounds)
		}
	})
	t.Run("as many uploads were made as jobs were closed, and no job was left behind", func(t *testing.T) {
		jobs, closed, uploads := s.Sim.Jobs(), s.closed(), s.Sim.Calls(0, simtest.Upload)
		if len(uploads) != len(closed) || len(jobs) != len(closed) || len(closed) < rounds {
			t.Errorf("%d uploads, %d jobs, of which %d were closed", len(uploads), len(jobs), len(closed))
		}
		if n := s.number(`SELECT count(*) FROM submitter_pub.jobs WHERE state = 'abandoned'`); n != 0 {
			t.Errorf("%d jobs were left behind", n)
		}
	})
	t.Run("each row was written once", func(t *testing.T) {
		rows := s.Sim.Records("Contact", true)
		if int64(len(rows)) != total {
			t.Errorf("%d rows, want %d", len(rows), total)
		}
		for _, r := range rows {
			if len(r.Versions) != 1 {
				t.Errorf("%s has %d versions", r.Fields["External_Id__c"], len(r.Versions))
			}
		}
	})
}
