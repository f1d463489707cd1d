package submit

import (
	"testing"
	"time"

	"bulkhead/libs/record"
)

// Salesforce may have said for minutes that it does not know a bound job, and know it later: its rows were accounted for as missing, and go again in
// another job. Whoever closed the first one now would land them twice.
func TestAJobThatIsOpenBehindItsOutcomeIsAborted(t *testing.T) {
	b := newBench(t)
	b.reports = false
	b.refuse = errNoBroker // it is bound and not closed
	r := NewRunner(b.config)
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
	b.note(c)
	b.turns(r, 3)
	if got := b.stage(c); got != StageBound {
		t.Fatalf("the chunk is %s, want bound", got)
	}
	old := b.config
	old.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
	if n, err := NewRunner(old).Orphans(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d orphans (%v), want none: the job is bound", n, err)
	}
	b.outcome(c, "mmm")
	b.end(c)
	if n, err := NewRunner(old).Orphans(t.Context()); n != 1 || err != nil {
		t.Errorf("%d orphans (%v), want the one whose rows are accounted for", n, err)
	}
	if job := b.sim.AwaitJob(b.text(c, "job_id"), "finished"); job.State != "Aborted" || job.Closed {
		t.Errorf("the job is %s, closed %v; want Aborted and never closed", job.State, job.Closed)
	}
}
