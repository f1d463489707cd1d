package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

// Bounds of one batch of failures. A frame has at most a megabyte, so that fetching a batch holds 64 MB of them at worst, and 8 MB with
// frames of the size that is aimed at.
const (
	batchRecords = 1000
	batchFrames  = 64
)

// failures are a chunk's records that did not land, to be read as often as the transaction that stores them is run.
type failures struct {
	r       *Reconciler
	task    *task
	chunk   *chunk
	outcome *account.Outcome
	reduced map[int]map[string]bool
	records *records
	decided time.Time
	last    int // the last row that did not land; -1 = there is none

	// The first batch is made before the transaction begins. In nearly every chunk it is the only one, so that no transaction stays
	// open while the broker is asked.
	first     store.Batch
	firstRest int // the row after the first batch
}

// failuresOf prepares them.
func (r *Reconciler) failuresOf(ctx context.Context, t *task, c *chunk, o *account.Outcome) (*failures, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return nil, err
	}
	f := &failures{r: r, task: t, chunk: c, outcome: o, decided: now.UTC(), last: -1}
	for row := range o.States {
		if didNotLand(o.Of(row)) {
			f.last = row
		}
	}
	if f.last < 0 {
		return f, nil
	}
	if f.reduced, err = r.cfg.Store.Reduced(ctx, t.work.Chunk, t.work.Pipeline); err != nil {
		return nil, err
	}
	f.records = &records{r: r, pipeline: t.work.Pipeline, log: t.log}
	cursor := f.open(ctx, 0)
	defer cursor.rows.Close()
	if f.first, err = f.next(ctx, cursor); err != nil {
		return nil, err
	}
	f.firstRest = cursor.rows.Row()
	return f, nil
}

func didNotLand(o record.Outcome) bool {
	return o != record.OutcomeLanded && o != record.OutcomeSuperseded
}

// each hands out all batches, from the first.
func (f *failures) each(ctx context.Context, yield func(store.Batch) error) error {
	if f.last < 0 {
		return nil
	}
	if err := yield(f.first); err != nil {
		return err
	}
	if f.firstRest > f.last {
		return nil
	}
	cursor := f.open(ctx, f.firstRest)
	defer cursor.rows.Close()
	for cursor.rows.Row() <= f.last {
		batch, err := f.next(ctx, cursor)
		if err != nil {
			return err
		}
		if err := yield(batch); err != nil {
			return err
		}
	}
	return nil
}

// cursor is a place among the chunk's rows.
type cursor struct {
	rows *rowfile.RowReader
	from int // rows before it are left out
}

func (f *failures) open(ctx context.Context, from int) *cursor {
	return &cursor{rows: rowfile.Rows(f.chunk.Header, f.r.pieces(ctx, f.task.work.Chunk)), from: from}
}

// failed is one record of a row that did not land.
type failed struct {
	row, record int
	records     int // merged in the row
	fate        account.Fate
	entry       *flowv1.ManifestEntry
	cells       []string
}

// next reads on until a batch is full or the last row that did not land is in it.
func (f *failures) next(ctx context.Context, at *cursor) (store.Batch, error) {
	var batch []failed
	frames := map[uint64]bool{}
	for at.rows.Row() <= f.last && len(batch) < batchRecords && len(frames) < batchFrames {
		row := at.rows.Row()
		wanted := row >= at.from && didNotLand(f.outcome.Of(row))
		cells, err := nextIf(at.rows, wanted)
		if errors.Is(err, io.EOF) || errors.Is(err, rowfile.ErrMalformed) {
			return store.Batch{}, fmt.Errorf("%w: row %d of its pieces: %w", account.ErrChunk, row, err)
		}
		if err != nil {
			return store.Batch{}, err
		}
		if !wanted {
			continue
		}
		sent := f.asSent(row, cells)
		fate := account.Dispose(f.outcome, row, f.task.job)
		entries, err := f.chunk.manifest.Row(row)
		if err != nil {
			return store.Batch{}, fmt.Errorf("%w: %w", account.ErrChunk, err)
		}
		for i, entry := range entries.GetRecords() {
			batch = append(batch, failed{row: row, record: i, records: len(entries.GetRecords()), fate: fate, entry: entry, cells: sent})
			if entry.GetFailureId() == 0 && len(entry.GetLetterId()) == 0 {
				frames[entry.GetSeq()] = true
			}
		}
	}
	entries := make([]*flowv1.ManifestEntry, len(batch))
	for i, b := range batch {
		entries[i] = b.entry
	}
	originals, err := f.records.originals(ctx, entries)
	if err != nil {
		return store.Batch{}, err
	}
	return f.build(batch, originals)
}

