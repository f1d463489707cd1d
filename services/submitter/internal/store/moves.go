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

// TakeLane takes the lane before the upload, from claimed: for a chunk that is sent again, for one whose rows the org is asked about, and for one
// whose records carry versions. It passes
// the same gates as [Store.Bind]. A lane that it holds already is no obstacle.
func (s *Store) TakeLane(ctx context.Context, w *Work) (Gate, error) {
	var gate Gate
	err := pg.InTx(ctx, s.pool, "submitter.take_lane", func(ctx context.Context, tx pgx.Tx) error {
		gate = Gate{}
		q := s.q.WithTx(tx)
		if err := lock(ctx, q, w, "claimed"); err != nil {
			return err
		}
		reason, err := closedGate(ctx, q, w)
		if err != nil || reason != "" {
			gate.Closed = reason
			return err
		}
		return one(q.HoldLane(ctx, db.HoldLaneParams{Chunk: w.Chunk, Space: w.Space, Lane: int32(w.Lane)}))
	})
	return gate, err
}

// Superseded is one record that a resend leaves out with its row, and the newer record that covers it.
type Superseded struct {
	Row, Record int
	Run         string
	KeyHash     record.Hash
	Generation  int
	Successor   record.Hash
	At          record.Place
}

// Reduced is a row that a resend sends without some of its columns.
type Reduced struct {
	Row     int
	Columns record.Bitmap
}

// Unsent is a row that is left out of the upload because it cannot be sent as it is: an outcome without a try.
type Unsent struct {
	Row           int
	Class         record.Class
	Code, Message string
}

// Checked is what was decided under the lane: what newer versions cover, and what the org said of rows that are named by another field than Id.
type Checked struct {
	Superseded []Superseded
	Reduced    []Reduced
	Unsent     []Unsent
	// RowIDs are the ids to send, [IDLength] bytes a row, zero bytes for a row that is not sent; nil when rows name their entity themselves.
	RowIDs []byte
	// Upload is what remains to be sent; nil when nothing does.
	Upload *Upload
	// Answered is published when nothing remains.
	Answered record.Message
}

// SaveChecked stores what a chunk leaves out and the ids of its rows, once. When nothing remains, the submission is nothing_sent and says so to the reconciler.
func (s *Store) SaveChecked(ctx context.Context, w *Work, c Checked) error {
	return pg.InTx(ctx, s.pool, "submitter.save_checked", func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if c.Upload == nil {
			if err := one(q.SaveNothingToSend(ctx, db.SaveNothingToSendParams{Chunk: w.Chunk, Epoch: w.Epoch})); err != nil {
				return err
			}
			if err := pg.Enqueue(ctx, tx, Schema, c.Answered); err != nil {
				return err
			}
		} else {
			rows, bytes := int32(c.Upload.Rows), c.Upload.Bytes
			err := one(q.SaveChecked(ctx, db.SaveCheckedParams{
				UploadRows: &rows, UploadBytes: &bytes, UploadSha256: c.Upload.SHA256, Chunk: w.Chunk, Epoch: w.Epoch,
			}))
			if err != nil {
				return err
			}
		}
		return addChecked(ctx, q, w, c)
	})
}

func addChecked(ctx context.Context, q *db.Queries, w *Work, c Checked) error {
	superseded := make([]db.AddSupersededParams, len(c.Superseded))
	for i, r := range c.Superseded {
		superseded[i] = db.AddSupersededParams{
			Chunk: w.Chunk, Row: int32(r.Row), Record: int32(r.Record), Pipeline: w.Pipeline, Run: r.Run, KeyHash: r.KeyHash,
			Generation: int16(r.Generation), SuccessorKeyHash: r.Successor, SuccessorSeq: int64(r.At.Seq), SuccessorIdx: int32(r.At.Idx),
		}
	}
	reduced := make([]db.AddReducedParams, len(c.Reduced))
	for i, r := range c.Reduced {
		reduced[i] = db.AddReducedParams{Chunk: w.Chunk, Row: int32(r.Row), Columns: r.Columns}
	}
	if _, err := q.AddSuperseded(ctx, superseded); err != nil {
		return fmt.Errorf("storing superseded records: %w", err)
	}
	if _, err := q.AddReduced(ctx, reduced); err != nil {
		return fmt.Errorf("storing reduced rows: %w", err)
	}
	unsent := make([]db.AddUnsentParams, len(c.Unsent))
	for i, r := range c.Unsent {
		unsent[i] = db.AddUnsentParams{Chunk: w.Chunk, Row: int32(r.Row), Class: string(r.Class), Code: r.Code, Message: r.Message}
	}
	if _, err := q.AddUnsent(ctx, unsent); err != nil {
		return fmt.Errorf("storing rows that are not sent: %w", err)
	}
	if c.RowIDs == nil {
		return nil
	}
	if err := q.AddResolution(ctx, db.AddResolutionParams{Chunk: w.Chunk, RowIds: c.RowIDs}); err != nil {
		return fmt.Errorf("storing the ids of the rows: %w", err)
	}
	return nil
}

