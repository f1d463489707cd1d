package submit

import (
	"testing"

	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

func faultOnRow(keys ...string) simtest.Fault {
	return simtest.Fault{
		Where: &simtest.Where{Field: "External_Id__c", In: keys}, Times: simtest.Times(1),
		Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError},
	}
}

func refusedClose(times int) simtest.Fault {
	return simtest.Fault{
		Match: simtest.Match{Endpoint: simtest.Close}, Times: simtest.Times(times),
		Effect: simtest.Effect{Kind: simtest.Status, Status: 400, Code: "INVALIDJOB", Message: "InvalidJob : no"},
	}
}

func TestACloseRefusedForGoodIsAbortedAndItsRowsComeBack(t *testing.T) {
	b := newBench(t)
	b.sim.AddFault(refusedClose(2))
	r := NewRunner(b.config)

	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(first)
	b.untilSubmitted(r, first)
	job := b.sim.AwaitJob(b.text(first, "job_id"), "finished")
	if job.State != "Aborted" || job.Closed {
		t.Fatalf("the job is %s, closed %v; want Aborted and never closed", job.State, job.Closed)
	}
	if b.text(first, "close_refused") == "" {
		t.Error("the ledger does not say that the close was refused")
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 0 {
		t.Errorf("%d pauses after one refusal, want none", n)
	}
	b.outcome(first, "uuuuu")
	b.end(first)
	if got := b.stage(first); got != StageNothingSent {
		t.Errorf("with every row unprocessed the submission is %s, want nothing_sent", got)
	}

	// The rows come back in a resend, whose close is refused too: the second in a row.
	resend := b.seal(record.ChunkResend, 0, accountRows("a", 5)...)
	b.note(resend)
	b.untilSubmitted(r, resend)
	if got := ask[string](b, `SELECT class || ' ' || code FROM submitter.pauses WHERE pipeline = 'accounts'`); got != "permission INVALIDJOB" {
		t.Errorf("the pause says %q, want permission INVALIDJOB", got)
	}
	b.outcome(resend, "uuuuu")
	b.end(resend)
	again := b.seal(record.ChunkResend, 0, accountRows("a", 5)...)
	b.note(again)
	if n := b.turns(r, 3); n != 0 {
		t.Fatalf("%d submissions claimed while paused, want none", n)
	}
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) SELECT id, 'someone', 'repaired' FROM submitter.pauses`)
	b.untilSubmitted(r, again)
	b.landedOnce(again)
}

func TestARefusalOfACloseThatGotThroughBeforeIsNone(t *testing.T) {
	b := newBench(t)
	b.sim.AddFault(simtest.Fault{
		Match:  simtest.Match{Endpoint: simtest.Close},
		Effect: simtest.Effect{Kind: simtest.Status, When: "after", Status: 400, Code: "INVALIDJOBSTATE", Message: "no"},
	})
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	b.untilSubmitted(NewRunner(b.config), c)
	b.landedOnce(c)
	if got := b.text(c, "close_refused"); got != "" {
		t.Errorf("close_refused is %q, want nothing: the job is closed", got)
	}
}

func TestAnAbortThatIsLostIsRepeatedAfterALook(t *testing.T) {
	for name, effect := range map[string]simtest.Effect{
		"before the effect": {Kind: simtest.DropBefore}, "after the effect": {Kind: simtest.DropAfter},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.sim.AddFault(refusedClose(0))
			b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Abort}, Effect: effect})
			c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
			b.note(c)
			b.untilSubmitted(NewRunner(b.config), c)
			if job := b.sim.AwaitJob(b.text(c, "job_id"), "finished"); job.State != "Aborted" {
				t.Errorf("the job is %s, want Aborted", job.State)
			}
			if n := len(b.sim.Jobs()); n != 1 {
				t.Errorf("%d jobs, want 1: from the bind on there is one", n)
			}
		})
	}
}

func TestACreateRefusedForGoodPausesThePipeline(t *testing.T) {
	b := newBench(t)
	b.sim.AddFault(simtest.Fault{
		Match:  simtest.Match{Endpoint: simtest.Create},
		Effect: simtest.Effect{Kind: simtest.Status, Status: 400, Code: "INVALIDJOB", Message: "InvalidJob : Unable to find object: Account"},
	})
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	r := NewRunner(b.config)
	b.turns(r, 5)
	if got := ask[string](b, `SELECT class || ' ' || code FROM submitter_pub.pauses WHERE pipeline = 'accounts'`); got != "permission INVALIDJOB" {
		t.Errorf("the pause says %q, want permission INVALIDJOB", got)
	}
	if n := len(b.sim.Calls(0, simtest.Create)); n != 1 {
		t.Errorf("%d creates, want 1: the pipeline is paused", n)
	}
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) SELECT id, 'someone', 'repaired' FROM submitter.pauses`)
	b.untilSubmitted(r, c)
	b.landedOnce(c)
}

func TestUploadsRefusedInARowPauseThePipeline(t *testing.T) {
	b := newBench(t)
	b.sim.AddFault(simtest.Fault{
		Match: simtest.Match{Endpoint: simtest.Upload}, Times: simtest.Times(0),
		Effect: simtest.Effect{Kind: simtest.Status, Status: 400, Code: "BULK_API_ERROR", Message: "too large"},
	})
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	b.turns(NewRunner(b.config), 20)
	if n := len(b.sim.Calls(0, simtest.Upload)); n != uploadsRefused {
		t.Errorf("%d uploads before the pause, want %d", n, uploadsRefused)
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 1 {
		t.Errorf("%d pauses, want 1", n)
	}
}
