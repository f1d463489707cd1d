package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store/db"
)

// Fault points inside the transaction that ends a chunk: behind its fence, and behind each batch of failures.
const (
	pointFenced = "reconciler.settle.after_fence"
	pointBatch  = "reconciler.settle.after_batch"
)

// Pause stops a pipeline until a person lifts it.
type Pause struct {
	ID                             uuid.UUID
	Pipeline, Class, Code, Message string
}

// Batch is a part of a chunk's failures, with the letters of those that are dead.
type Batch struct {
	Failures []Failure
	Letters  []record.Message
}

// Settlement is everything that becomes true when a chunk is reconciled.
type Settlement struct {
	Claim  Claim
	Reads  int
	Reason string

	Outcome db.InsertOutcomeParams
	Runs    []db.InsertOutcomeRunsParams
	// Failures hands out the failures in batches, from the first one each time that it is called: the transaction may be run again.
	Failures func(yield func(Batch) error) error
	// Facts are published after the commit.
	Facts []record.Message

	// AtOnce is a pause that a single submission causes, unless one of its class holds; nil = none.
	AtOnce *Pause
	// Series is a pause that is made when this is at least the bound-th blocked submission in a row, unless any pause of ours holds; nil = this
	// submission is not blocked.
	Series *Pause
	Bound  int
}

// Reconcile is the one transaction that ends a chunk: its outcome row, the transfers, the failures, letters and facts, the pauses that
// follow, and the work's end. It returns the pauses that were made.
func (s *Store) Reconcile(ctx context.Context, n Settlement) ([]Pause, error) {
	var made []Pause
	err := pg.InTx(ctx, s.pool, txSettle, func(ctx context.Context, tx pgx.Tx) error {
		made = nil
		q := db.New(tx)
		// First the fence: a late owner must find out before it writes anything, and holds up nobody.
		if err := won(q.Reconcile(ctx, db.ReconcileParams{
			Chunk: n.Claim.Chunk, Epoch: n.Claim.Epoch, Owner: n.Claim.Owner, Reads: int32(n.Reads), Reason: n.Reason,
		})); err != nil {
			return err
		}
		if err := fault.Point(ctx, pointFenced); err != nil {
			return err
		}
		if _, err := q.InsertOutcome(ctx, []db.InsertOutcomeParams{n.Outcome}); err != nil {
			return err
		}
		if _, err := q.InsertOutcomeRuns(ctx, n.Runs); err != nil {
			return err
		}
		err := n.Failures(func(b Batch) error {
			if err := copyFailures(ctx, tx, b.Failures); err != nil {
				return fmt.Errorf("failures: %w", err)
			}
			if err := pg.Enqueue(ctx, tx, Schema, b.Letters...); err != nil {
				return err
			}
			return fault.Point(ctx, pointBatch)
		})
		if err != nil {
			return err
		}
		if made, err = pauses(ctx, q, n); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, n.Facts...)
	})
	if err != nil {
		return nil, fmt.Errorf("settle chunk %s: %w", n.Claim.Chunk, err)
	}
	return made, nil
}

// pauses makes the pauses that a settlement causes. The lock keeps two chunks that end at once from each making one, or none.
func pauses(ctx context.Context, q *db.Queries, n Settlement) ([]Pause, error) {
	if n.AtOnce == nil && n.Series == nil {
		return nil, nil
	}
	pipeline := n.Outcome.Pipeline
	if err := q.LockSeries(ctx, pipeline); err != nil {
		return nil, err
	}
	var made []Pause
	if p := n.AtOnce; p != nil {
		holding, err := q.OpenPauses(ctx, db.OpenPausesParams{Pipeline: pipeline, Class: &p.Class})
		if err != nil {
			return nil, err
		}
		if holding == 0 {
			made = append(made, *p)
		}
	}
	if p := n.Series; p != nil && len(made) == 0 {
		blocked, err := q.BlockedInARow(ctx, pipeline)
		if err != nil {
			return nil, err
		}
		holding, err := q.OpenPauses(ctx, db.OpenPausesParams{Pipeline: pipeline})
		if err != nil {
			return nil, err
		}
		if blocked >= int64(n.Bound) && holding == 0 {
			made = append(made, *p)
		}
	}
	for _, p := range made {
		if err := insertPause(ctx, q, p); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func insertPause(ctx context.Context, q *db.Queries, p Pause) error {
	return q.InsertPause(ctx, db.InsertPauseParams{ID: p.ID, Pipeline: p.Pipeline, Class: p.Class, Code: p.Code, Message: p.Message})
}

// Quarantine stops the work on a chunk, and its pipeline with the pause given. Nothing of the chunk is decided.
func (s *Store) Quarantine(ctx context.Context, c Claim, reason string, p Pause) error {
	err := pg.InTx(ctx, s.pool, txQuarantine, func(ctx context.Context, tx pgx.Tx) error {
		q := db.New(tx)
		if err := won(q.Quarantine(ctx, db.QuarantineParams{
			Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner, Reason: reason, PauseID: uuid.NullUUID{UUID: p.ID, Valid: true},
		})); err != nil {
			return err
		}
		return insertPause(ctx, q, p)
	})
	if err != nil {
		return fmt.Errorf("quarantine chunk %s: %w", c.Chunk, err)
	}
	return nil
}
