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

// Binding is what job_bound tells: a chunk that is bound to a job.
type Binding struct {
	Chunk    uuid.UUID
	JobID    string
	Pipeline string
	Revision int
	// Org is the job's; "" = the fact does not say it.
	Org string
	// At is when it was told. From and Through are the lowest and the highest sequence in RECORDS of what the job carries.
	At            time.Time
	From, Through uint64
}

// BindingsMark is how far job_bound has been compared with this ledger: up to Seq, in that incarnation of FLOW, each binding is known. The zero mark is
// that of a ledger which has compared nothing.
type BindingsMark struct {
	// Incarnation has the ledger's microseconds.
	Incarnation time.Time
	Seq         uint64
}

// BindingsMark reads the mark.
func (s *Store) BindingsMark(ctx context.Context) (BindingsMark, error) {
	return markOf(s.q.BindingsRead(ctx))
}

func markOf[R db.BindingsReadRow | db.LockBindingsReadRow](row R, err error) (BindingsMark, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return BindingsMark{}, nil
	}
	r := db.BindingsReadRow(row)
	return BindingsMark{Incarnation: r.Incarnation.UTC(), Seq: uint64(r.Seq)}, err
}

// KnowsBinding says whether the ledger holds this binding, or has noted that it had forgotten it.
func (s *Store) KnowsBinding(ctx context.Context, b Binding) (bool, error) {
	return s.q.KnowsBinding(ctx, db.KnowsBindingParams{JobID: b.JobID, Chunk: b.Chunk})
}

// Found is a binding that the ledger had forgotten.
type Found struct {
	Binding
	// Adopted says that the chunk is known and will be bound to the job. Contradicts says that the ledger knows something else of the chunk that
	// excludes the binding, in words; "" = it does not.
	Adopted     bool
	Contradicts string
}

// Forget moves the mark on from where it was read, and notes those bindings that the ledger does not know; of each pipeline that has some a recovery begins.
// [pg.ErrLost] says that somebody else has moved the mark meanwhile.
func (s *Store) Forget(ctx context.Context, from, to BindingsMark, unknown []Binding) (found []Found, err error) {
	err = pg.InTx(ctx, s.pool, "submitter.forget", func(ctx context.Context, tx pgx.Tx) error {
		found = nil
		q := s.q.WithTx(tx)
		if from == (BindingsMark{}) {
			if err := q.BeginBindingsRead(ctx, to.Incarnation); err != nil {
				return err
			}
		}
		now, err := markOf(q.LockBindingsRead(ctx))
		if err != nil {
			return err
		}
		// A mark that was never written reads as the zero one, and has just been written as one of nothing read.
		if begun := from == (BindingsMark{}) && now.Seq == 0; now != from && !begun {
			return pg.ErrLost
		}
		for _, b := range unknown {
			// Asked again under the mark's row: two that read the same messages note each binding once.
			known, err := q.KnowsBinding(ctx, db.KnowsBindingParams{JobID: b.JobID, Chunk: b.Chunk})
			if err != nil {
				return err
			}
			if known {
				continue
			}
			f, err := addForgotten(ctx, q, b)
			if err != nil {
				return fmt.Errorf("noting the forgotten job %s: %w", b.JobID, err)
			}
			found = append(found, f)
		}
		return q.SaveBindingsRead(ctx, db.SaveBindingsReadParams{Incarnation: to.Incarnation, Seq: int64(to.Seq)})
	})
	return found, err
}

