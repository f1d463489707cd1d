package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Call is a call of sObject Collections that is about to be made: the chunk's rows from First up to, not including, End, without those left out.
type Call struct {
	First, End int
	// Rows is how many rows of the chunk all its calls will send.
	Rows int
	// Time is until its deadline, from when it is stored; Margin is how much longer it counts as one that may land.
	Time, Margin time.Duration
}

// SaveSent writes down a call before it is made, and gives it a number. The first call of a chunk, from claimed, passes the gates that [Store.Bind]
// passes and takes the lane; what has been sent once passes none any more but that of a recovery. A closed gate writes nothing. Until the deadline and the margin have passed, nobody
// claims the submission.
func (s *Store) SaveSent(ctx context.Context, w *Work, c Call) (n int, gate Gate, err error) {
	err = pg.InTx(ctx, s.pool, "submitter.save_sent", func(ctx context.Context, tx pgx.Tx) error {
		gate = Gate{}
		q := s.q.WithTx(tx)
		state, err := q.LockCalling(ctx, db.LockCallingParams{Chunk: w.Chunk, Epoch: w.Epoch})
		if errors.Is(err, pgx.ErrNoRows) {
			return pg.ErrLost
		}
		if err != nil {
			return err
		}
		if state == "claimed" {
			if gate.Closed, err = closedGate(ctx, q, w); err != nil || gate.Closed != "" {
				return err
			}
			if err := one(q.HoldLane(ctx, db.HoldLaneParams{Chunk: w.Chunk, Space: w.Space, Lane: int32(w.Lane)})); err != nil {
				return err
			}
		} else if gate.Closed, err = recoveryGate(ctx, q, w); err != nil || gate.Closed != "" {
			return err
		}
		err = one(q.SaveSent(ctx, db.SaveSentParams{
			UploadRows: int32(c.Rows), CallSeconds: c.Time.Seconds(), MarginSeconds: c.Margin.Seconds(), Chunk: w.Chunk, Epoch: w.Epoch,
		}))
		if err != nil {
			return err
		}
		number, err := q.AddCall(ctx, db.AddCallParams{
			Chunk: w.Chunk, Epoch: w.Epoch, FirstRow: int32(c.First), EndRow: int32(c.End), CallSeconds: c.Time.Seconds(),
		})
		n = int(number)
		return err
	})
	return n, gate, err
}

// Bytes of [Answer.States].
const (
	RowCreated = 'c'
	RowSaved   = 'l'
	RowRefused = 'f'
	RowLeftOut = 0
)

// Answer is what a call answered, row by row of those between its first and its end.
type Answer struct {
	// States is a byte a row; IDs are [IDLength] bytes a row, zero bytes where the reply names no id.
	States, IDs []byte
	Refused     []Refused
}

// Refused is a row that a call refused, with what was said of it.
type Refused struct {
	Row           int
	Code, Message string
	Fields        []string
}

// SaveAnswer stores what call n answered. With answered, no row is left to be sent: the submission says so to the reconciler.
func (s *Store) SaveAnswer(ctx context.Context, w *Work, n int, a Answer, answered *record.Message) error {
	return pg.InTx(ctx, s.pool, "submitter.save_answer", func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if answered == nil {
			if err := one(q.SaveAnswer(ctx, db.SaveAnswerParams{Chunk: w.Chunk, Epoch: w.Epoch})); err != nil {
				return err
			}
		} else if err := endCalls(ctx, tx, q, w, "", *answered); err != nil {
			return err
		}
		err := one(q.AnswerCall(ctx, db.AnswerCallParams{RowStates: a.States, RowIds: a.IDs, Chunk: w.Chunk, Call: int32(n), Epoch: w.Epoch}))
		if err != nil {
			return err
		}
		refused := make([]db.AddRefusedParams, len(a.Refused))
		for i, r := range a.Refused {
			refused[i] = db.AddRefusedParams{Chunk: w.Chunk, Row: int32(r.Row), Code: r.Code, Message: r.Message, Fields: append([]string{}, r.Fields...)}
		}
		if _, err := q.AddRefused(ctx, refused); err != nil {
			return fmt.Errorf("storing refused rows: %w", err)
		}
		return nil
	})
}

// SaveVoid stores that call n surely had no effect. Where it was the only one, nothing of the chunk has been sent: the submission is claimed again, and
// with byJob (why a call of it is refused for good) goes by a job from now on. A lane that only this call needed is free then.
func (s *Store) SaveVoid(ctx context.Context, w *Work, n int, byJob string) error {
	return pg.InTx(ctx, s.pool, "submitter.save_void", func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := one(q.VoidCall(ctx, db.VoidCallParams{Chunk: w.Chunk, Call: int32(n), Epoch: w.Epoch})); err != nil {
			return err
		}
		now, err := q.SaveVoid(ctx, db.SaveVoidParams{ByJob: byJob, Chunk: w.Chunk, Epoch: w.Epoch})
		if errors.Is(err, pgx.ErrNoRows) {
			return pg.ErrLost
		}
		if err != nil || now.State != "claimed" || now.Checked {
			return err // what was checked under the lane keeps it
		}
		_, err = q.FreeLanes(ctx, []uuid.UUID{w.Chunk})
		return err
	})
}

// NoCall is in place of a call's number where there is none.
const NoCall = -1

// SaveRest stores why the rows that are left are not sent by this submission any more, and that call n, if one was refused for good, surely had no effect. It
// says so to the reconciler.
func (s *Store) SaveRest(ctx context.Context, w *Work, n int, words string, answered record.Message) error {
	return pg.InTx(ctx, s.pool, "submitter.save_rest", func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := endCalls(ctx, tx, q, w, words, answered); err != nil {
			return err
		}
		if n == NoCall {
			return nil
		}
		return one(q.VoidCall(ctx, db.VoidCallParams{Chunk: w.Chunk, Call: int32(n), Epoch: w.Epoch}))
	})
}

func endCalls(ctx context.Context, tx pgx.Tx, q *db.Queries, w *Work, words string, answered record.Message) error {
	if err := one(q.SaveAnswered(ctx, db.SaveAnsweredParams{Words: words, Chunk: w.Chunk, Epoch: w.Epoch})); err != nil {
		return err
	}
	return pg.Enqueue(ctx, tx, Schema, answered)
}

// Progress is how far the calls of a chunk are: the rows before Next have their answers, the last call that was answered had Answered rows of the chunk, and
// the Unanswered calls behind it have none. Silent says that any of the chunk's calls has none.
type Progress struct {
	Next, Answered, Unanswered int
	Silent                     bool
}

// Progress reads how far the calls of a chunk are.
func (s *Store) Progress(ctx context.Context, chunk uuid.UUID) (Progress, error) {
	p, err := s.q.Progress(ctx, chunk)
	if err != nil {
		return Progress{}, fmt.Errorf("calls of chunk %s: %w", chunk, err)
	}
	return Progress{Next: int(p.NextRow), Answered: int(p.Answered), Unanswered: int(p.Unanswered), Silent: p.Silent}, nil
}
