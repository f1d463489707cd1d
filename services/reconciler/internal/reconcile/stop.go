package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store"
)

// ageStop is the age of a job without an outcome at which its org gets no further ones: two days are left to read its results, and what is added
// meanwhile would only be lost with them.
const ageStop = 5 * 24 * time.Hour

// codeOverdue names the pause that keeps an org's jobs from being closed.
const codeOverdue = "RESULTS_OVERDUE"

// Stopping is what is to be done about stops.
type Stopping struct {
	// State are the pipelines to stop, by org.
	State map[string][]string
	// End are the stops that have nothing to wait for any more.
	End []store.Stop
}

// DecideStops says which pipelines are to be stopped, and which need not be any more. overdue are the orgs with jobs older than [ageStop], pipelines what
// writes into each of them, stated the stops so far.
//
// A stop that a person lifted stays lifted for the jobs that the person could know of: one that becomes overdue later stops the org anew. Where nothing is
// overdue any more, every stop of the org ends by itself.
func DecideStops(overdue []store.Overdue, pipelines map[string][]string, stated []store.Stop) Stopping {
	s := Stopping{State: map[string][]string{}}
	for _, o := range overdue {
		for _, pipeline := range pipelines[o.Org] {
			holds := slices.ContainsFunc(stated, func(x store.Stop) bool {
				return x.Org == o.Org && x.Pipeline == pipeline && (x.LiftedAt == nil || !o.Newest.Add(ageStop).After(*x.LiftedAt))
			})
			if !holds {
				s.State[o.Org] = append(s.State[o.Org], pipeline)
			}
		}
	}
	for _, x := range stated {
		if !slices.ContainsFunc(overdue, func(o store.Overdue) bool { return o.Org == x.Org }) {
			s.End = append(s.End, x)
		}
	}
	return s
}

// Stop keeps orgs from getting further jobs while one of theirs is without an outcome for five days, and lets them go on when none is. It returns how many
// stops it stated or ended.
func (r *Reconciler) Stop(ctx context.Context) (int, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return 0, err
	}
	overdue, err := r.cfg.Store.Overdue(ctx, now.Add(-ageStop))
	if err != nil {
		return 0, err
	}
	stated, err := r.cfg.Store.Stops(ctx)
	if err != nil || len(overdue)+len(stated) == 0 {
		r.metrics.stopped.Set(0)
		return 0, err
	}
	pipelines := map[string][]string{}
	for _, o := range overdue {
		if pipelines[o.Org], err = r.pipelinesOf(ctx, o.Org); err != nil {
			return 0, err
		}
	}
	r.metrics.stopped.Set(float64(len(overdue)))
	do := DecideStops(overdue, pipelines, stated)
	done := 0
	var errs []error
	for _, o := range overdue {
		if names := do.State[o.Org]; len(names) > 0 {
			n, err := r.state(ctx, o, names)
			done, errs = done+n, append(errs, err)
		}
	}
	for _, x := range do.End {
		ended, err := r.cfg.Store.EndStop(ctx, x.ID)
		if ended {
			done++
			r.cfg.Logger.InfoContext(ctx, "the org's old jobs are reconciled, the pipeline goes on", "org", x.Org, "pipeline", x.Pipeline, "pause_id", x.ID)
		}
		errs = append(errs, err)
	}
	return done, errors.Join(errs...)
}

// pipelinesOf are the pipelines that write into an org: by their definitions, and those that have chunks on their way by an older one.
func (r *Reconciler) pipelinesOf(ctx context.Context, org string) ([]string, error) {
	names, err := r.cfg.Store.PipelinesWithWork(ctx, org)
	if err != nil || r.cfg.Pipelines == nil {
		return names, err
	}
	defined, err := r.cfg.Pipelines(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("pipelines of org %s: %w", org, err)
	}
	names = append(names, defined...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// state stops pipelines because of their org's overdue jobs.
func (r *Reconciler) state(ctx context.Context, o store.Overdue, names []string) (int, error) {
	message, err := r.overdueMessage(ctx, o)
	if err != nil {
		return 0, err
	}
	done := 0
	var errs []error
	for _, name := range names {
		p := store.Pause{ID: uuid.New(), Pipeline: name, Class: string(record.ClassUnclassified), Code: codeOverdue, Message: message}
		fresh, err := r.cfg.Store.StateStop(ctx, o.Org, p)
		if fresh {
			done++
			r.metrics.pauses.Inc()
			r.cfg.Logger.ErrorContext(ctx, "pipeline paused: its org gets no further jobs while old ones are not reconciled", "org", o.Org, "pipeline", name,
				"code", codeOverdue, "jobs", o.Jobs, "oldest_submitted_at", o.Oldest, "pause_id", p.ID)
		}
		errs = append(errs, err)
	}
	return done, errors.Join(errs...)
}

// overdueMessage says what is not reconciled, since when, and what a person can do.
func (r *Reconciler) overdueMessage(ctx context.Context, o store.Overdue) (string, error) {
	text := fmt.Sprintf("org %s: %d jobs have no outcome though they were handed over more than %d days ago, the first at %s", o.Org, o.Jobs,
		int(ageStop/(24*time.Hour)), o.Oldest.UTC().Format(time.RFC3339))
	job, ok, err := r.cfg.Store.OldestJob(ctx, o.Org)
	if err != nil {
		return "", err
	}
	if ok {
		text += fmt.Sprintf(" (job %s of pipeline %s, chunk %s", job.JobID, job.Pipeline, job.Chunk)
		switch {
		case job.State == "":
			text += ": its end was not seen yet"
		case job.Trouble != "":
			text += ": " + record.Storable(job.Trouble, maxTrouble)
		}
		text += ")"
	}
	return text + ". Salesforce keeps results for 7 days, so no further job is closed for the org. Remove what keeps them from being read: the pipelines then " +
		"go on by themselves. To go on without, resume them.", nil
}

// maxTrouble bounds what a stop repeats of the last failure, in bytes.
const maxTrouble = 500
