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

// Writers are the pipelines that write to an org.
type Writers struct {
	Names []string
	// Partly: there may be others, since not all of what names them could be read.
	Partly bool
}

// Stopping is what is to be done about stops.
type Stopping struct {
	// State are the pipelines to stop, by org.
	State map[string][]string
	// End are the stops that have nothing to wait for any more, or nobody to stop.
	End []store.Stop
	// Stopped is how many orgs have stops that hold when this is done.
	Stopped int
}

// DecideStops says which pipelines are to be stopped, and which need not be any more. overdue are the orgs with jobs older than [ageStop], writers what
// writes to each of them, stated the stops so far.
//
// A stop that a person lifted stays lifted for every job that was handed over by then, overdue or not: who goes on without one that cannot be read goes on
// without those that followed it as well, and was not asked in vain. Only a job that was handed over later stops the org anew.
//
// Where nothing is overdue any more, every stop of the org ends by itself. So does one that holds a pipeline that surely does not write to the org any more;
// one that was lifted stays, it says that a person was asked.
func DecideStops(overdue []store.Overdue, writers map[string]Writers, stated []store.Stop) Stopping {
	s := Stopping{State: map[string][]string{}}
	waits := map[string]bool{}
	for _, o := range overdue {
		waits[o.Org] = true
		for _, pipeline := range writers[o.Org].Names {
			if !slices.ContainsFunc(stated, func(x store.Stop) bool {
				return x.Org == o.Org && x.Pipeline == pipeline && (x.LiftedAt == nil || !o.Newest.After(*x.LiftedAt))
			}) {
				s.State[o.Org] = append(s.State[o.Org], pipeline)
			}
		}
	}
	stopped := map[string]bool{}
	for org := range s.State {
		stopped[org] = true
	}
	for _, x := range stated {
		w, known := writers[x.Org]
		switch {
		case !waits[x.Org], x.LiftedAt == nil && known && !w.Partly && !slices.Contains(w.Names, x.Pipeline):
			s.End = append(s.End, x)
		case x.LiftedAt == nil:
			stopped[x.Org] = true
		}
	}
	s.Stopped = len(stopped)
	return s
}

// Stop keeps orgs from getting further jobs while one of theirs is without an outcome for five days, and lets them go on when none is. It returns how many
// stops it stated or ended. What cannot be read of one org keeps nothing from being done about the others.
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
	if err != nil {
		return 0, err
	}
	var errs []error
	writers := map[string]Writers{}
	for _, o := range overdue {
		w, err := r.writersOf(ctx, o.Org)
		writers[o.Org], errs = w, append(errs, err)
	}
	do := DecideStops(overdue, writers, stated)
	r.metrics.stopped.Set(float64(do.Stopped))
	done := 0
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
			r.cfg.Logger.InfoContext(ctx, "the stop has nothing to wait for any more, the pipeline goes on", "org", x.Org, "pipeline", x.Pipeline, "pause_id", x.ID)
		}
		errs = append(errs, err)
	}
	return done, errors.Join(errs...)
}

// writersOf are the pipelines that write to an org: by their definitions, and those that have chunks on their way by an older one. With an error they are
// those that are known.
func (r *Reconciler) writersOf(ctx context.Context, org string) (Writers, error) {
	names, err := r.cfg.Store.PipelinesWithWork(ctx, org)
	if r.cfg.Pipelines != nil {
		defined, definedErr := r.cfg.Pipelines(ctx, org)
		if definedErr != nil {
			err = errors.Join(err, fmt.Errorf("pipelines of org %s: %w", org, definedErr))
		}
		names = append(names, defined...)
	}
	slices.Sort(names)
	return Writers{Names: slices.Compact(names), Partly: err != nil || r.cfg.Pipelines == nil}, err
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
		fresh, err := r.cfg.Store.StateStop(ctx, o.Org, o.Newest, p)
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
		"go on by themselves. To go on without, resume them: no job that was handed over by then stops them again.", nil
}

// maxTrouble bounds what a stop repeats of the last failure, in bytes.
const maxTrouble = 500
