package submit

import (
	"strings"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
)

// actAs makes the bench's calls those of another user of the org.
func (b *bench) actAs(username string) {
	b.t.Helper()
	client, err := salesforce.New(salesforce.Config{
		LoginURL: b.sim.URL, ClientID: b.sim.ClientID, Username: username, PrivateKey: func() ([]byte, error) { return b.sim.PrivateKey(), nil },
		AllowInsecureLoopback: true, Retry: salesforce.Retry{Tries: 2, Base: time.Millisecond, Max: 2 * time.Millisecond},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.client = client
}

// A job belongs to the user who made it. When the org's document names another user while a job is bound, no second job may take its place: the first
// one may have been closed for all that is known.
func TestAJobOfAnotherUserIsNeverReplaced(t *testing.T) {
	const stranger = "successor@bulkhead.example"
	b := newBench(t)
	b.sim.PutUser(stranger, nil)
	r := NewRunner(b.config)
	bound := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(bound)
	b.refuse = errNoBroker // it is bound and not closed
	b.turns(r, 2)
	if got := b.stage(bound); got != StageBound {
		t.Fatalf("the chunk is %s, want bound", got)
	}
	b.refuse = nil

	b.actAs(stranger)
	b.turns(r, 5)
	if got, jobs := b.stage(bound), len(b.sim.Jobs()); got != StageBound || jobs != 1 {
		t.Errorf("with a user who may do nothing with the job the chunk is %s, with %d jobs in the org; want bound and one", got, jobs)
	}
	if got := ask[string](b, `SELECT class || ' ' || code || ' ' || message FROM submitter.pauses`); !strings.HasPrefix(got, "permission INVALIDUSER") {
		t.Errorf("a person is told %q, want that the job is another user's", got)
	}

	// With the permission to manage jobs the new user may look at it and abort it. Closing is for its creator alone.
	b.sim.PutUser(stranger, map[string]any{"manage_data_integrations": true})
	b.sim.AddFault(simtest.Fault{
		Match: simtest.Match{Endpoint: simtest.Close, Job: b.text(bound, "job_id")}, Times: simtest.Times(0),
		Effect: simtest.Effect{Kind: simtest.Status, Status: 400, Code: "INVALIDUSER", Message: "InvalidUser : only its creator closes a job"},
	})
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) SELECT id, 'someone', 'the user may manage jobs now' FROM submitter.pauses`)
	b.untilSubmitted(r, bound)
	if job := b.sim.AwaitJob(b.text(bound, "job_id"), "finished"); job.State != "Aborted" || job.Closed {
		t.Errorf("the job of the user before is %s, closed %v; want Aborted and never closed", job.State, job.Closed)
	}
	b.outcome(bound, "uuuuu")
	b.end(bound)
	again := b.seal(record.ChunkResend, 0, accountRows("a", 5)...)
	b.note(again)
	b.untilSubmitted(r, again)
	b.landedOnce(again)
}
