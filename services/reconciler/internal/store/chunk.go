package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store/db"
)

// ErrNoChunk says that no service's view has the chunk.
var ErrNoChunk = errors.New("no such chunk in the views of extractor and retrier")

// Chunk is a chunk as it was sealed and as it was sent.
type Chunk struct {
	db.SealedChunkRow
	// Superseded are the rows that were left out of the upload.
	Superseded []int
	// Unsent are the rows that were left out since the org has no row for them, or more than one.
	Unsent []db.UnsentRowsRow
	// RowIDs are the ids with which rows of an update or delete were sent that other fields named, 18 bytes a row; nil = nobody asked for any.
	RowIDs []byte
	// CloseRefused is Salesforce's text when it refused to close the job for good; "" = it did not.
	CloseRefused string
	// UploadRows is how many rows the submitter says it sent; negative = it does not say.
	UploadRows int
}

// Chunk reads a chunk; [ErrNoChunk] if there is none.
func (s *Store) Chunk(ctx context.Context, id uuid.UUID) (Chunk, error) {
	q := db.New(s.pool)
	row, err := q.SealedChunk(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Chunk{}, fmt.Errorf("chunk %s: %w", id, ErrNoChunk)
	}
	if err != nil {
		return Chunk{}, fmt.Errorf("read chunk %s: %w", id, err)
	}
	c := Chunk{SealedChunkRow: row, UploadRows: -1}
	superseded, err := q.SupersededRows(ctx, id)
	if err != nil {
		return Chunk{}, fmt.Errorf("read superseded rows of chunk %s: %w", id, err)
	}
	for _, r := range superseded {
		c.Superseded = append(c.Superseded, int(r))
	}
	if c.Unsent, err = q.UnsentRows(ctx, id); err != nil {
		return Chunk{}, fmt.Errorf("read unsent rows of chunk %s: %w", id, err)
	}
	if c.RowIDs, err = q.RowIDs(ctx, id); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Chunk{}, fmt.Errorf("read row ids of chunk %s: %w", id, err)
	}
	submission, err := q.Submission(ctx, id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Chunk{}, fmt.Errorf("read submission of chunk %s: %w", id, err)
	}
	c.CloseRefused = submission.CloseRefused
	if submission.UploadRows != nil {
		c.UploadRows = int(*submission.UploadRows)
	}
	return c, nil
}

// Manifest reads a chunk's manifest, as it was stored; [ErrNoChunk] if there is no such chunk.
func (s *Store) Manifest(ctx context.Context, chunk uuid.UUID) ([]byte, error) {
	packed, err := db.New(s.pool).ManifestOf(ctx, chunk)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("manifest of chunk %s: %w", chunk, ErrNoChunk)
	}
	return packed, wrap("read the manifest", chunk, err)
}

// NextPiece reads the chunk's first piece whose number is above after; false when there is none.
func (s *Store) NextPiece(ctx context.Context, chunk uuid.UUID, after int) (n int, data []byte, ok bool, err error) {
	row, err := db.New(s.pool).NextPiece(ctx, db.NextPieceParams{Chunk: chunk, After: int32(after)})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil, false, nil
	}
	if err != nil {
		return 0, nil, false, fmt.Errorf("read a piece of chunk %s: %w", chunk, err)
	}
	return int(row.N), row.Data, true, nil
}

// Reduced reads which columns, by name, single rows of a chunk were sent without.
func (s *Store) Reduced(ctx context.Context, chunk uuid.UUID, pipeline string) (map[int]map[string]bool, error) {
	q := db.New(s.pool)
	rows, err := q.ReducedRows(ctx, chunk)
	if err != nil || len(rows) == 0 {
		return nil, wrap("read reduced rows", chunk, err)
	}
	columns, err := q.Columns(ctx, pipeline)
	if err != nil {
		return nil, wrap("read columns", chunk, err)
	}
	out := make(map[int]map[string]bool, len(rows))
	for _, r := range rows {
		left := map[string]bool{}
		for _, c := range columns {
			if record.Bitmap(r.Columns).Has(int(c.Ordinal)) {
				left[c.Name] = true
			}
		}
		out[int(r.Row)] = left
	}
	return out, nil
}

