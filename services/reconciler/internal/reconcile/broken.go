package reconcile

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

const (
	// maxMalformed is how many reads in a row may be malformed before a person is asked (a proxy that rewrites files does not cure itself), or,
	// where only rows are, before the files are given up.
	maxMalformed = 5
	// goneReads is how many answers 404 in a row it takes, over gone.wait, to believe them.
	goneReads = 3
	// maxErrorText bounds what is stored of an error.
	maxErrorText = 2000
	maxWord      = 80
)

// brokeOff stores why a read broke off and what follows: another try, a job that is gone, or a quarantine.
func (r *Reconciler) brokeOff(ctx context.Context, t *task, cause error) error {
	r.metrics.reads.WithLabelValues("broke_off").Inc()
	text := record.Storable(cause.Error(), maxErrorText)
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return err
	}
	if errors.Is(cause, account.ErrChunk) {
		return beaten(r.quarantine(ctx, t, "CHUNK_UNMATCHABLE", text))
	}
	b := store.Broken{Errors: int(t.work.Errors) + 1, LastError: text}
	hint, _ := salesforce.RetryAfterHint(cause)
	if salesforce.IsHeldBack(cause) {
		return beaten(r.cfg.Store.BrokeOff(ctx, t.claim, r.heldBack(t, now, hint, text)))
	}
	b.NextReadAt = now.Add(r.backoff(b.Errors, hint))
	switch {
	case salesforce.IsGivenTime(cause):
		b.NextReadAt = now.Add(max(r.backoff(b.Errors, 0), salesforce.Behind(hint, r.backoff(b.Errors, 0))))
	case salesforce.IsNotFound(cause) && !errors.Is(cause, errLookup):
		b.NotFound = int(t.work.NotFound) + 1
		b.FirstNotFoundAt = t.work.FirstNotFoundAt
		if b.FirstNotFoundAt == nil {
			b.FirstNotFoundAt = &now
		}
		due := b.FirstNotFoundAt.Add(r.cfg.Waits.Gone)
		if b.NotFound >= goneReads && !now.Before(due) {
			t.log.WarnContext(ctx, "Salesforce does not know the job any more: its results are lost, all rows count as missing", "not_found", b.NotFound)
			return beaten(r.cfg.Store.Gone(ctx, t.claim, now, text))
		}
		b.NextReadAt = now.Add(r.cfg.Waits.Gone / (goneReads - 1))
		if b.NotFound >= goneReads-1 && due.After(now) {
			b.NextReadAt = due
		}
	case errors.Is(cause, salesforce.ErrUnreadableRows):
		// The reads before the files are given up take as long as it takes to believe that a row is missing.
		b.Malformed = int(t.work.Malformed) + 1
		b.NextReadAt = now.Add(max(r.cfg.Waits.Missing/(maxMalformed-1), hint))
	case errors.Is(cause, salesforce.ErrMalformed):
		if b.Malformed = int(t.work.Malformed) + 1; b.Malformed >= maxMalformed {
			return beaten(r.quarantine(ctx, t, "RESULTS_MALFORMED", text))
		}
	}
	if text != t.work.LastError {
		t.log.WarnContext(ctx, "the result files could not be read", "error", text, "errors", b.Errors, "next_read_at", b.NextReadAt)
	}
	return beaten(r.cfg.Store.BrokeOff(ctx, t.claim, b))
}

// heldBack is what follows from a read of which nothing was sent, because the org is given time: no error of this chunk, and the circuit tells of it. What
// was in a row stays so. A chunk whose reads have failed before still says of what, and comes after those that have not.
func (r *Reconciler) heldBack(t *task, now time.Time, wait time.Duration, text string) store.Broken {
	if t.work.Errors > 0 {
		text = t.work.LastError
		wait = salesforce.Behind(wait, r.backoff(int(t.work.Errors), 0))
	}
	return store.Broken{
		Errors: int(t.work.Errors), Malformed: int(t.work.Malformed), NotFound: int(t.work.NotFound), FirstNotFoundAt: t.work.FirstNotFoundAt,
		NextReadAt: now.Add(wait), LastError: text,
	}
}

// givenUp says whether a read that failed with err is the one after which the files count as telling nothing: their headers are good and their
// rows stayed unreadable.
func givenUp(t *task, err error) bool {
	return errors.Is(err, salesforce.ErrUnreadableRows) && int(t.work.Malformed)+1 >= maxMalformed
}

// beaten makes nothing of a move that somebody else was first with: what was found here was found there as well.
func beaten(err error) error {
	if errors.Is(err, pg.ErrLost) {
		return nil
	}
	return err
}

// quarantine decides nothing, pauses the pipeline and raises the alarm.
func (r *Reconciler) quarantine(ctx context.Context, t *task, code, reason string) error {
	pause := store.Pause{
		ID: uuid.New(), Pipeline: t.work.Pipeline, Class: string(record.ClassUnclassified), Code: code,
		Message: record.Storable("chunk "+t.work.Chunk.String()+", "+t.sentBy()+": "+reason+". Nothing of the chunk is decided; when the cause is gone, "+
			"resume the pipeline and "+t.looksAgain()+"."+wayOut(code), maxErrorText),
	}
	if err := r.cfg.Store.Quarantine(ctx, t.claim, record.Storable(reason, maxErrorText), pause); err != nil {
		return err
	}
	r.metrics.quarantines.Inc()
	t.log.ErrorContext(ctx, "chunk quarantined, pipeline paused", "code", code, "reason", reason, "pause_id", pause.ID)
	return nil
}

// sentBy says by what a chunk was sent, for a person.
func (t *task) sentBy() string {
	switch {
	case t.work.JobState == account.JobForgotten:
		return "of which a job that the restored ledger has forgotten may have sent rows"
	case t.work.JobState == account.JobAnswered:
		return "sent by calls of sObject Collections"
	case t.work.JobID == "":
		return "of which nothing was sent"
	}
	return "job " + t.work.JobID
}

// looksAgain says what is done anew when a person has resumed the pipeline.
func (t *task) looksAgain() string {
	switch {
	case t.work.JobState == account.JobAnswered:
		return "what the calls answered is read again"
	case t.work.JobID == "":
		return "the chunk is looked at again"
	}
	return "the files are read again"
}

// wayOut says what a person can do where the cause does not go: as long as Salesforce has the job, its files say the same at each read. Without it they
// tell of no row, and what became of the rows is found out as after every job that is gone.
func wayOut(code string) string {
	if code == "CHUNK_UNMATCHABLE" {
		return "" // it is the ledger's own rows that cannot be told apart, whatever the files say
	}
	return " If they stay as they are, delete the job in Salesforce and resume: its rows then count as missing, and are sent again, looked up or unresolved."
}

// hopeless is how many reads in a row may break off before the next ones are far between: an hour or two with the default waits, more than most outages
// last. Results are there for a week, and an org's calls are counted.
const hopeless = 240

// farBetween is how many times the longest wait the reads are apart then.
const farBetween = 10

// backoff is how long to wait after so many errors in a row, from half to all of the doubled base.
func (r *Reconciler) backoff(errs int, hint time.Duration) time.Duration {
	longest := r.cfg.BackoffMax
	if errs > hopeless {
		longest *= farBetween
	}
	wait := min(time.Duration(float64(r.cfg.BackoffBase)*math.Pow(2, float64(min(max(errs-1, 0), 32)))), longest)
	return max(time.Duration(float64(wait)*(0.5+r.cfg.Random()/2)), hint)
}
