package submit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

func TestWhatAnAnswerMeans(t *testing.T) {
	answer := func(status int, code string, class record.Class) error {
		return fmt.Errorf("wrapped: %w", &salesforce.Error{Status: status, Code: code, Class: class})
	}
	refused := answer(400, "INVALIDJOB", record.ClassPermission)
	limited := answer(403, "REQUEST_LIMIT_EXCEEDED", record.ClassQuota)
	session := answer(401, "INVALID_SESSION_ID", record.ClassAuth)
	gone := answer(404, "NOT_FOUND", record.ClassUnclassified)
	server := answer(503, "SERVER_UNAVAILABLE", record.ClassTransient)
	silence := &salesforce.TransportError{Endpoint: "x", Err: errors.New("reset")}
	other := &salesforce.OrgMismatchError{Want: "a", Got: "b"}
	job := func(state string) salesforce.JobInfo {
		return salesforce.JobInfo{ID: "750000000000001AAA", State: state}
	}

	tests := []struct {
		name string
		got  Event[string]
		want Kind
	}{
		{"create: a job", created(job("Open"), nil), Done},
		{"create: a reply without an id may be an orphan", created(salesforce.JobInfo{ID: "x"}, nil), Unsure},
		{"create: no answer", created(salesforce.JobInfo{}, silence), Unsure},
		{"create: refused", created(salesforce.JobInfo{}, refused), Refused},
		{"create: a limit passes", created(salesforce.JobInfo{}, limited), Unsure},
		{"create: a session passes", created(salesforce.JobInfo{}, session), Unsure},
		{"create: another org passes, once it is repaired", created(salesforce.JobInfo{}, other), Unsure},
		{"create: not found is no refusal for good", created(salesforce.JobInfo{}, gone), Unsure},
		{"close: past Open", closed(job("UploadComplete"), nil), Done},
		{"close: a reply that says Open says nothing", closed(job("Open"), nil), Unsure},
		{"close: a reply without a state says nothing", closed(job(""), nil), Unsure},
		{"close: refused", closed(job(""), refused), Refused},
		{"close: the server failed", closed(job(""), server), Unsure},
		{"close: not found", closed(job(""), gone), Unsure},
		{"look: Open", looked(job("Open"), nil), SeenOpen},
		{"look: InProgress", looked(job("InProgress"), nil), SeenPast},
		{"look: Aborted", looked(job("Aborted"), nil), SeenPast},
		{"look: a state that nobody knows is past Open", looked(job("Paused"), nil), SeenPast},
		{"look: no state", looked(job(""), nil), Unsure},
		{"look: not found", looked(job(""), gone), SeenNothing},
		{"look: no answer", looked(job(""), silence), Unsure},
		{"look: refused", looked(job(""), refused), Unsure},
		{"abort: Aborted", aborted(job("Aborted"), nil), Done},
		{"abort: another state", aborted(job("InProgress"), nil), Unsure},
		{"abort: refused", aborted(job(""), refused), Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Kind != tt.want {
				t.Errorf("got %s, want %s", tt.got.Kind, tt.want)
			}
		})
	}
}

func TestAPauseNamesAClassThatMayPause(t *testing.T) {
	for _, class := range record.Classes() {
		got := pauseClass(&salesforce.Error{Status: 400, Code: "X", Class: class})
		if !got.MayPause() {
			t.Errorf("a refusal of class %s pauses as %s, which may not pause", class, got)
		}
	}
	if got := codeOf(errors.New("x")); got != "REQUEST_REFUSED" {
		t.Errorf("a refusal without a code is called %q", got)
	}
}

func TestBackoffGrowsToItsBoundAndNeverUndercutsAHint(t *testing.T) {
	b := Backoff{Base: time.Second, Max: 30 * time.Second}
	for failures, longest := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1 << 30: 30 * time.Second} {
		if got := b.Wait(failures, 0, 0); got != longest/2 {
			t.Errorf("after %d failures the shortest wait is %s, want %s", failures, got, longest/2)
		}
		if got := b.Wait(failures, 0, 0.999999); got > longest || got < longest*99/100 {
			t.Errorf("after %d failures the longest wait is %s, want just below %s", failures, got, longest)
		}
	}
	if got := b.Wait(1, time.Minute, 0.5); got != time.Minute {
		t.Errorf("with a hint of a minute the wait is %s", got)
	}
}

