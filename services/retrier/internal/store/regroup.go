package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store/db"
)

// Lane is a lane of a pipeline in which something waits and no resend is on its way.
type Lane struct {
	Pipeline string
	Lane     int
	// Revision is that of what is due first.
	Revision int
	// OldestDue is when that is, or was.
	OldestDue time.Time
}

// FailureRow is a row as it was sent, with what a manifest says of one of its records.
type FailureRow struct {
	Key     string
	Columns record.Bitmap
	Header  []string
	Cells   []string
	// AcceptedAt is when the record was accepted first.
	AcceptedAt time.Time
	// RowRecords is the number of records that were merged in the row.
	RowRecords int
	// Ambiguous says that an earlier try of this record may have had an effect that nobody could see.
	Ambiguous bool
	// Version is what the record's own version says; nil where its definition names none.
	Version record.Version
}

// Chunk is a resend chunk about to be sealed.
type Chunk struct {
	ID                                             uuid.UUID
	Pipeline                                       string
	Revision                                       int
	Org, Object, Operation, ExternalIDField, Space string
	Lane                                           int
	Header                                         []string
	Rows, Records                                  int
	// Bytes counts the raw CSV with its header.
	Bytes    int64
	Manifest []byte
	// FirstSeq and LastSeq are the lowest and the highest place in RECORDS of any of its records.
	FirstSeq, LastSeq uint64
	Runs              map[string]int
	Pieces            []Piece
	Resent            []Resent
}

// Piece is a part of a chunk's rows: zstd of CSV without header.
type Piece struct {
	Rows int
	Data []byte
}

// Resent says which record of the chunk came from which failure.
type Resent struct {
	Row, Record int
	FailureID   int64
	KeyHash     record.Hash
	Generation  int
}

// Lanes lists the lanes in which something waits and no resend is on its way.
func (s *Store) Lanes(ctx context.Context) ([]Lane, error) {
	var out []Lane
	for after := (db.NextLaneParams{Lane: math.MinInt32}); ; {
		r, err := s.read().NextLane(ctx, after)
		if errors.Is(err, pgx.ErrNoRows) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if !r.Busy {
			out = append(out, Lane{Pipeline: r.Pipeline, Lane: int(r.Lane), Revision: int(r.Revision), OldestDue: r.OldestDueAt})
		}
		after.Pipeline, after.Lane = r.Pipeline, r.Lane
	}
}

// CountDueUnits counts the units due in a lane at now, up to most.
func (s *Store) CountDueUnits(ctx context.Context, l Lane, now time.Time, most int) (int, error) {
	n, err := s.read().CountDueUnits(ctx, db.CountDueUnitsParams{
		Pipeline: l.Pipeline, Lane: int32(l.Lane), Revision: int32(l.Revision), Now: now, MaxUnits: int32(most),
	})
	return int(n), err
}

// Due reads the records of the units due in a lane at now, at most maxUnits units, the oldest version first, or where the records have none the
// oldest in the stream; records of a unit follow each other.
func (s *Store) Due(ctx context.Context, l Lane, now time.Time, maxUnits int) ([]Waiting, error) {
	rows, err := s.read().DueWaiting(ctx, db.DueWaitingParams{
		Pipeline: l.Pipeline, Lane: int32(l.Lane), Revision: int32(l.Revision), Now: now, MaxUnits: int64(maxUnits),
	})
	if err != nil {
		return nil, err
	}
	out := make([]Waiting, len(rows))
	for i, r := range rows {
		out[i] = Waiting{
			FailureID: r.FailureID, UnitChunk: r.UnitChunk, UnitRow: int(r.UnitRow), LetterID: uuidOf(r.LetterID),
			Pipeline: l.Pipeline, Revision: l.Revision, Lane: l.Lane, Run: r.Run, KeyHash: r.KeyHash, EntityHash: r.EntityHash,
			Generation: int(r.Generation), Place: record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, Attempt: int(r.Attempt),
			Version: r.Version,
		}
	}
	return out, nil
}

