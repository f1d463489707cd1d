// Package store is the poller's ledger: the table of watches, who holds each, and the outbox of facts.
//
// Every legal move of a watch is one method here, an UPDATE with the old state, the claim's epoch and its owner in the WHERE. No row hit
// means that somebody was first: the method returns an error that wraps pg.ErrLost and the caller stops. Leases are judged by the
// database's clock, and so is what is due: the caller hands in what [Store.Clock] says.
//
//	(nothing) ──Watch──▶ watching ──Keep──▶ watching
//	                        ├──Finish──▶ finished        both with the fact job_finished
//	                        └──Lose────▶ gone
//
// Others read poller_pub.watches. Of other services it reads submitter_pub.submissions and .orgs, and
// reconciler_pub.outcomes.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/poller/internal/store/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the schema that this service writes; no other one does.
const Schema = "poller"

// Migrations are this service's, to be run by the database's owner.
func Migrations() pg.Migrations { return pg.Migrations{Service: Schema, FS: migrations} }

// Labels of the transactions: each has the fault points <label>.before_commit and <label>.after_commit.
const (
	txNote       = "poller.note"
	txClaim      = "poller.claim"
	txRenew      = "poller.renew"
	txRelease    = "poller.release"
	txKeep       = "poller.keep"
	txFinish     = "poller.finish"
	txLose       = "poller.lose"
	txReconciled = "poller.reconciled"
)

// Store reads and writes the watches. It is safe for concurrent use.
type Store struct {
	pool pg.DB
}

// New returns a store on a pool of the service's role.
func New(pool pg.DB) *Store { return &Store{pool: pool} }

// Clock is the ledger's clock.
func (s *Store) Clock() pg.Clock { return pg.ClockOf(s.pool) }

// Claim is the right to move one watch, until its lease ends or somebody else takes it.
type Claim struct {
	Chunk uuid.UUID
	Epoch int64
	Owner string
}

// Job is a submitted job that nobody watches yet.
type Job struct {
	Chunk         uuid.UUID
	Pipeline, Org string
	JobID         string
	Rows          int
	SubmittedAt   time.Time
	// PastRows and PastSeconds are what the pipeline's last finished jobs had and took on average; 0 = none is known.
	PastRows, PastSeconds float64
}