// nextIf goes to the next row, and takes it apart if it is wanted.
func nextIf(rows *rowfile.RowReader, wanted bool) ([]string, error) {
	if wanted {
		return rows.Next()
	}
	_, err := rows.NextLine()
	return nil, err
}

// asSent is the row without the columns that were left out of the upload.
func (f *failures) asSent(row int, cells []string) []string {
	cells = slices.Clone(cells)
	for i, name := range f.chunk.Header {
		if f.reduced[row][name] {
			cells[i] = ""
		}
	}
	return cells
}

func (f *failures) build(batch []failed, originals []original) (store.Batch, error) {
	var out store.Batch
	for i, b := range batch {
		row, err := f.failure(b, originals[i])
		if err != nil {
			return store.Batch{}, err
		}
		out.Failures = append(out.Failures, row)
		if !row.LetterID.Valid {
			continue
		}
		letter, err := letterOf(letterSource{
			ID: row.LetterID.UUID, Pipeline: row.Pipeline, Revision: row.Revision, Run: row.Run, Key: row.Key, Generation: row.Generation,
			Entity: row.Entity, Seq: row.Seq, Idx: row.Idx, AcceptedAt: row.AcceptedAt, Class: row.Class, Code: row.Code, Message: row.Message,
			Fields: row.Fields, Header: row.Header, Cells: row.Cells, Payload: row.Payload, Attempts: row.Attempts, DecidedAt: row.DecidedAt,
			Traceparent: f.chunk.Traceparent,
		})
		if err != nil {
			return store.Batch{}, err
		}
		out.Letters = append(out.Letters, letter)
	}
	return out, nil
}

// failure is the row of the ledger.
func (f *failures) failure(b failed, o original) (store.Failure, error) {
	c, fate, entry := f.chunk, b.fate, b.entry
	attempts := o.attempts
	if fate.Tried {
		attempts = append(slices.Clone(attempts), bus.LetterAttempt{
			N: len(attempts) + 1, Chunk: f.task.work.Chunk.String(), JobID: f.task.work.JobID, At: f.decided,
			Class: string(fate.Class), Code: fate.Code, Message: fate.Message,
		})
	}
	if attempts == nil {
		attempts = []bus.LetterAttempt{}
	}
	history, err := json.Marshal(attempts)
	if err != nil {
		return store.Failure{}, fmt.Errorf("attempts of row %d: %w", b.row, err)
	}
	counted := int(entry.GetAttempts())
	if fate.Counts {
		counted++
	}
	value, id := c.entity(entry, b.cells), fate.ID
	if id == "" {
		id = c.rowID(b.row, b.cells)
	}
	out := store.Failure{
		Chunk: f.task.work.Chunk, Row: int32(b.row), Record: int32(b.record), Pipeline: c.Pipeline, Revision: c.Revision, Lane: c.Lane,
		Run: c.manifest.Runs()[entry.GetRun()], Key: entry.GetKey(), KeyHash: uuid.UUID(entry.GetKeyHash()),
		Generation: int16(entry.GetGeneration()), Entity: value, EntityHash: uuid.UUID(record.HashEntity(c.Space, record.FoldIn(c.Space, value))),
		Seq: int64(entry.GetSeq()), Idx: int32(entry.GetIdx()), Columns: entry.GetColumns(),
		AcceptedAt: time.UnixMicro(entry.GetAcceptedAt()).UTC(), Attempt: int16(min(counted, 1<<15-1)),
		Outcome: string(fate.Outcome), Class: string(fate.Class), Code: fate.Code, Message: fate.Message, Fields: fate.Fields, SfID: id,
		Disposition: string(fate.Disposition), Tries: int16(fate.Tries), Header: c.Header, Cells: b.cells, Payload: o.payload, Attempts: history, DecidedAt: f.decided,
		Ambiguous: entry.GetAmbiguous() || fate.Outcome == record.OutcomeMissing || f.outcome.Ambiguous(b.row), RowRecords: int32(b.records), Version: entry.GetVersion(),
	}
	switch fate.Disposition {
	case account.DispositionDead:
		out.LetterID = uuid.NullUUID{UUID: record.LetterID(c.Pipeline, entry.GetKey(), int(entry.GetGeneration())), Valid: true}
	case account.DispositionUnresolved:
		out.LetterID = uuid.NullUUID{UUID: record.UnresolvedID(c.Pipeline, entry.GetKey(), int(entry.GetGeneration()), f.task.work.Chunk), Valid: true}
	case account.DispositionRetry:
	}
	return out, nil
}
