package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store/db"
)

// Overdue is an org with jobs that have no outcome although they were handed over before a bound.
type Overdue struct {
	Org  string
	Jobs int
	// Oldest and Newest are when the first and the last of them were handed over.
	Oldest, Newest time.Time
}

// Overdue finds the orgs with jobs that were handed over before a time and have no outcome.
func (s *Store) Overdue(ctx context.Context, before time.Time) ([]Overdue, error) {
	rows, err := db.New(s.pool).Overdue(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("read overdue jobs: %w", err)
	}
	out := make([]Overdue, len(rows))
	for i, r := range rows {
		out[i] = Overdue{Org: r.Org, Jobs: int(r.Jobs), Oldest: r.Oldest, Newest: r.Newest}
	}
	return out, nil
}

// OldJob is a job that waits for its outcome.
type OldJob struct {
	Pipeline, JobID string
	Chunk           uuid.UUID
	// State is its chunk's here, "" = its end was not seen yet. Trouble is what the last read failed with, or what is waited for.
	State, Trouble string
}

// OldestJob is the job of an org that has waited for its outcome longest; ok is false when there is none any more.
func (s *Store) OldestJob(ctx context.Context, org string) (job OldJob, ok bool, err error) {
	r, err := db.New(s.pool).OldestJob(ctx, org)
	if errors.Is(err, pgx.ErrNoRows) {
		return OldJob{}, false, nil
	}
	if err != nil {
		return OldJob{}, false, fmt.Errorf("read the oldest job of org %s: %w", org, err)
	}
	return OldJob{Pipeline: r.Pipeline, JobID: r.JobID, Chunk: r.Chunk, State: r.State, Trouble: r.Trouble}, true, nil
}

// PipelinesWithWork are the pipelines that have chunks for an org on their way.
func (s *Store) PipelinesWithWork(ctx context.Context, org string) ([]string, error) {
	names, err := db.New(s.pool).PipelinesWithWork(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("read pipelines with work for org %s: %w", org, err)
	}
	return names, nil
}

// Stop is a stated pause of one pipeline because of its org's overdue jobs.
type Stop struct {
	ID            uuid.UUID
	Org, Pipeline string
	// LiftedAt is when a person lifted it; nil = it holds.
	LiftedAt *time.Time
}

// Stops are all stops that are stated, lifted ones too, until they are ended.
func (s *Store) Stops(ctx context.Context) ([]Stop, error) {
	rows, err := db.New(s.pool).Stops(ctx)
	if err != nil {
		return nil, fmt.Errorf("read stops: %w", err)
	}
	out := make([]Stop, len(rows))
	for i, r := range rows {
		out[i] = Stop(r)
	}
	return out, nil
}

// StateStop pauses a pipeline because of its org, whose newest overdue job was handed over at newest. false = a stop is stated that holds, or that a person
// lifted no earlier than that. However many instances state it at once, one does. Nothing else follows from this write or from [Store.EndStop], so they
// have no crash points: when somebody dies before one, the next look repeats it.
func (s *Store) StateStop(ctx context.Context, org string, newest time.Time, p Pause) (bool, error) {
	n, err := s.stateStop(ctx, db.StateStopParams{
		ID: p.ID, Pipeline: p.Pipeline, Class: p.Class, Code: p.Code, Message: record.Storable(p.Message, maxMessage), Org: org, Newest: newest,
	})
	if err != nil {
		return false, fmt.Errorf("stop pipeline %s: %w", p.Pipeline, err)
	}
	return n > 0, nil
}

func (s *Store) stateStop(ctx context.Context, stop db.StateStopParams) (int64, error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return 0, err
	}
	defer func() { // after a commit it does nothing
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		_ = tx.Rollback(ending)
	}()
	q := db.New(tx)
	// A statement sees what was committed before it began: the lock must be had before the one that looks for stops begins.
	if err := q.LockStops(ctx, stop.Org); err != nil {
		return 0, err
	}
	n, err := q.StateStop(ctx, stop)
	if err != nil {
		return 0, err
	}
	return n, tx.Commit(ctx)
}

// EndStop takes a stop back. false = somebody was first.
func (s *Store) EndStop(ctx context.Context, id uuid.UUID) (bool, error) {
	n, err := db.New(s.pool).EndStop(ctx, id)
	if err != nil {
		return false, fmt.Errorf("end stop %s: %w", id, err)
	}
	return n > 0, nil
}

// endTimeout bounds the rollback of a stop that was not stated.
const endTimeout = 15 * time.Second

// maxMessage bounds what a stop says, in bytes.
const maxMessage = 2000