// FailureRows reads the rows behind failures, by failure id.
func (s *Store) FailureRows(ctx context.Context, ids []int64) (map[int64]FailureRow, error) {
	rows, err := s.read().FailureRows(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]FailureRow, len(rows))
	for _, r := range rows {
		out[r.ID] = FailureRow{
			Key: r.Key, Columns: r.Columns, Header: r.Header, Cells: r.Cells, AcceptedAt: r.AcceptedAt, RowRecords: int(r.RowRecords),
			Ambiguous: r.Ambiguous, Version: r.Version,
		}
	}
	return out, nil
}

// Payloads reads records as they were published, by failure id; empty where it was lost.
func (s *Store) Payloads(ctx context.Context, ids []int64) (map[int64][]byte, error) {
	rows, err := s.read().Payloads(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[int64][]byte, len(rows))
	for _, r := range rows {
		out[r.ID] = r.Payload
	}
	return out, nil
}

// Columns are the ordinals of a pipeline's columns, in which failures say what a record names.
func (s *Store) Columns(ctx context.Context, pipeline string) (map[string]int, error) {
	rows, err := s.read().Columns(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(rows))
	for _, r := range rows {
		out[r.Name] = int(r.Ordinal)
	}
	return out, nil
}

// Seal makes the chunk and ends the wait of what is in it. pg.ErrLost: another resend of the lane is on its way, or a record does not
// wait any more.
func (s *Store) Seal(ctx context.Context, c Chunk, sealed record.Message) error {
	return s.move(ctx, PointRegroup, func(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
		// The chunk first: its unique index is where two instances meet, before either has copied anything.
		if err := q.InsertChunk(ctx, db.InsertChunkParams{
			Chunk: c.ID, Pipeline: c.Pipeline, Revision: int32(c.Revision), Org: c.Org, Object: c.Object, Operation: c.Operation,
			ExternalIDField: c.ExternalIDField, Space: c.Space, Lane: int32(c.Lane), Header: c.Header,
			Rows: int32(c.Rows), Records: int32(c.Records), Bytes: c.Bytes, Manifest: c.Manifest, FirstSeq: int64(c.FirstSeq),
			LastSeq: int64(c.LastSeq),
		}); err != nil {
			return err
		}
		ids := make([]int64, len(c.Resent))
		resent := make([]db.InsertResentParams, len(c.Resent))
		for i, r := range c.Resent {
			ids[i] = r.FailureID
			resent[i] = db.InsertResentParams{
				Chunk: c.ID, Row: int32(r.Row), Record: int32(r.Record), FailureID: r.FailureID, Pipeline: c.Pipeline,
				KeyHash: r.KeyHash, Generation: int16(r.Generation),
			}
		}
		n, err := q.DeleteWaiting(ctx, ids)
		if err != nil {
			return err
		}
		if n != int64(len(ids)) {
			return fmt.Errorf("%w: %d of %d records wait no more", pg.ErrLost, int64(len(ids))-n, len(ids))
		}
		if _, err := q.InsertResent(ctx, resent); err != nil {
			return err
		}
		runs := make([]db.InsertChunkRunsParams, 0, len(c.Runs))
		for run, records := range c.Runs {
			runs = append(runs, db.InsertChunkRunsParams{Chunk: c.ID, Pipeline: c.Pipeline, Run: run, Kind: record.ChunkResend, Records: int32(records)})
		}
		if _, err := q.InsertChunkRuns(ctx, runs); err != nil {
			return err
		}
		pieces := make([]db.InsertPiecesParams, len(c.Pieces))
		for i, p := range c.Pieces {
			pieces[i] = db.InsertPiecesParams{Chunk: c.ID, N: int32(i), Rows: int32(p.Rows), Data: p.Data}
		}
		if _, err := q.InsertPieces(ctx, pieces); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, sealed)
	})
}
