package submit

import (
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"

	"github.com/google/uuid"
)

// made are inserts that are told apart by their correlating field.
var made = shape{"Account", "insert", "External_Id__c", testSpace, testHeader}

// forget puts the ledger back to before the binding of a chunk: to a state in which it is not bound, or not noted at all.
func (b *bench) forget(c sealed, known bool) {
	b.t.Helper()
	b.exec(`DELETE FROM submitter.jobs WHERE chunk = $1`, c.id)
	b.exec(`UPDATE submitter.lanes SET holder = NULL WHERE holder = $1`, c.id)
	b.exec(`DELETE FROM submitter.submissions WHERE chunk = $1`, c.id)
	b.exec(`DELETE FROM submitter.bindings_read`)
	if known {
		b.note(c)
		return
	}
	b.exec(`DELETE FROM extractor.pieces WHERE chunk = $1`, c.id)
	b.exec(`DELETE FROM extractor.chunks WHERE chunk = $1`, c.id)
}

// recovered lets the recovery go on until it is done.
func (b *bench) recovered(r *Runner) {
	b.t.Helper()
	for range 100 {
		_, open, err := r.Recover(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if !open {
			return
		}
		b.exec(`UPDATE submitter.forgotten SET next_look_at = '-infinity', since = since - interval '1 hour'`)
	}
	b.t.Fatal("the recovery never ends")
}

func (b *bench) foundOut(r *Runner, want int) {
	b.t.Helper()
	if n, err := r.FindOut(b.t.Context()); err != nil || n != want {
		b.t.Fatalf("found %d forgotten jobs, %v; want %d", n, err, want)
	}
}

func TestAHealthyLedgerKnowsEachBindingThatWasTold(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	c := b.seal(record.ChunkFresh, 0, accountRows("A", 3)...)
	b.note(c)
	b.untilSubmitted(r, c)
	b.foundOut(r, 0)
	t.Run("what is known is not read again", func(t *testing.T) {
		if seq := ask[int](b, `SELECT seq FROM submitter.bindings_read`); seq != len(b.published) {
			t.Errorf("the mark stands at %d of %d", seq, len(b.published))
		}
		b.foundOut(r, 0)
	})
	t.Run("the fact says what the job carries", func(t *testing.T) {
		f := b.published[len(b.published)-1].GetJobBound()
		if f.GetOrg() != testOrg || f.GetFromSeq() != 1 {
			t.Errorf("%v", f)
		}
	})
}

// The last binding told may be known, as one that was bound before and told again: the ones before it are what counts.
func TestABindingToldAgainHidesNoForgottenOne(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	first, second := b.seal(record.ChunkFresh, 0, accountRows("A", 3)...), b.seal(record.ChunkFresh, 1, accountRows("B", 3)...)
	b.note(first)
	b.untilSubmitted(r, first)
	b.note(second)
	b.untilSubmitted(r, second)
	b.published = append(b.published, b.published[0])
	b.forget(second, false)
	b.foundOut(r, 1)
}

// TestWhatFlowNoLongerHoldsIsNotFoundOut: FLOW is all that the world remembers of a binding beside the org. Where it forgot, or is another stream, what the
// ledger has forgotten is gone.
func TestWhatFlowNoLongerHoldsIsNotFoundOut(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	c := b.seal(record.ChunkFresh, 0, accountRows("A", 3)...)
	b.note(c)
	b.untilSubmitted(r, c)
	told := b.published
	b.published = nil
	b.forget(c, false)
	b.foundOut(r, 0)
	b.published = told
	b.foundOut(r, 1)
}

func TestAnInsertThatTheLedgerStillKnowsIsBoundToItsJobAgain(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	c := b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("A", 3)...)
	b.note(c)
	b.untilSubmitted(r, c)
	job := b.text(c, "job_id")
	b.forget(c, true)
	other := b.seal(record.ChunkFresh, 1, accountRows("B", 2)...)
	b.note(other)

	b.turns(r, 1)
	if stage := b.stage(c); stage == StageBound || stage == StageSubmitted {
		t.Fatalf("the chunk is %s before its job was found", stage)
	}
	t.Run("while its job is not known to have ended nothing is bound", func(t *testing.T) {
		b.turns(r, 3)
		if n := len(b.closedJobs()); n != 1 {
			t.Errorf("%d jobs were closed", n)
		}
		if b.text(other, "waiting_for") == "" || b.stage(other) == StageBound {
			t.Errorf("another chunk is %s and waits for %q", b.stage(other), b.text(other, "waiting_for"))
		}
	})
	b.sim.AwaitJob(job, "finished")
	b.recovered(r)
	b.untilSubmitted(r, c)
	b.untilSubmitted(r, other)
	if got := b.text(c, "job_id"); got != job {
		t.Errorf("bound to %s, want %s", got, job)
	}
	if n := len(b.closedJobs()); n != 2 {
		t.Errorf("%d jobs were closed, want that of each chunk", n)
	}
	b.foundOut(r, 0)
}

