package poll_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/poller/internal/poll"
)

// givenTime is an org whose circuit is open for so long, and then answers that a job has ended.
type givenTime struct {
	poll.Org
	wait  time.Duration
	asked int
}

func (o *givenTime) Job(_ context.Context, id string) (salesforce.JobInfo, error) {
	if o.asked++; o.wait > 0 {
		return salesforce.JobInfo{}, &salesforce.CircuitOpenError{Wait: o.wait, Class: record.ClassTransient, Cause: "salesforce GET jobs/ingest: 503"}
	}
	return salesforce.JobInfo{ID: id, State: salesforce.StateJobComplete, HasCounters: true, Processed: 5}, nil
}

func TestAnOrgThatIsGivenTimeIsAskedWhenItIsOver(t *testing.T) {
	b := setup(t)
	org := &givenTime{wait: 50 * time.Second}
	p := b.poller(org)
	chunk := b.submitted("750000000000001AAA", 5, "submitted")
	if _, err := p.Note(t.Context(), uuid.NullUUID{}); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Minute)
	for round := range 20 {
		if n, err := p.Pass(t.Context()); n != 1 || err != nil {
			t.Fatalf("round %d: %d looks, %v", round, n, err)
		}
		w := b.watch(chunk)
		if w.state != "watching" || w.errors != 0 || w.looks != 0 || w.lastError == "" || w.next.Sub(b.now) != org.wait {
			t.Fatalf("round %d: %+v, looked at again in %s", round, w, w.next.Sub(b.now))
		}
		b.now = w.next
	}
	org.wait = 0
	if n, err := p.Pass(t.Context()); n != 1 || err != nil || b.watch(chunk).state != "finished" {
		t.Errorf("%d looks, %v, %+v", n, err, b.watch(chunk))
	}
}

func TestAJobThatWasSeenToHaveEndedLateSaysNothingOfSpeed(t *testing.T) {
	b := setup(t)
	// Five jobs of 1,000 rows that took ten seconds, then some that ended while nobody could ask.
	for i := range 8 {
		rows, took, looks := 1000, 10*time.Second, 2
		if i >= 5 {
			rows, took, looks = 5, 30*time.Minute, 1
		}
		b.exec(`INSERT INTO poller.watches (chunk, pipeline, org, job_id, rows, state, submitted_at, next_look_at, looks, finished_at)
			VALUES (gen_random_uuid(), 'contacts', 'main', $1, $2, 'finished', $3, $3, $4, $5)`,
			fmt.Sprintf("75000000000000%dAAA", i), rows, b.now.Add(-time.Hour), looks, b.now.Add(-time.Hour+took))
	}
	b.submitted("750000000000099AAA", 300, "submitted")
	jobs, err := b.store.Unwatched(t.Context(), uuid.NullUUID{}, 10)
	if err != nil || len(jobs) != 1 || jobs[0].PastRows != 1000 || jobs[0].PastSeconds != 10 {
		t.Errorf("%+v, %v", jobs, err)
	}
}
