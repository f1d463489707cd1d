package submit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bulkhead/libs/salesforce"
)

// maxOrphanPages bounds one walk over an org's jobs, a thousand a page: a week's jobs at one every four seconds.
const maxOrphanPages = 150

// orphanTime bounds the look at one org.
const orphanTime = 5 * time.Minute

// OrphanJobs picks, from an org's jobs, those that are Open, ours (created by user), and older than age; now is the time of the
// org, whose clock has dated the jobs. Whether a submission has
// one of them is for the ledger to say.
func OrphanJobs(jobs []salesforce.JobInfo, user string, now time.Time, age time.Duration) []string {
	var out []string
	for _, j := range jobs {
		id, err := salesforce.ID18(j.ID)
		if err != nil || j.State != salesforce.StateOpen || j.CreatedDate.IsZero() || now.Sub(j.CreatedDate) < age {
			continue
		}
		if j.JobType != "" && j.JobType != "V2Ingest" {
			continue
		}
		if by, err := salesforce.ID18(j.CreatedByID); err != nil || by != user {
			continue
		}
		out = append(out, id)
	}
	return out
}

// Orphans looks through the orgs that this service has made jobs in for Open jobs that nobody will bind, and reports or aborts them as the
// org's configuration says. An org that cannot be asked now is asked next time; where nothing was sent because its circuit is open it is no error. It says how
// many it found.
func (r *Runner) Orphans(ctx context.Context) (int, error) {
	names, err := r.c.Store.OrgsWithJobs(ctx)
	if err != nil {
		return 0, fmt.Errorf("orgs with jobs: %w", err)
	}
	found := 0
	var errs []error
	for _, name := range names {
		n, err := r.orphansOf(ctx, name)
		found += n
		switch {
		case salesforce.IsHeldBack(err):
			r.c.Logger.DebugContext(ctx, "open jobs were not looked for, the org is given time", "org", name, "error", err)
		case err != nil:
			errs = append(errs, fmt.Errorf("orphans of org %s: %w", name, err))
		}
	}
	return found, errors.Join(errs...)
}

func (r *Runner) orphansOf(ctx context.Context, name string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, orphanTime)
	defer cancel()
	org, _, err := r.provenOrg(ctx, name, "")
	if err != nil {
		return 0, err
	}
	report, err := r.c.Orgs.ReportsOrphans(ctx, name)
	if err != nil {
		return 0, err
	}
	us, err := org.Identity(ctx)
	if err != nil {
		return 0, err
	}
	var old []string
	locator := ""
	for range maxOrphanPages {
		page, err := org.Jobs(ctx, locator)
		if err != nil {
			return 0, err
		}
		// The page has told the time: an org whose clock is behind must not make a job that is being uploaded look old.
		ahead, _ := org.Skew()
		old = append(old, OrphanJobs(page.Jobs, us.UserID, r.c.Now().Add(ahead), r.c.OrphanAge)...)
		if locator = page.Next; locator == "" {
			break
		}
	}
	kept, err := r.c.Store.KeptAmong(ctx, old, r.c.BindMaxAge)
	if err != nil {
		return 0, err
	}
	var orphans []string
	for _, id := range old {
		if !kept[id] {
			orphans = append(orphans, id)
		}
	}
	if report || len(orphans) == 0 {
		r.c.Metrics.orphaned(name, len(orphans))
		said := strings.Join(orphans, " ")
		if before, _ := r.reported.Swap(name, said); len(orphans) > 0 && before != said {
			r.c.Logger.Warn("open jobs that nobody will close: abort them, or set orphans: abort if this user is Bulkhead's alone",
				"org", name, "jobs", len(orphans), "job_id", orphans[0])
		}
		return len(orphans), nil
	}
	return r.abortOrphans(ctx, org, name, orphans)
}

// abortOrphan aborts one job. That it is gone meanwhile is as good.
func abortOrphan(ctx context.Context, org Org, id string) error {
	if err := at(ctx, pointBeforeOrphan); err != nil {
		return err
	}
	if _, err := org.AbortJob(ctx, id); err != nil && !salesforce.IsNotFound(err) {
		return err
	}
	return at(ctx, pointAfterOrphan)
}

func (r *Runner) abortOrphans(ctx context.Context, org Org, name string, orphans []string) (int, error) {
	var errs []error
	left := len(orphans)
	for _, id := range orphans {
		if err := abortOrphan(ctx, org, id); err != nil {
			errs = append(errs, fmt.Errorf("job %s: %w", id, err))
			continue
		}
		if err := r.c.Store.LeaveOrphan(ctx, id); err != nil {
			errs = append(errs, err)
			continue
		}
		left--
		r.c.Logger.Info("aborted an open job that nobody would close", "org", name, "job_id", id)
	}
	r.c.Metrics.orphaned(name, left)
	return len(orphans), errors.Join(errs...)
}