func TestAnInsertThatAForgottenJobMayHaveCarriedIsNotSent(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	lost := b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("A", 3)...)
	b.exec(`UPDATE extractor.chunks SET first_seq = 1, last_seq = 3`)
	b.note(lost)
	b.untilSubmitted(r, lost)
	b.sim.AwaitJob(b.text(lost, "job_id"), "finished")
	b.forget(lost, false)
	// The records are read again, with others behind them.
	again := b.sealAs(made, accounts, record.ChunkFresh, 0, append(accountRows("A", 3), oneRow(4, "A-3", "new", ""), oneRow(5, "A-4", "new", ""))...)
	b.note(again)
	behind := b.sealAs(made, accounts, record.ChunkFresh, 1, oneRow(9, "Z-9", "new", ""))
	b.note(behind)
	b.turns(r, 3)
	b.recovered(r)
	b.turns(r, 5)
	if got := b.stage(again); got != StageSent {
		t.Fatalf("the chunk is %s, want sent", got)
	}
	if !ask[bool](b, `SELECT doubted_at IS NOT NULL AND answered_at IS NOT NULL FROM submitter.submissions WHERE chunk = $1`, again.id) {
		t.Error("it is not said that it is in doubt")
	}
	t.Run("the rows in doubt are those that the job may have carried", func(t *testing.T) {
		if from, to := ask[int](b, `SELECT first_row FROM submitter.calls`), ask[int](b, `SELECT end_row FROM submitter.calls`); from != 0 || to != 3 {
			t.Errorf("rows %d to %d, want 0 to 3", from, to)
		}
	})
	t.Run("it holds its lane, and the reconciler is told", func(t *testing.T) {
		if h := b.holder(0); h.UUID != again.id {
			t.Errorf("the lane is held by %v", h)
		}
		if n := ask[int](b, `SELECT count(*) FROM submitter.outbox WHERE subject = 'flow.accounts.chunk_answered'`); n != 1 {
			t.Errorf("%d facts", n)
		}
	})
	t.Run("what stands behind is sent", func(t *testing.T) { b.untilSubmitted(r, behind) })
	if n := len(b.closedJobs()); n != 2 {
		t.Errorf("%d jobs were closed", n)
	}
	t.Run("what comes back of it is sent, since it was found not to be there", func(t *testing.T) {
		b.insert("reconciler", "failures", map[string]any{"chunk": again.id, "pipeline": accounts, "row": 1})
		row := oneRow(2, "A-1", "again", "")
		row.records[0].FailureId = ask[int64](b, `SELECT max(id) FROM reconciler.failures`)
		b.outcome(again, "lllll")
		b.end(again)
		resend := b.sealAs(made, accounts, record.ChunkResend, 0, row)
		b.note(resend)
		b.untilSubmitted(r, resend)
		b.outcome(resend, "l")
		b.end(resend)
	})
	t.Run("a resend of what failed before the ledger was restored is in doubt", func(t *testing.T) {
		old := b.sealAs(made, accounts, record.ChunkFresh, 0, oneRow(3, "A-2", "old", ""))
		b.note(old)
		b.exec(`UPDATE submitter.submissions SET state = 'reconciled', bound_at = now() - interval '1 day', ended_at = now() WHERE chunk = $1`, old.id)
		b.insert("reconciler", "failures", map[string]any{"chunk": old.id, "pipeline": accounts, "row": 0})
		b.exec(`UPDATE submitter.lanes SET holder = NULL`)
		b.exec(`UPDATE extractor.chunks SET reconciled_at = now() WHERE chunk = $1`, old.id)
		row := oneRow(3, "A-2", "old", "")
		row.records[0].FailureId = ask[int64](b, `SELECT max(id) FROM reconciler.failures`)
		resend := b.sealAs(made, accounts, record.ChunkResend, 0, row)
		b.note(resend)
		b.turns(r, 3)
		if b.stage(resend) != StageSent {
			t.Errorf("the resend is %s: %s %s", b.stage(resend), b.text(resend, "waiting_for"), b.text(resend, "last_error"))
		}
	})
}

