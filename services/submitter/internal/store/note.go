package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/services/submitter/internal/store/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Note makes a submission of each of these chunks that has none, and says of how many. A chunk that no view shows is left out: the sweep
// finds it when it is there.
func (s *Store) Note(ctx context.Context, chunks ...uuid.UUID) (int, error) {
	n, err := s.q.NoteChunks(ctx, chunks)
	return int(n), err
}

// NotNoted lists open chunks of the extractor and the retrier without a submission, at most limit.
func (s *Store) NotNoted(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.q.OpenChunksNotNoted(ctx, int32(limit))
}

// Ended is a submission that ended because its chunk has an outcome.
type Ended struct {
	Chunk    uuid.UUID
	Pipeline string
	State    string
}

// End ends those of these submissions whose chunk has an outcome, and frees their lanes. Only the outcome row counts, so a fact that
// came too early, or from nobody, frees nothing.
func (s *Store) End(ctx context.Context, chunks ...uuid.UUID) ([]Ended, error) {
	type slot struct {
		space string
		lane  int32
	}
	var ended []Ended
	var slots map[slot]bool
	err := pg.InTx(ctx, s.pool, "submitter.end", func(ctx context.Context, tx pgx.Tx) error {
		ended, slots = nil, map[slot]bool{}
		q := s.q.WithTx(tx)
		rows, err := q.EndWithOutcome(ctx, chunks)
		if err != nil || len(rows) == 0 {
			return err
		}
		ids := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			ids[i] = r.Chunk
			ended = append(ended, Ended{Chunk: r.Chunk, Pipeline: r.Pipeline, State: r.State})
			slots[slot{r.Space, r.Lane}] = true
		}
		if _, err = q.FreeLanes(ctx, ids); err != nil {
			return err
		}
		if _, err = q.ForgetResolutions(ctx, ids); err != nil {
			return err
		}
		if _, err = q.ForgetCalls(ctx, ids); err != nil {
			return err
		}
		_, err = q.ForgetRefused(ctx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ending submissions: %w", err)
	}
	// After the commit: a worker that binds holds its submission while it waits for the lane's row, which the transaction above holds.
	for sl := range slots {
		if err := s.q.WakeLane(ctx, db.WakeLaneParams{Space: sl.space, Lane: sl.lane}); err != nil {
			return ended, fmt.Errorf("waking lane %s/%d: %w", sl.space, sl.lane, err)
		}
	}
	return ended, nil
}

// NotEnded lists submissions that have not ended although their chunk has an outcome, at most limit.
func (s *Store) NotEnded(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.q.OpenWithOutcome(ctx, int32(limit))
}

// TakenBack is a submission that is bound again because its job, handed to the poller, turned out to be Open.
type TakenBack struct {
	Chunk uuid.UUID
	JobID string
}

// TakeBackOpen moves submissions whose job the poller sees Open from submitted back to bound, margin after they were handed over: what the
// poller saw may be older than that. It happens after a 404 that was wrong; nobody else may close the job.
func (s *Store) TakeBackOpen(ctx context.Context, margin time.Duration) ([]TakenBack, error) {
	rows, err := s.q.TakeBackOpenJobs(ctx, margin.Seconds())
	if err != nil {
		return nil, err
	}
	out := make([]TakenBack, len(rows))
	for i, r := range rows {
		out[i] = TakenBack{Chunk: r.Chunk, JobID: r.JobID}
	}
	return out, nil
}

// HandBackLanes takes lanes back from chunks that are not bound and whose pipeline is paused, where another pipeline's chunk waits for the
// lane: they begin anew when the pause is lifted, with another check. It says how many.
func (s *Store) HandBackLanes(ctx context.Context) (int, error) {
	holders, err := s.q.PausedHolders(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, chunk := range holders {
		err := s.handBackLane(ctx, chunk)
		if errors.Is(err, pg.ErrLost) {
			continue // it was claimed meanwhile, the pause having been lifted
		}
		if err != nil {
			return n, fmt.Errorf("taking the lane back from chunk %s: %w", chunk, err)
		}
		n++
	}
	return n, nil
}

func (s *Store) handBackLane(ctx context.Context, chunk uuid.UUID) error {
	var slot db.StartOverRow
	err := pg.InTx(ctx, s.pool, "submitter.hand_back_lane", func(ctx context.Context, tx pgx.Tx) (err error) {
		q := s.q.WithTx(tx)
		if slot, err = q.StartOver(ctx, chunk); errors.Is(err, pgx.ErrNoRows) {
			return pg.ErrLost
		}
		if err != nil {
			return err
		}
		if _, err := q.LeaveJobs(ctx, db.LeaveJobsParams{Chunk: chunk}); err != nil {
			return err
		}
		if _, err := q.ForgetSuperseded(ctx, chunk); err != nil {
			return err
		}
		if _, err := q.ForgetReduced(ctx, chunk); err != nil {
			return err
		}
		if _, err := q.ForgetUnsent(ctx, chunk); err != nil {
			return err
		}
		if _, err := q.ForgetResolutions(ctx, []uuid.UUID{chunk}); err != nil {
			return err
		}
		_, err = q.FreeLanes(ctx, []uuid.UUID{chunk})
		return err
	})
	if err != nil {
		return err
	}
	return s.q.WakeLane(ctx, db.WakeLaneParams{Space: slot.Space, Lane: slot.Lane})
}