func addForgotten(ctx context.Context, q *db.Queries, b Binding) (Found, error) {
	f := Found{Binding: b}
	// A chunk that was sealed and that nobody has told of yet can be adopted too.
	if _, err := q.NoteChunks(ctx, []uuid.UUID{b.Chunk}); err != nil {
		return f, err
	}
	chunk, err := q.LockForgottenChunk(ctx, b.Chunk)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return f, err
	default:
		unbound := !chunk.Ended && (chunk.State == "claimed" || chunk.State == "created")
		f.Adopted = unbound && chunk.Inserts
		if !unbound && chunk.State != "sent" {
			f.Contradicts = fmt.Sprintf("its chunk is %s with job %q", chunk.State, chunk.JobID)
		}
		if f.Org == "" {
			f.Org = chunk.Org
		}
	}
	ids, err := q.OpenRecovery(ctx, b.Pipeline)
	if err != nil {
		return f, err
	}
	if len(ids) == 0 {
		id, err := q.AddRecovery(ctx, b.Pipeline)
		if err != nil {
			return f, err
		}
		ids = []int64{id}
	}
	return f, q.AddForgotten(ctx, db.AddForgottenParams{
		JobID: b.JobID, Recovery: ids[0], Chunk: b.Chunk, Pipeline: b.Pipeline, Revision: int32(b.Revision), Org: f.Org, BoundAt: b.At,
		FromSeq: int64(b.From), ThroughSeq: int64(b.Through), Adopted: f.Adopted,
	})
}

// Recovering is how many recoveries of a pipeline are done, and whether one is open that keeps it from sending: its own, or another pipeline's in its org.
type Recovering struct {
	Recoveries int
	Open       bool
}

// Recovering reads how the submission's pipeline stands.
func (s *Store) Recovering(ctx context.Context, w *Work) (Recovering, error) {
	r, err := s.q.Recovering(ctx, db.RecoveringParams{Pipeline: w.Pipeline, Org: w.Org})
	return Recovering{Recoveries: int(r.Recoveries), Open: r.Open > 0}, err
}

// recoveryGate keeps everything from being sent while forgotten jobs may still land, and whoever was claimed before a recovery was done from going on with
// what it decided then.
func recoveryGate(ctx context.Context, q *db.Queries, w *Work) (string, error) {
	r, err := q.Recovering(ctx, db.RecoveringParams{Pipeline: w.Pipeline, Org: w.Org})
	switch {
	case err != nil:
		return "", err
	case r.Open > 0:
		return "the ledger was restored to an earlier moment: jobs that it has forgotten are seen to their end first", nil
	case int(r.Recoveries) != w.Recoveries:
		return "the ledger has just learned what it had forgotten: what is sent is decided anew", nil
	}
	return "", nil
}

// Forgotten is what one forgotten job may have sent of a pipeline: records at these places in RECORDS, before FoundAt.
type Forgotten struct {
	FoundAt       time.Time
	From, Through uint64
}

// Forgotten lists what may have been sent of a pipeline without this ledger's knowledge.
func (s *Store) Forgotten(ctx context.Context, pipeline string) ([]Forgotten, error) {
	rows, err := s.q.ForgottenOf(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	out := make([]Forgotten, len(rows))
	for i, r := range rows {
		out[i] = Forgotten{FoundAt: r.FoundAt, From: uint64(r.FromSeq), Through: uint64(r.ThroughSeq)}
	}
	return out, nil
}

// AdoptedJob is the forgotten job that the chunk is to be bound to; "" = none.
func (s *Store) AdoptedJob(ctx context.Context, chunk uuid.UUID) (string, error) {
	jobs, err := s.q.AdoptedJob(ctx, chunk)
	if err != nil || len(jobs) == 0 {
		return "", err
	}
	return jobs[0], nil
}

// LastSent says of failures when the sending that they come from began. What the ledger never sent is not in the answer.
func (s *Store) LastSent(ctx context.Context, failures []int64) (map[int64]time.Time, error) {
	rows, err := s.q.LastSent(ctx, failures)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]time.Time, len(rows))
	for _, r := range rows {
		out[r.ID] = r.SentAt
	}
	return out, nil
}

// FailuresOfLetters finds the failures behind letters. A letter of what was refused before it was sent has none.
func (s *Store) FailuresOfLetters(ctx context.Context, letters []uuid.UUID) (map[uuid.UUID][]int64, error) {
	rows, err := s.q.FailuresOfLetters(ctx, letters)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID][]int64, len(rows))
	for _, r := range rows {
		out[r.LetterID] = append(out[r.LetterID], r.FailureID)
	}
	return out, nil
}

