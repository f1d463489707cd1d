package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/google/uuid"

	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

// operationUpsert is the only operation whose rows can be matched and sent again so far.
const operationUpsert = "upsert"

// chunk is a chunk with what is needed to match its rows.
type chunk struct {
	store.Chunk
	manifest *flowv1.Manifest
	keyAt    int // the external id's column in Header
}

// load reads a chunk without its rows.
func (r *Reconciler) load(ctx context.Context, id uuid.UUID) (*chunk, error) {
	sealed, err := r.cfg.Store.Chunk(ctx, id)
	if err != nil {
		return nil, err
	}
	if sealed.Operation != operationUpsert {
		return nil, fmt.Errorf("operation %s is not supported yet", sealed.Operation)
	}
	c := &chunk{Chunk: sealed, keyAt: slices.Index(sealed.Header, sealed.ExternalIDField)}
	if c.keyAt < 0 {
		return nil, fmt.Errorf("%w: its header has no column %s", account.ErrChunk, sealed.ExternalIDField)
	}
	if c.manifest, err = rowfile.DecodeManifest(sealed.Manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", account.ErrChunk, err)
	}
	if n := len(c.manifest.GetRows()); n != int(sealed.Rows) {
		return nil, fmt.Errorf("%w: its manifest has %d rows, the chunk %d", account.ErrChunk, n, sealed.Rows)
	}
	return c, nil
}

// index reads the chunk's rows once, for their external ids. Without files to match there is nothing to read.
func (r *Reconciler) index(ctx context.Context, c *chunk, job account.Job) (*account.Index, error) {
	x, err := account.NewIndex(int(c.Rows), c.Superseded)
	if err != nil || !job.HasFiles() {
		return x, err
	}
	if c.UploadRows >= 0 && c.UploadRows != x.Sent() {
		return nil, fmt.Errorf("%w: %d rows were uploaded, and %d are left without the superseded ones", account.ErrChunk, c.UploadRows, x.Sent())
	}
	rows := rowfile.Rows(c.Header, r.pieces(ctx, c.SealedChunkRow.Chunk))
	defer rows.Close()
	for {
		n := rows.Row()
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return x, x.Whole()
		}
		if errors.Is(err, rowfile.ErrMalformed) {
			err = fmt.Errorf("%w: %w", account.ErrChunk, err)
		}
		if err != nil {
			return nil, err
		}
		if err := x.Add(n, cells[c.keyAt]); err != nil {
			return nil, err
		}
	}
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
