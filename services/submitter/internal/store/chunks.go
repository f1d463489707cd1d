package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Chunk is what is to be sent, as its sealer's view shows it.
type Chunk struct {
	ID                uuid.UUID
	Pipeline          string
	Object, Operation string
	// KeyField is the column that names a row's entity; "" where nothing does.
	KeyField string
	Space    string
	Header   []string
	Rows     int
	// Bytes of the raw CSV with its header.
	Bytes       int64
	Traceparent string
	// From and Through are the lowest and the highest place in RECORDS of its records; Through 0 = it is not known.
	From, Through uint64
}

// Chunk reads a chunk. It is an error when no view shows it: rows go only after the outcome, so this ledger and theirs disagree.
func (s *Store) Chunk(ctx context.Context, id uuid.UUID) (Chunk, error) {
	r, err := s.q.ChunkOf(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Chunk{}, fmt.Errorf("chunk %s is in no sealer's view", id)
	}
	if err != nil {
		return Chunk{}, err
	}
	return Chunk{
		ID: r.Chunk, Pipeline: r.Pipeline, Object: r.Object, Operation: r.Operation, KeyField: r.ExternalIDField, Space: r.Space, Header: r.Header,
		Rows: int(r.Rows), Bytes: r.Bytes, Traceparent: r.Traceparent, From: uint64(r.FirstSeq), Through: uint64(r.LastSeq),
	}, nil
}

// Manifest reads a chunk's manifest, as it was stored.
func (s *Store) Manifest(ctx context.Context, id uuid.UUID) ([]byte, error) {
	b, err := s.q.ManifestOf(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("manifest of chunk %s: %w", id, err)
	}
	return b, nil
}

// Piece is a part of a chunk's rows.
type Piece struct {
	N    int
	Rows int
	Data []byte
}

// NextPiece reads the first piece after number after (-1 = the first); ok is false after the last.
func (s *Store) NextPiece(ctx context.Context, id uuid.UUID, after int) (piece Piece, ok bool, err error) {
	rows, err := s.q.NextPiece(ctx, db.NextPieceParams{Chunk: id, After: int32(after)})
	if err != nil {
		return Piece{}, false, fmt.Errorf("pieces of chunk %s: %w", id, err)
	}
	if len(rows) == 0 {
		return Piece{}, false, nil
	}
	return Piece{N: int(rows[0].N), Rows: int(rows[0].Rows), Data: rows[0].Data}, true, nil
}

// Omitted is what a chunk leaves out of its upload.
type Omitted struct {
	// Rows are left out whole: newer versions cover them, or they are named unsent. Columns are left out of single rows.
	Rows    map[int]bool
	Columns map[int]record.Bitmap
}

// IDLength is the length of a Salesforce id in [Checked.RowIDs].
const IDLength = 18

// RowIDs reads the ids that SaveChecked stored, [IDLength] bytes a row; nil when it stored none.
func (s *Store) RowIDs(ctx context.Context, id uuid.UUID) ([]byte, error) {
	ids, err := s.q.ResolutionOf(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ids of the rows of chunk %s: %w", id, err)
	}
	return ids, nil
}

// Omitted reads what SaveChecked stored.
func (s *Store) Omitted(ctx context.Context, id uuid.UUID) (Omitted, error) {
	rows, err := s.q.SupersededRows(ctx, id)
	if err != nil {
		return Omitted{}, err
	}
	unsent, err := s.q.UnsentRows(ctx, id)
	if err != nil {
		return Omitted{}, err
	}
	reduced, err := s.q.ReducedRows(ctx, id)
	if err != nil {
		return Omitted{}, err
	}
	out := Omitted{Rows: make(map[int]bool, len(rows)+len(unsent)), Columns: make(map[int]record.Bitmap, len(reduced))}
	for _, r := range append(rows, unsent...) {
		out.Rows[int(r)] = true
	}
	for _, r := range reduced {
		out.Columns[int(r.Row)] = r.Columns
	}
	return out, nil
}

// Columns are the ordinals of a pipeline's columns by name, as bitmaps count them.
func (s *Store) Columns(ctx context.Context, pipeline string) (map[string]int, error) {
	rows, err := s.q.ColumnsOf(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(rows))
	for _, r := range rows {
		out[r.Name] = int(r.Ordinal)
	}
	return out, nil
}

// OrgsWithJobs lists the orgs that this service has made jobs in.
func (s *Store) OrgsWithJobs(ctx context.Context) ([]string, error) { return s.q.OrgsWithJobs(ctx) }

// KeptAmong says which of these jobs a submission has and may still bind, or has bound.
func (s *Store) KeptAmong(ctx context.Context, jobs []string, maxAge time.Duration) (map[string]bool, error) {
	kept, err := s.q.KeptAmong(ctx, db.KeptAmongParams{JobIds: jobs, MaxAgeSeconds: maxAge.Seconds()})
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(kept))
	for _, j := range kept {
		out[j] = true
	}
	return out, nil
}

// LeaveOrphan notes that a job will never be bound; a job of another program is not known here, and nothing is noted.
func (s *Store) LeaveOrphan(ctx context.Context, jobID string) error {
	_, err := s.q.LeaveOrphan(ctx, jobID)
	return err
}