// Adopt binds the submission to a forgotten job that has ended, when its lane is free or its own. No other gate is asked: what the job did is done.
func (s *Store) Adopt(ctx context.Context, w *Work, jobID string) (Gate, error) {
	var gate Gate
	err := pg.InTx(ctx, s.pool, "submitter.adopt", func(ctx context.Context, tx pgx.Tx) error {
		gate = Gate{}
		q := s.q.WithTx(tx)
		if _, err := q.LockUnbound(ctx, db.LockUnboundParams{Chunk: w.Chunk, Epoch: w.Epoch}); err != nil {
			return lostIfNone(err)
		}
		reason, _, err := laneGate(ctx, q, w)
		if err == nil && reason == "" {
			reason, err = recoveryGate(ctx, q, w)
		}
		if err != nil || reason != "" {
			gate.Closed = reason
			return err
		}
		if err := one(q.HoldLane(ctx, db.HoldLaneParams{Chunk: w.Chunk, Space: w.Space, Lane: int32(w.Lane)})); err != nil {
			return err
		}
		if err := one(q.SaveAdopted(ctx, db.SaveAdoptedParams{Chunk: w.Chunk, Epoch: w.Epoch, JobID: jobID})); err != nil {
			return err
		}
		if _, err := q.LeaveJobs(ctx, db.LeaveJobsParams{Chunk: w.Chunk, JobID: jobID}); err != nil {
			return err
		}
		return q.AddAdoptedJob(ctx, db.AddAdoptedJobParams{JobID: jobID, Chunk: w.Chunk, Org: w.Org, Epoch: w.Epoch})
	})
	return gate, err
}

// Range are the rows of a chunk from First up to, not including, End.
type Range struct{ First, End int }

// SaveDoubted ends the sending of a chunk of which rows may have been sent by a forgotten job: of the rows in doubt nobody knows what became of them, the others
// were not sent. It passes the gates that [Store.Bind] passes and takes the lane, which looking for the rows needs, and tells the reconciler. words say why.
func (s *Store) SaveDoubted(ctx context.Context, w *Work, doubt []Range, words string, answered record.Message) (Gate, error) {
	var gate Gate
	err := pg.InTx(ctx, s.pool, "submitter.save_doubted", func(ctx context.Context, tx pgx.Tx) error {
		gate = Gate{}
		q := s.q.WithTx(tx)
		state, err := q.LockUnbound(ctx, db.LockUnboundParams{Chunk: w.Chunk, Epoch: w.Epoch})
		if err != nil {
			return lostIfNone(err)
		}
		if state == "sent" {
			gate.Closed, err = recoveryGate(ctx, q, w)
		} else {
			gate.Closed, err = closedGate(ctx, q, w)
		}
		if err != nil || gate.Closed != "" {
			return err
		}
		if err := one(q.HoldLane(ctx, db.HoldLaneParams{Chunk: w.Chunk, Space: w.Space, Lane: int32(w.Lane)})); err != nil {
			return err
		}
		if err := one(q.SaveDoubted(ctx, db.SaveDoubtedParams{Words: words, Chunk: w.Chunk, Epoch: w.Epoch})); err != nil {
			return err
		}
		if _, err := q.LeaveJobs(ctx, db.LeaveJobsParams{Chunk: w.Chunk}); err != nil {
			return err
		}
		// As calls without an answer, which is what the reconciler takes them for.
		for _, r := range doubt {
			if _, err := q.AddCall(ctx, db.AddCallParams{Chunk: w.Chunk, Epoch: w.Epoch, FirstRow: int32(r.First), EndRow: int32(r.End)}); err != nil {
				return fmt.Errorf("rows in doubt: %w", err)
			}
		}
		return pg.Enqueue(ctx, tx, Schema, answered)
	})
	return gate, err
}

func lostIfNone(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return pg.ErrLost
	}
	return err
}