func TestOrphansAreOpenOursAndOld(t *testing.T) {
	const us = "005000000000001AAA"
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	job := func(change func(*salesforce.JobInfo)) salesforce.JobInfo {
		j := salesforce.JobInfo{ID: "750000000000001AAA", State: "Open", CreatedByID: us, JobType: "V2Ingest", CreatedDate: now.Add(-time.Hour)}
		change(&j)
		return j
	}
	tests := []struct {
		name   string
		job    salesforce.JobInfo
		orphan bool
	}{
		{"open, ours and old", job(func(*salesforce.JobInfo) {}), true},
		{"ids of 15 characters are the same ids", job(func(j *salesforce.JobInfo) { j.ID, j.CreatedByID = j.ID[:15], j.CreatedByID[:15] }), true},
		{"a list may leave the type out", job(func(j *salesforce.JobInfo) { j.JobType = "" }), true},
		{"young", job(func(j *salesforce.JobInfo) { j.CreatedDate = now.Add(-59 * time.Minute) }), false},
		{"of another user", job(func(j *salesforce.JobInfo) { j.CreatedByID = "005000000000002AAA" }), false},
		{"of nobody", job(func(j *salesforce.JobInfo) { j.CreatedByID = "" }), false},
		{"closed", job(func(j *salesforce.JobInfo) { j.State = "UploadComplete" }), false},
		{"of another API", job(func(j *salesforce.JobInfo) { j.JobType = "Classic" }), false},
		{"without a date", job(func(j *salesforce.JobInfo) { j.CreatedDate = time.Time{} }), false},
		{"without an id", job(func(j *salesforce.JobInfo) { j.ID = "" }), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := len(OrphanJobs([]salesforce.JobInfo{tt.job}, us, now, time.Hour)) == 1; got != tt.orphan {
				t.Errorf("orphan: %v, want %v", got, tt.orphan)
			}
		})
	}
}

func TestOrphansAreReportedOrAbortedAndBoundJobsNever(t *testing.T) {
	for _, reports := range []bool{true, false} {
		t.Run(fmt.Sprintf("reports %v", reports), func(t *testing.T) {
			b := newBench(t)
			b.reports = reports
			r := NewRunner(b.config)
			// One job bound and never closed, one created and waiting at its gate, one left behind, one of another program.
			b.refuse = errNoBroker
			bound := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
			waiting := b.seal(record.ChunkFresh, 0, accountRows("b", 3)...)
			b.note(bound)
			b.turns(r, 3)
			b.note(waiting)
			b.turns(r, 3)
			if b.stage(bound) != StageBound || b.stage(waiting) != StageCreated {
				t.Fatalf("%s and %s, want bound and created", b.stage(bound), b.stage(waiting))
			}
			left, err := b.client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c"})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := r.Orphans(t.Context()); err != nil || n != 0 {
				t.Errorf("%d orphans (%v) among young jobs, want none", n, err)
			}
			old := b.config
			old.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
			n, err := NewRunner(old).Orphans(t.Context())
			if err != nil || n != 1 {
				t.Errorf("%d orphans (%v), want the one that nobody has", n, err)
			}
			want := "Aborted"
			if reports {
				want = "Open"
			}
			for _, j := range b.sim.Jobs() {
				switch state := string(j.State); {
				case j.ID == left.ID && state != want:
					t.Errorf("the orphan is %s, want %s", state, want)
				case j.ID != left.ID && state != "Open":
					t.Errorf("job %s of a submission is %s, want Open", j.ID, state)
				}
			}
		})
	}
}

func TestAnOrgThatCannotBeAskedKeepsNoOtherFromItsOrphans(t *testing.T) {
	b := newBench(t)
	b.exec(`INSERT INTO submitter.jobs (job_id, chunk, org, epoch, state) VALUES ('x', gen_random_uuid(), 'away', 1, 'created')`)
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 1)...)
	b.note(c)
	b.untilSubmitted(NewRunner(b.config), c)
	since := int64(len(b.sim.Calls(0, "")))
	if _, err := NewRunner(b.config).Orphans(context.Background()); err == nil {
		t.Error("no error for an org that is not there")
	}
	if n := len(b.sim.Calls(since, "list")); n != 1 {
		t.Errorf("%d lists of the org that is there, want 1", n)
	}
}