// Unwatched lists submitted jobs without a watch, oldest first; with a chunk only that one's.
func (s *Store) Unwatched(ctx context.Context, chunk uuid.NullUUID, limit int) ([]Job, error) {
	rows, err := db.New(s.pool).Unwatched(ctx, db.UnwatchedParams{Chunk: chunk, MaxRows: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read unwatched jobs: %w", err)
	}
	jobs := make([]Job, len(rows))
	for i, r := range rows {
		jobs[i] = Job{
			Chunk: r.Chunk, Pipeline: r.Pipeline, Org: r.Org, JobID: r.JobID, Rows: int(r.Rows),
			SubmittedAt: r.SubmittedAt, PastRows: r.PastRows, PastSeconds: r.PastSeconds,
		}
	}
	return jobs, nil
}

// Watch begins to watch a job; false when it was watched already.
func (s *Store) Watch(ctx context.Context, job Job, nextLookAt time.Time) (bool, error) {
	var n int64
	err := pg.InTx(ctx, s.pool, txNote, func(ctx context.Context, tx pgx.Tx) (err error) {
		n, err = db.New(tx).Watch(ctx, db.WatchParams{
			Chunk: job.Chunk, Pipeline: job.Pipeline, Org: job.Org, JobID: job.JobID, Rows: int32(job.Rows),
			SubmittedAt: job.SubmittedAt, NextLookAt: nextLookAt,
		})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("watch chunk %s: %w", job.Chunk, err)
	}
	return n > 0, nil
}

// ClaimDue claims up to limit watches that are due at the time given and that nobody holds, the longest due first. The claims belong to owner
// for the lease. An empty claim writes nothing.
func (s *Store) ClaimDue(ctx context.Context, owner string, due time.Time, lease time.Duration, limit int) ([]db.PollerWatch, error) {
	var rows []db.PollerWatch
	err := pg.InTx(ctx, s.pool, txClaim, func(ctx context.Context, tx pgx.Tx) (err error) {
		rows, err = db.New(tx).ClaimDue(ctx, db.ClaimDueParams{Owner: owner, LeaseSeconds: lease.Seconds(), DueAt: due, MaxRows: int32(limit)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim due watches: %w", err)
	}
	return rows, nil
}

// Renew makes a claim last for another lease; one that was given back is lost.
func (s *Store) Renew(ctx context.Context, c Claim, lease time.Duration) error {
	return s.move(ctx, txRenew, c, func(q *db.Queries) (int64, error) {
		return q.Renew(ctx, db.RenewParams{LeaseSeconds: lease.Seconds(), Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner})
	})
}

// Release hands a claim back without a look.
func (s *Store) Release(ctx context.Context, c Claim) error {
	return s.move(ctx, txRelease, c, func(q *db.Queries) (int64, error) {
		return q.Release(ctx, db.ReleaseParams{Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner})
	})
}

// Keep stores a look after which the watch goes on, and hands the claim back.
func (s *Store) Keep(ctx context.Context, c Claim, look Look) error {
	return s.seen(ctx, txKeep, c, look, "watching", nil)
}

// Finish ends a watch whose job has ended, with the facts that follow.
func (s *Store) Finish(ctx context.Context, c Claim, look Look, facts ...record.Message) error {
	return s.seen(ctx, txFinish, c, look, "finished", facts)
}

// Lose ends a watch whose job Salesforce does not know any more, with the facts that follow.
func (s *Store) Lose(ctx context.Context, c Claim, look Look, facts ...record.Message) error {
	return s.seen(ctx, txLose, c, look, "gone", facts)
}

// Look is what is stored of a look. Nil times mean never.
type Look struct {
	NextLookAt                        time.Time
	LookedAt, ProgressedAt            *time.Time
	FirstNotFoundAt, FinishedAt       *time.Time
	Looks, Errors, NotFound           int
	JobState, ErrorMessage, LastError string
	Processed, Failed                 int64
}

func (s *Store) seen(ctx context.Context, label string, c Claim, l Look, state string, facts []record.Message) error {
	err := pg.InTx(ctx, s.pool, label, func(ctx context.Context, tx pgx.Tx) error {
		n, err := db.New(tx).Seen(ctx, db.SeenParams{
			Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner, State: state,
			NextLookAt: l.NextLookAt, LookedAt: l.LookedAt, ProgressedAt: l.ProgressedAt, FirstNotFoundAt: l.FirstNotFoundAt, FinishedAt: l.FinishedAt,
			Looks: int32(l.Looks), Errors: int32(l.Errors), NotFound: int32(l.NotFound),
			JobState: l.JobState, ErrorMessage: l.ErrorMessage, LastError: l.LastError, Processed: l.Processed, Failed: l.Failed,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return pg.ErrLost
		}
		return pg.Enqueue(ctx, tx, Schema, facts...)
	})
	if err != nil {
		return fmt.Errorf("store look at chunk %s: %w", c.Chunk, err)
	}
	return nil
}

func (s *Store) move(ctx context.Context, label string, c Claim, update func(*db.Queries) (int64, error)) error {
	err := pg.InTx(ctx, s.pool, label, func(_ context.Context, tx pgx.Tx) error {
		n, err := update(db.New(tx))
		if err == nil && n == 0 {
			err = pg.ErrLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s chunk %s: %w", label, c.Chunk, err)
	}
	return nil
}

// Queue is what there is to look at.
type Queue struct {
	// Wait is how long until a watch can be claimed; negative = there is none.
	Wait time.Duration
	// Watching counts the watched jobs.
	Watching int
	// Oldest is how long ago the first of them was submitted; 0 = there is none.
	Oldest time.Duration
}

// maxAgeSeconds is beyond any age and keeps one from overflowing.
const maxAgeSeconds = 1e9

// NextDue looks at the queue.
func (s *Store) NextDue(ctx context.Context, now time.Time) (Queue, error) {
	row, err := db.New(s.pool).NextDue(ctx, now)
	if err != nil {
		return Queue{}, fmt.Errorf("read the next due watch: %w", err)
	}
	q := Queue{Wait: -1, Watching: int(row.Watching)}
	if row.Watching > 0 {
		q.Oldest = time.Duration(min(max(row.OldestSeconds, 0), maxAgeSeconds) * float64(time.Second))
		// A day is beyond every sweep, and keeps a far date from overflowing.
		q.Wait = time.Duration(min(max(row.Seconds, 0), 86_400) * float64(time.Second))
	}
	return q, nil
}

// KnownOrg is the id of the Salesforce org that jobs of this name were made in, 18 characters; "" = none is known.
func (s *Store) KnownOrg(ctx context.Context, name string) (string, error) {
	id, err := db.New(s.pool).KnownOrg(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the id of org %s: %w", name, err)
	}
	return id, nil
}

// MarkReconciled notes that outcomes exist, so that their watches are no open work for anybody; with a chunk only that one's.
func (s *Store) MarkReconciled(ctx context.Context, chunk uuid.NullUUID) (int, error) {
	var n int64
	err := pg.InTx(ctx, s.pool, txReconciled, func(ctx context.Context, tx pgx.Tx) (err error) {
		n, err = db.New(tx).MarkReconciled(ctx, chunk)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("mark reconciled watches: %w", err)
	}
	return int(n), nil
}