func TestAnUpsertOfForgottenRecordsIsSentAgainWhenTheForgottenJobHasEnded(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	lost := b.seal(record.ChunkFresh, 0, accountRows("A", 3)...)
	b.note(lost)
	b.untilSubmitted(r, lost)
	b.sim.AwaitJob(b.text(lost, "job_id"), "finished")
	b.forget(lost, false)
	again := b.seal(record.ChunkFresh, 0, accountRows("A", 3)...)
	b.note(again)
	b.turns(r, 3)
	b.recovered(r)
	b.untilSubmitted(r, again)
}

func TestAForgottenJobThatIsOpenIsAborted(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	job, err := b.client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "insert"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := salesforce.ID18(job.ID)
	if err != nil {
		t.Fatal(err)
	}
	e := boundEnvelope(uuid.New(), id)
	b.published = append(b.published, e)
	b.foundOut(r, 1)
	b.recovered(r)
	if info, err := b.client.Job(t.Context(), id); err != nil || info.State != salesforce.StateAborted {
		t.Errorf("%+v, %v", info, err)
	}
	t.Run("whoever was bound to it finds the close refused", func(t *testing.T) {
		if _, err := b.client.CloseJob(t.Context(), id); err == nil {
			t.Error("it was closed")
		}
	})
	t.Run("a fact that says no places may have carried whatever there was", func(t *testing.T) {
		if n := ask[int](b, `SELECT through_seq FROM submitter.forgotten`); n != 1000 {
			t.Errorf("through %d", n)
		}
	})
}

func boundEnvelope(chunk uuid.UUID, job string) *flowv1.Envelope {
	e := &flowv1.Envelope{Id: uuid.NewString(), Pipeline: accounts, Revision: 1}
	e.Fact = &flowv1.Envelope_JobBound{JobBound: &flowv1.JobBound{Chunk: chunk.String(), JobId: job, Org: testOrg}}
	return e
}

// While a recovery is open it is not known yet what a chunk may not send. Whoever was claimed then has decided nothing, however fast the recovery was over.
func TestWhoWasClaimedWhileARecoveryWasOpenDecidesAnew(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	lost := b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("A", 3)...)
	b.exec(`UPDATE extractor.chunks SET first_seq = 1, last_seq = 3`)
	b.note(lost)
	b.untilSubmitted(r, lost)
	b.sim.AwaitJob(b.text(lost, "job_id"), "finished")
	b.forget(lost, false)
	again := b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("A", 3)...)
	b.note(again)
	b.foundOut(r, 1)
	works, err := r.Claim(t.Context(), 1)
	if err != nil || len(works) != 1 {
		t.Fatalf("%d claimed, %v", len(works), err)
	}
	claimed := &turn{Runner: r, w: &works[0], log: r.c.Logger}
	if _, err := claimed.rememberForgotten(t.Context()); err != nil || claimed.doubt != nil {
		t.Fatalf("in doubt are %v, %v", claimed.doubt, err)
	}
	b.recovered(r)
	if gate, err := r.c.Store.TakeLane(t.Context(), claimed.w); err != nil || gate.Closed == "" {
		t.Errorf("it goes on with what it decided: %+v, %v", gate, err)
	}
	if _, err := claimed.rememberForgotten(t.Context()); err != nil || claimed.doubt == nil {
		t.Errorf("afterwards in doubt are %v, %v", claimed.doubt, err)
	}
}
