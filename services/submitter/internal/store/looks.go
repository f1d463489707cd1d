package store

import (
	"context"
	"time"

	"bulkhead/services/submitter/internal/store/db"
)

// ForgottenJob is a forgotten job that is to be looked at.
type ForgottenJob struct {
	JobID, Pipeline string
	Revision        int
	// Org is "" where it is not known.
	Org string
	// State is what it was at the last look, as Salesforce writes it, or gone; "" = nobody has looked. Since is when it was first seen like that.
	State string
	Since time.Time
	// Now is the ledger's clock.
	Now time.Time
}

// TakeForgotten gives out up to limit forgotten jobs that are due to be looked at, each to one who looks; after lease it is due again.
func (s *Store) TakeForgotten(ctx context.Context, lease time.Duration, limit int) ([]ForgottenJob, error) {
	rows, err := s.q.TakeForgotten(ctx, db.TakeForgottenParams{LeaseSeconds: lease.Seconds(), Max: int32(limit)})
	if err != nil {
		return nil, err
	}
	out := make([]ForgottenJob, len(rows))
	for i, r := range rows {
		out[i] = ForgottenJob{JobID: r.JobID, Pipeline: r.Pipeline, Revision: int(r.Revision), Org: r.Org, State: r.JobState, Now: r.Clock}
		if r.Since != nil {
			out[i].Since = *r.Since
		}
	}
	return out, nil
}

// SaveLook stores what a forgotten job was seen in, and in which org, and when it is looked at again.
func (s *Store) SaveLook(ctx context.Context, jobID, org, state string, wait time.Duration) error {
	_, err := s.q.SaveLook(ctx, db.SaveLookParams{JobState: state, Org: org, WaitSeconds: wait.Seconds(), JobID: jobID})
	return err
}

// SaveNoLook stores why a forgotten job could not be looked at, and when that is tried again.
func (s *Store) SaveNoLook(ctx context.Context, jobID, words string, wait time.Duration) error {
	_, err := s.q.SaveNoLook(ctx, db.SaveNoLookParams{LastError: words, WaitSeconds: wait.Seconds(), JobID: jobID})
	return err
}

// EndForgotten stores that nothing of a forgotten job can land any more.
func (s *Store) EndForgotten(ctx context.Context, jobID, state string) error {
	_, err := s.q.EndForgotten(ctx, db.EndForgottenParams{JobState: state, JobID: jobID})
	return err
}

// Recovered is a recovery that is done.
type Recovered struct {
	Pipeline string
	FoundAt  time.Time
}

// EndRecoveries ends the recoveries of which no forgotten job is open, and wakes what waited for them.
func (s *Store) EndRecoveries(ctx context.Context) ([]Recovered, error) {
	rows, err := s.q.EndRecoveries(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	out := make([]Recovered, len(rows))
	for i, r := range rows {
		out[i] = Recovered{Pipeline: r.Pipeline, FoundAt: r.FoundAt}
	}
	return out, s.q.WakeWaiting(ctx)
}

// JobsForgotten is how many forgotten jobs each pipeline that recovers still waits for.
func (s *Store) JobsForgotten(ctx context.Context) (map[string]int, error) {
	rows, err := s.q.JobsForgotten(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(rows))
	for _, r := range rows {
		out[r.Pipeline] = int(r.Jobs)
	}
	return out, nil
}
