package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

// chunk is a chunk with what is needed to match its rows.
type chunk struct {
	store.Chunk
	account  account.Chunk
	manifest *rowfile.Manifest // read when the files have been: see [Reconciler.open]
	keyAt    int               // the key field's column in Header; -1 = rows are matched by content
}

// load reads a chunk without its rows.
func (r *Reconciler) load(ctx context.Context, id uuid.UUID) (*chunk, error) {
	sealed, err := r.cfg.Store.Chunk(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &chunk{Chunk: sealed, keyAt: slices.Index(sealed.Header, sealed.ExternalIDField), account: account.Chunk{
		Rows: int(sealed.Rows), Operation: sealed.Operation, Object: sealed.Object, Space: sealed.Space, KeyField: sealed.ExternalIDField,
		Header: sealed.Header, Superseded: sealed.Superseded, Unsent: make(map[int]account.Failure, len(sealed.Unsent)),
	}}
	for _, u := range sealed.Unsent {
		c.account.Unsent[int(u.Row)] = account.Failure{Class: record.Class(u.Class), Code: u.Code, Message: u.Message, Unsent: true}
	}
	if c.keyAt < 0 && sealed.ExternalIDField != "" {
		return nil, fmt.Errorf("%w: its header has no column %s", account.ErrChunk, sealed.ExternalIDField)
	}
	if n := len(sealed.RowIDs); n != 0 && n != account.IDSize*int(sealed.Rows) {
		return nil, fmt.Errorf("%w: the submitter stored %d bytes of ids for its %d rows", account.ErrChunk, n, sealed.Rows)
	}
	return c, nil
}

// open reads the chunk's manifest, once. It takes as much memory as the keys by which result rows are matched, which are not needed any more by then.
func (r *Reconciler) open(ctx context.Context, c *chunk) error {
	if c.manifest != nil {
		return nil
	}
	packed, err := r.cfg.Store.Manifest(ctx, c.SealedChunkRow.Chunk)
	if err != nil {
		return err
	}
	m, err := rowfile.ReadManifest(packed)
	if err != nil {
		return fmt.Errorf("%w: %w", account.ErrChunk, err)
	}
	if m.Len() != int(c.Rows) {
		return fmt.Errorf("%w: its manifest has %d rows, the chunk %d", account.ErrChunk, m.Len(), c.Rows)
	}
	c.manifest = m
	return nil
}

// resolved says whether the rows were sent by ids that the submitter asked the org for.
func (c *chunk) resolved() bool {
	return (c.Operation == pipeline.OperationUpdate || pipeline.Deletes(c.Operation)) && c.ExternalIDField != pipeline.FieldID
}

// rowID is the id with which a row of an update or delete was sent; "" = it is not known. cells is the row, nil where it is not at hand.
func (c *chunk) rowID(row int, cells []string) string {
	switch {
	case c.resolved() && len(c.RowIDs) > 0:
		return strings.TrimRight(string(c.RowIDs[row*account.IDSize:(row+1)*account.IDSize]), "\x00")
	case cells != nil && c.ExternalIDField == pipeline.FieldID:
		id, _ := record.LongID(strings.TrimSpace(cells[c.keyAt]))
		return id
	}
	return ""
}

// entity is what a record is about: the value of its key field, or itself where nothing but its key names it.
func (c *chunk) entity(entry *flowv1.ManifestEntry, cells []string) string {
	if c.keyAt < 0 {
		return entry.GetKey()
	}
	return cells[c.keyAt]
}

// index learns what tells the chunk's rows apart: it reads the rows once, for their keys. Where the ids are stored, or nothing but all of a
// row tells it apart, and where there are no files to match, there is nothing to read.
func (r *Reconciler) index(ctx context.Context, c *chunk, job account.Job) (*account.Index, error) {
	x, err := account.NewIndex(c.account)
	if err != nil || !job.HasFiles() {
		return x, err
	}
	if c.UploadRows >= 0 && c.UploadRows != x.Sent() {
		return nil, fmt.Errorf("%w: %d rows were uploaded, and %d are left without those that were not to be sent", account.ErrChunk, c.UploadRows, x.Sent())
	}
	switch {
	case c.account.ByContent():
		return x, nil
	case c.resolved():
		if len(c.RowIDs) == 0 {
			return nil, fmt.Errorf("%w: the submitter stored no ids of its rows", account.ErrChunk)
		}
		for row := range int(c.Rows) {
			if err := x.Add(row, []byte(c.rowID(row, nil))); err != nil {
				return nil, err
			}
		}
	default:
		if err := r.eachKey(ctx, c, x.Add); err != nil {
			return nil, err
		}
	}
	return x, x.Whole()
}

// eachKey reads the key of each of the chunk's rows, good until the next one.
func (r *Reconciler) eachKey(ctx context.Context, c *chunk, take func(row int, key []byte) error) error {
	rows := rowfile.Rows(c.Header, r.pieces(ctx, c.SealedChunkRow.Chunk))
	defer rows.Close()
	for {
		n := rows.Row()
		key, err := rows.NextCell(c.keyAt)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return asChunk(err)
		}
		if err := take(n, key); err != nil {
			return err
		}
	}
}

// asChunk says of rows that are malformed that the chunk is.
func asChunk(err error) error {
	if errors.Is(err, rowfile.ErrMalformed) {
		return fmt.Errorf("%w: %w", account.ErrChunk, err)
	}
	return err
}

// eachRow reads the chunk's rows, one after the other, and returns how many there are.
func (r *Reconciler) eachRow(ctx context.Context, c *chunk, take func(row int, cells []string) error) (int, error) {
	rows := rowfile.Rows(c.Header, r.pieces(ctx, c.SealedChunkRow.Chunk))
	defer rows.Close()
	for {
		n := rows.Row()
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, asChunk(err)
		}
		if err := take(n, cells); err != nil {
			return n, err
		}
	}
}

// matchContent hands the chunk's rows to a reading that needs them.
func (r *Reconciler) matchContent(ctx context.Context, c *chunk, reading *account.Reading) error {
	for reading.NeedsRows() {
		n, err := r.eachRow(ctx, c, reading.Row)
		if err != nil {
			return err
		}
		if err := reading.EndRows(n); err != nil {
			return err
		}
	}
	return nil
}

// pieces reads a chunk's pieces one by one, so that one of them is in memory at a time.
func (r *Reconciler) pieces(ctx context.Context, id uuid.UUID) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for after := -1; ; {
			n, data, ok, err := r.cfg.Store.NextPiece(ctx, id, after)
			if err != nil {
				yield(nil, err)
				return
			}
			if !ok || !yield(data, nil) {
				return
			}
			after = n
		}
	}
}