// SaveCreated gives the submission a job, age after it was asked for, and leaves an earlier job behind.
func (s *Store) SaveCreated(ctx context.Context, w *Work, jobID string, age time.Duration) error {
	return pg.InTx(ctx, s.pool, "submitter.save_created", func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := unbind(ctx, tx, w); err != nil {
			return err
		}
		err := one(q.SaveCreated(ctx, db.SaveCreatedParams{JobID: jobID, AgeSeconds: age.Seconds(), Chunk: w.Chunk, Epoch: w.Epoch}))
		if err != nil {
			return err
		}
		if _, err := q.LeaveJobs(ctx, db.LeaveJobsParams{Chunk: w.Chunk, JobID: jobID}); err != nil {
			return err
		}
		return q.AddJob(ctx, db.AddJobParams{JobID: jobID, Chunk: w.Chunk, Org: w.Org, Epoch: w.Epoch})
	})
}

// SaveUploaded says that the job holds the whole upload.
func (s *Store) SaveUploaded(ctx context.Context, w *Work, jobID string, u Upload) error {
	rows := int32(u.Rows)
	return pg.InTx(ctx, s.pool, "submitter.save_uploaded", func(ctx context.Context, tx pgx.Tx) error {
		return one(s.q.WithTx(tx).SaveUploaded(ctx, db.SaveUploadedParams{
			UploadRows: &rows, UploadBytes: &u.Bytes, UploadSha256: u.SHA256, Chunk: w.Chunk, Epoch: w.Epoch, JobID: jobID,
		}))
	})
}

// Bind ties the submission to the job for ever, if its lane is free (or its own), its turn has come, its pipeline is not paused and the job
// is younger than maxAge (or its upload has only just ended). A closed gate writes nothing.
func (s *Store) Bind(ctx context.Context, w *Work, jobID string, maxAge time.Duration) (Gate, error) {
	var gate Gate
	err := pg.InTx(ctx, s.pool, "submitter.bind", func(ctx context.Context, tx pgx.Tx) error {
		gate = Gate{}
		q := s.q.WithTx(tx)
		if err := lock(ctx, q, w, "created"); err != nil {
			return err
		}
		reason, err := closedGate(ctx, q, w)
		if err != nil || reason != "" {
			gate.Closed = reason
			return err
		}
		// Last, so that a job which grew old at a closed gate is replaced once, when the gate is open.
		gate.TooOld, err = q.JobIsTooOld(ctx, db.JobIsTooOldParams{MaxAgeSeconds: maxAge.Seconds(), Chunk: w.Chunk})
		if errors.Is(err, pgx.ErrNoRows) {
			return pg.ErrLost // no upload is stored
		}
		if err != nil || gate.TooOld {
			return err
		}
		if err := one(q.HoldLane(ctx, db.HoldLaneParams{Chunk: w.Chunk, Space: w.Space, Lane: int32(w.Lane)})); err != nil {
			return err
		}
		if err := one(q.SaveBound(ctx, db.SaveBoundParams{Chunk: w.Chunk, Epoch: w.Epoch, JobID: jobID})); err != nil {
			return err
		}
		return one(q.MarkJobBound(ctx, db.MarkJobBoundParams{JobID: jobID, Chunk: w.Chunk}))
	})
	return gate, err
}

// SaveRefused stores that the bound job's close was refused for good. When the submission of the pipeline before this one ended like
// that too, the pause is stated in the same transaction; paused says so.
func (s *Store) SaveRefused(ctx context.Context, w *Work, jobID, words string, p Pause) (paused bool, err error) {
	err = pg.InTx(ctx, s.pool, "submitter.save_refused", func(ctx context.Context, tx pgx.Tx) error {
		paused = false
		q := s.q.WithTx(tx)
		if err := one(q.SaveRefused(ctx, db.SaveRefusedParams{Words: words, Chunk: w.Chunk, Epoch: w.Epoch, JobID: jobID})); err != nil {
			return err
		}
		second, err := q.LastSentWasRefused(ctx, db.LastSentWasRefusedParams{Pipeline: w.Pipeline, Chunk: w.Chunk})
		if err != nil || !second {
			return err
		}
		paused = true
		_, err = addPause(ctx, q, p)
		return err
	})
	return paused, err
}

// SaveSubmitted hands the bound job to the poller and tells of it.
func (s *Store) SaveSubmitted(ctx context.Context, w *Work, jobID string, submitted record.Message) error {
	return pg.InTx(ctx, s.pool, "submitter.save_submitted", func(ctx context.Context, tx pgx.Tx) error {
		err := one(s.q.WithTx(tx).SaveSubmitted(ctx, db.SaveSubmittedParams{Chunk: w.Chunk, Epoch: w.Epoch, JobID: jobID}))
		if err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, submitted)
	})
}

// Pause is why a pipeline takes no new work until a person lifts it.
type Pause struct {
	Pipeline      string
	Class         record.Class
	Code, Message string
}

// Pause states a pause, unless an open one of this service says the same; stated is false then.
func (s *Store) Pause(ctx context.Context, p Pause) (stated bool, err error) {
	return addPause(ctx, s.q, p)
}

func addPause(ctx context.Context, q *db.Queries, p Pause) (stated bool, err error) {
	n, err := q.Pause(ctx, db.PauseParams{ID: uuid.New(), Pipeline: p.Pipeline, Class: string(p.Class), Code: p.Code, Message: p.Message})
	return n > 0, err
}

// lock holds the submission's row to the end of the transaction, if it is still the worker's and in this state.
func lock(ctx context.Context, q *db.Queries, w *Work, state string) error {
	_, err := q.LockSubmission(ctx, db.LockSubmissionParams{Chunk: w.Chunk, Epoch: w.Epoch, State: state})
	if errors.Is(err, pgx.ErrNoRows) {
		return pg.ErrLost
	}
	return err
}