// Source is what is known of the RECORDS stream that a pipeline's places belong to.
type Source struct {
	// Incarnation is when it was made; nil = nobody has read it yet.
	Incarnation *time.Time
	// Read is the last message that was read; zero = none is known.
	Read bus.Witness

	skipped []db.SkippedRow
}

// Skips says whether what a place means is lost, and another message stands there.
func (s *Source) Skips(seq uint64) bool {
	return slices.ContainsFunc(s.skipped, func(r db.SkippedRow) bool { return uint64(r.FromSeq) <= seq && seq <= uint64(r.ThroughSeq) })
}

// Source reads what is known of a pipeline's stream.
func (s *Store) Source(ctx context.Context, pipeline string) (Source, error) {
	q := db.New(s.pool)
	r, err := q.ReaderOf(ctx, pipeline)
	if errors.Is(err, pgx.ErrNoRows) {
		return Source{}, nil // no reader is not an error: nothing is known
	}
	if err != nil {
		return Source{}, fmt.Errorf("read the incarnation of the records of pipeline %s: %w", pipeline, err)
	}
	out := Source{Incarnation: r.Incarnation}
	if r.WitnessSeq > 0 && r.WitnessStoredAt != nil {
		out.Read = bus.Witness{Seq: uint64(r.WitnessSeq), Stored: *r.WitnessStoredAt}
	}
	if out.skipped, err = q.Skipped(ctx, pipeline); err != nil {
		return Source{}, fmt.Errorf("read which records of pipeline %s are lost: %w", pipeline, err)
	}
	return out, nil
}

// OrgID is the 18-character id of the org that jobs under a name were made in; "" = nobody has noted one.
func (s *Store) OrgID(ctx context.Context, name string) (string, error) {
	id, err := db.New(s.pool).OrgID(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the id of org %s: %w", name, err)
	}
	return id, nil
}

// Past is what the ledger still holds of a record that is sent again.
type Past struct {
	Payload []byte
	// Attempts is JSON, an array of every try so far.
	Attempts []byte
	// SfID is the Salesforce id under which the row was known, "" = none.
	SfID string
}

// PastFailures reads earlier failures by their numbers. One that is not in the answer is not in the ledger.
func (s *Store) PastFailures(ctx context.Context, ids []int64) (map[int64]Past, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := db.New(s.pool).PastFailures(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read earlier failures: %w", err)
	}
	out := make(map[int64]Past, len(rows))
	for _, r := range rows {
		out[r.ID] = Past{Payload: r.Payload, Attempts: r.Attempts, SfID: r.SfID}
	}
	return out, nil
}

// PastLetters reads what is held of letters, whoever decided them. One that is not in the answer is in nobody's view.
func (s *Store) PastLetters(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Past, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	out := make(map[uuid.UUID]Past, len(ids))
	q := db.New(s.pool)
	own, err := q.PastLetters(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read own letters: %w", err)
	}
	for _, r := range own {
		out[r.LetterID.UUID] = Past{Payload: r.Payload, Attempts: r.Attempts, SfID: r.SfID}
	}
	refused, err := q.ExtractorLetters(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the extractor's letters: %w", err)
	}
	for _, r := range refused {
		out[r.LetterID] = Past{Payload: r.Payload}
	}
	exhausted, err := q.RetrierLetters(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the retrier's letters: %w", err)
	}
	failures := make([]int64, len(exhausted))
	for i, r := range exhausted {
		failures[i] = r.FailureID
	}
	past, err := s.PastFailures(ctx, failures)
	if err != nil {
		return nil, err
	}
	for _, r := range exhausted {
		if p, ok := past[r.FailureID]; ok {
			out[r.LetterID] = p
		}
	}
	return out, nil
}

func wrap(what string, chunk uuid.UUID, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s of chunk %s: %w", what, chunk, err)
}
