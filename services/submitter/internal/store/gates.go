package store

import (
	"context"
	"fmt"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store/db"
)

// Gate is what stands in the way of a move. The zero Gate is open.
type Gate struct {
	// Closed says why the submission has to wait, in words; "" = it has not.
	Closed string
	// TooOld says that the job may not be bound any more.
	TooOld bool
}

// laneGate holds the lane's row and says who has the lane, if somebody else has, and whether this submission has it already.
func laneGate(ctx context.Context, q *db.Queries, w *Work) (reason string, own bool, err error) {
	holder, err := q.LockLane(ctx, db.LockLaneParams{Space: w.Space, Lane: int32(w.Lane)})
	if err != nil {
		return "", false, fmt.Errorf("lane %s/%d: %w", w.Space, w.Lane, err)
	}
	if holder.Valid && holder.UUID != w.Chunk {
		return fmt.Sprintf("lane %d is held by chunk %s", w.Lane, holder.UUID), false, nil
	}
	return "", holder.Valid, nil
}

func pauseGate(ctx context.Context, q *db.Queries, w *Work) (string, error) {
	pauses, err := q.PauseOf(ctx, w.Pipeline)
	if err != nil || len(pauses) == 0 {
		return "", err
	}
	return fmt.Sprintf("pipeline %s is paused: %s %s", w.Pipeline, pauses[0].Class, pauses[0].Code), nil
}

// closedGate asks all gates of a lane, the lane first: its row is then ours until the transaction ends, and two chunks cannot pass together. Who has
// the lane has had its turn: whoever came meanwhile waits for the lane, and the two would wait for each other for ever.
//
// A fresh chunk keeps the order of the stream and lets go first what is sent again. A replay waits for the fresh chunks that were sealed before
// it: its records may be newer than theirs, and fresh chunks ask for no newer versions unless their records carry them.
func closedGate(ctx context.Context, q *db.Queries, w *Work) (string, error) {
	reason, own, err := laneGate(ctx, q, w)
	if err != nil || reason != "" {
		return reason, err
	}
	if reason, err = recoveryGate(ctx, q, w); err != nil || reason != "" {
		return reason, err
	}
	if reason, err = pauseGate(ctx, q, w); err != nil || reason != "" || own || w.Kind == record.ChunkResend {
		return reason, err
	}
	if reason, err = orderGate(ctx, q, w); err != nil || reason != "" || w.Kind != record.ChunkFresh {
		return reason, err
	}
	resends, err := q.ResendsWaiting(ctx, db.ResendsWaitingParams{Space: w.Space, Lane: int32(w.Lane)})
	if err != nil {
		return "", err
	}
	if len(resends) > 0 {
		return fmt.Sprintf("chunk %s is sent again and goes first", resends[0]), nil
	}
	return "", nil
}

// orderGate names a fresh chunk of the lane that was sealed before this one and has no outcome, if there is one.
func orderGate(ctx context.Context, q *db.Queries, w *Work) (string, error) {
	before, err := q.FreshBefore(ctx, db.FreshBeforeParams{Pipeline: w.Pipeline, Lane: int32(w.Lane), SealNo: w.SealNo})
	if err != nil || len(before) == 0 {
		return "", err
	}
	return fmt.Sprintf("chunk %s was sealed earlier and has no outcome", before[0]), nil
}
