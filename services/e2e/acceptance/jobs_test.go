package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// TestAJobThatEndsBadly goes through the ends that a job can have beside JobComplete: every kind of result is read, what is not known to have landed
// is sent again, and what was never tried counts no attempt.
func TestAJobThatEndsBadly(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	for i, c := range []struct {
		name  string
		kind  simtest.Effect
		state string
		text  string
	}{
		{"fails", simtest.Effect{Kind: simtest.JobFail, Rows: simtest.AfterRows(200), Message: "InternalServerError : Retried more than fifteen times"}, "Failed", "fifteen times"},
		{"is aborted", simtest.Effect{Kind: simtest.JobAbort, Rows: simtest.AfterRows(200)}, "Aborted", ""},
	} {
		t.Run("a job that "+c.name+" in its middle", func(t *testing.T) {
			const n = 500
			s.Sim.AddFault(simtest.Fault{Match: simtest.Match{Object: "Account"}, Effect: c.kind})
			prefix, jobs := fmt.Sprintf("J%d", i), len(s.closed())
			var b strings.Builder
			for _, k := range keysOf(prefix, 0, n) {
				fmt.Fprintf(&b, "{\"id\":%q,\"name\":\"Ltd\"}\n", k)
			}
			s.publish("accounts", "", []byte(b.String()), true)
			total := int64((i + 1) * n)
			bal := s.settle("accounts", total)
			if bal.Landed != total || len(bal.Failed) != 0 {
				t.Errorf("an unprocessed row counts as an attempt, or was lost: %+v", bal)
			}
			var bad *simtest.Job
			for _, j := range s.closed()[jobs:] {
				if string(j.State) == c.state {
					bad = &j
				}
			}
			if bad == nil {
				t.Fatalf("no job %s: %+v", c.name, s.closed()[jobs:])
			}
			reads := map[string][]time.Time{}
			for _, call := range s.Sim.Calls(0, "") {
				if call.Job == bad.ID {
					reads[call.Endpoint] = append(reads[call.Endpoint], call.At)
				}
			}
			for _, kind := range []string{"success", "failed", "unprocessed"} {
				if len(reads[kind]) < 2 {
					t.Errorf("the %s rows were read %d times: what two reads say must be equal", kind, len(reads[kind]))
				}
			}
			if got := s.number(`SELECT count(*) FROM reconciler.outcomes WHERE job_id = $1 AND job_state = $2 AND unprocessed > 0 AND landed > 0 AND error_message LIKE '%' || $3 || '%'`,
				bad.ID, c.state, c.text); got != 1 {
				t.Error("the outcome does not keep the state and its message")
			}
			if got := s.number(`SELECT count(*) FROM reconciler.failures WHERE outcome = 'unprocessed' AND attempt = 0 AND class = '' AND chunk IN
				(SELECT chunk FROM reconciler.outcomes WHERE job_id = $1)`, bad.ID); got == 0 {
				t.Error("unprocessed rows have no failure with its payload, or count a try")
			}
			times := map[string]int{}
			for _, j := range s.closed()[jobs:] {
				for _, r := range s.Sim.Rows(j.ID) {
					if r.Outcome == "created" || r.Outcome == "updated" {
						times[r.Key]++
					}
				}
			}
			for k, n := range times {
				if n != 1 {
					t.Errorf("%s landed %d times", k, n)
				}
			}
		})
	}
}

// TestResultsThatCannotBeReadAtFirst: the org has the rows and the results break again and again. Only the reading is repeated.
func TestResultsThatCannotBeReadAtFirst(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	for _, f := range []simtest.Fault{
		{Match: simtest.Match{Endpoint: simtest.Successful}, Times: simtest.Times(9), Effect: simtest.Effect{Kind: simtest.Status, Status: 500, Code: "UNKNOWN_EXCEPTION", Message: "try later"}},
		{Match: simtest.Match{Endpoint: simtest.FailedRows}, Times: simtest.Times(4), Effect: simtest.Effect{Kind: simtest.DropBefore}},
		{Match: simtest.Match{Endpoint: simtest.Successful}, Times: simtest.Times(2), Effect: simtest.Effect{Kind: simtest.Truncate, Bytes: 700}},
	} {
		s.Sim.AddFault(f)
	}
	s.failing(noLastName, 0, "C-0003")
	s.publish("contacts", "", frame("C", 100), true)
	b := s.settle("contacts", 100)
	if b.Landed != 99 || b.Dead != 1 {
		t.Errorf("%+v", b)
	}
	sent := map[string]int{}
	for _, j := range s.closed() {
		for _, r := range s.Sim.Rows(j.ID) {
			sent[r.Key]++
		}
	}
	for k, n := range sent {
		if n != 1 {
			t.Errorf("%s was sent %d times", k, n)
		}
	}
	for _, f := range s.Sim.Faults() {
		if f.Hits == 0 {
			t.Errorf("a fault never struck: %+v", f)
		}
	}
}
