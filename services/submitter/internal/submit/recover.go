package submit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/submitter/internal/store"

	"github.com/nats-io/nats.go/jetstream"
)

// stateGone stands in the place of a forgotten job's state when Salesforce does not know it.
const stateGone = "gone"

// Bounds of looking at forgotten jobs.
const (
	// forgottenBatch is how many one pass looks at.
	forgottenBatch = 20
	// forgottenLease is how long one who looks has a job for himself.
	forgottenLease = 2 * time.Minute
	// betweenLooks is how many times the wait at a gate lies between two looks at a job that goes on.
	betweenLooks = 5
)

// Ending is how near to its end a forgotten job is.
type Ending uint8

// The endings.
const (
	// LookAgain: it may still process rows, or it is not sure enough that it does not.
	LookAgain Ending = iota
	// AbortIt: it is Open, so nothing of it was processed, and nobody who is bound to it may close it any more.
	AbortIt
	// Over: nothing of it can land any more.
	Over
)

// DecideForgotten says what follows when a forgotten job is seen in a state, as Salesforce writes it, or gone. before is what it was seen in last, since when.
// A failed or aborted job's batches may still land for a moment, and a single 404 proves nothing.
func DecideForgotten(before string, since time.Time, seen string, now time.Time, waits record.Waits) Ending {
	steady := time.Duration(-1)
	if before == seen {
		steady = now.Sub(since)
	}
	switch {
	case seen == salesforce.StateOpen:
		return AbortIt
	case seen == salesforce.StateJobComplete,
		(seen == salesforce.StateFailed || seen == salesforce.StateAborted) && steady >= waits.Settle,
		seen == stateGone && steady >= waits.Gone:
		return Over
	}
	return LookAgain
}

// Recover sees forgotten jobs to their end, as far as they are due, and ends the recoveries that wait for none any more. While a recovery is open nothing of
// its pipelines and orgs is bound or called. Afterwards
//   - a chunk of an insert that the ledger knows, and that was bound to one of these jobs, is bound to it again, and its results are read;
//   - what may be sent twice (upserts, updates) is sent as the ledger says, in the order of the stream: no forgotten job is behind it any more;
//   - rows of inserts and deletes that a forgotten job may have carried are not sent: the reconciler takes them as missing, looks for them or leaves them to a
//     person, and what it sends back is sent.
//
// It says how many jobs it looked at and whether some are left.
func (r *Runner) Recover(ctx context.Context) (looked int, open bool, err error) {
	jobs, err := r.c.Store.TakeForgotten(ctx, forgottenLease, forgottenBatch)
	if err != nil {
		return 0, false, fmt.Errorf("forgotten jobs: %w", err)
	}
	var errs []error
	for _, j := range jobs {
		if err := r.lookAtForgotten(ctx, j); err != nil {
			errs = append(errs, fmt.Errorf("forgotten job %s: %w", j.JobID, err))
		}
	}
	done, err := r.c.Store.EndRecoveries(ctx)
	if err != nil {
		errs = append(errs, fmt.Errorf("ending recoveries: %w", err))
	}
	for _, d := range done {
		r.c.Logger.WarnContext(ctx, "the recovery is done: the pipeline sends again", "pipeline", d.Pipeline, "found_at", d.FoundAt)
	}
	left, err := r.c.Store.JobsForgotten(ctx)
	if err != nil {
		errs = append(errs, err)
	}
	n := 0
	for _, jobs := range left {
		n += jobs
	}
	r.c.Metrics.forgottenJobs(n)
	return len(jobs) + len(done), len(left) > 0, errors.Join(errs...)
}

// lookAtForgotten looks at one job and stores what follows. What goes wrong at the org is stored too: the next look comes.
func (r *Runner) lookAtForgotten(ctx context.Context, j store.ForgottenJob) error {
	seen, name, err := r.seeForgotten(ctx, j)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	wait := betweenLooks * r.c.GateWait
	if err != nil {
		hint, _ := salesforce.RetryAfterHint(err)
		r.c.Logger.WarnContext(ctx, "a forgotten job cannot be looked at, nothing of its pipeline is sent before", "pipeline", j.Pipeline, "org", name, "job_id", j.JobID, "error", err)
		return r.c.Store.SaveNoLook(ctx, j.JobID, record.Storable(err.Error(), maxRefusal), max(wait, hint))
	}
	if DecideForgotten(j.State, j.Since, seen, j.Now, r.c.Waits) == Over {
		r.c.Logger.InfoContext(ctx, "a forgotten job has ended", "pipeline", j.Pipeline, "org", name, "job_id", j.JobID, "job_state", seen)
		return r.c.Store.EndForgotten(ctx, j.JobID, seen)
	}
	return r.c.Store.SaveLook(ctx, j.JobID, name, seen, wait)
}

// seeForgotten asks the org for the job, aborts it if it is open, and says its state and the org's name.
func (r *Runner) seeForgotten(ctx context.Context, j store.ForgottenJob) (seen, name string, err error) {
	if name = j.Org; name == "" {
		name = r.orgOf(ctx, j.Pipeline, j.Revision)
	}
	if name == "" {
		return "", "", fmt.Errorf("its org is not known: apply pipeline %s again, or its revision %d", j.Pipeline, j.Revision)
	}
	ctx, cancel := context.WithTimeout(ctx, forgottenLease/2)
	defer cancel()
	org, _, err := r.provenOrg(ctx, name, "")
	if err != nil {
		return "", name, err
	}
	info, err := org.Job(ctx, j.JobID)
	switch {
	case salesforce.IsNotFound(err):
		return stateGone, name, nil
	case err != nil:
		return "", name, err
	case info.State == "":
		return "", name, errors.New("the org does not say its state")
	}
	if DecideForgotten(j.State, j.Since, info.State, j.Now, r.c.Waits) != AbortIt {
		return info.State, name, nil
	}
	// Whoever bound it is of the time that the ledger has forgotten: a worker that is still alive finds the close refused.
	if info, err = org.AbortJob(ctx, j.JobID); err != nil {
		return "", name, fmt.Errorf("it is open and cannot be aborted: %w", err)
	}
	return info.State, name, nil
}

func isNoStream(err error) bool { return errors.Is(err, jetstream.ErrStreamNotFound) }
