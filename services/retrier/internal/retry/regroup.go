package retry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/retrier/internal/store"
)

// Regroup seals one resend chunk in every lane in which enough is due. It says how many it sealed, and how long until it is worth to look again
// (0: when something new begins to wait).
func (p *Passes) Regroup(ctx context.Context) (int, time.Duration, error) {
	now, err := p.clock(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("look for what is due: %w", err)
	}
	lanes, err := p.store.Lanes(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("look for what is due: %w", err)
	}
	var (
		sealed int
		errs   []error
		next   time.Time
	)
	for _, lane := range lanes {
		if lane.OldestDue.After(now) {
			next = earlier(next, lane.OldestDue.Add(p.gather))
			continue
		}
		ok, again, err := p.regroupLane(ctx, lane, now)
		switch {
		case err != nil:
			// The other lanes go on: what ails one pipeline is not theirs.
			errs = append(errs, fmt.Errorf("regroup pipeline %s lane %d: %w", lane.Pipeline, lane.Lane, err))
		case ok:
			sealed++
		}
		next = earlier(next, again)
	}
	wait := time.Duration(0)
	if !next.IsZero() {
		wait = max(next.Sub(now), time.Nanosecond)
	}
	return sealed, wait, errors.Join(errs...)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// regroupLane seals the next resend of a lane, unless it is better to gather more first: then it says when to look again.
func (p *Passes) regroupLane(ctx context.Context, lane store.Lane, now time.Time) (bool, time.Time, error) {
	definition, err := p.definitions.Definition(ctx, lane.Pipeline, lane.Revision)
	if err != nil {
		return false, time.Time{}, err
	}
	maxRows := definition.Chunk.Rows
	if gathered := lane.OldestDue.Add(p.gather); now.Before(gathered) {
		n, err := p.store.CountDueUnits(ctx, lane, now, maxRows)
		if err != nil {
			return false, time.Time{}, err
		}
		if n < maxRows {
			return false, gathered, nil
		}
	}
	waiting, err := p.store.Due(ctx, lane, now, maxRows)
	if err != nil || len(waiting) == 0 {
		return false, time.Time{}, err
	}
	units := Pick(Group(waiting), maxRows)
	if err := fault.Point(ctx, pointPicked); err != nil {
		return false, time.Time{}, err
	}
	chunk, err := p.buildChunk(ctx, definition, lane, units)
	if err != nil {
		return false, time.Time{}, err
	}
	fact := &flowv1.ChunkSealed{
		Chunk: chunk.ID.String(), Kind: record.ChunkResend, Space: chunk.Space, Lane: int32(chunk.Lane),
		Rows: int32(chunk.Rows), Records: int32(chunk.Records), Bytes: chunk.Bytes,
	}
	if err := fault.Point(ctx, pointBuilt); err != nil {
		return false, time.Time{}, err
	}
	err = p.store.Seal(ctx, chunk, bus.FlowMessage(bus.NewEnvelope(chunk.Pipeline, chunk.Revision, fact)))
	if errors.Is(err, pg.ErrLost) {
		return false, time.Time{}, nil
	}
	if err != nil {
		return false, time.Time{}, err
	}
	p.logger.InfoContext(ctx, "resend sealed", "pipeline", chunk.Pipeline, "revision", chunk.Revision, "lane", chunk.Lane, "chunk", chunk.ID,
		"rows", chunk.Rows, "records", chunk.Records, "bytes", chunk.Bytes)
	return true, time.Time{}, nil
}

// buildChunk makes the chunk of as many units, from the first, as its bounds allow. All rows of a chunk have one header: a unit that was sent with
// another one waits for the chunk after.
func (p *Passes) buildChunk(ctx context.Context, d *pipeline.Definition, lane store.Lane, units []Unit) (store.Chunk, error) {
	ordinals, err := p.store.Columns(ctx, lane.Pipeline)
	if err != nil {
		return store.Chunk{}, fmt.Errorf("read the columns: %w", err)
	}
	b := &builder{
		chunk: store.Chunk{
			ID: uuid.Must(uuid.NewV7()), Pipeline: lane.Pipeline, Revision: lane.Revision, Org: d.Org, Object: d.Object, Operation: d.Operation,
			ExternalIDField: d.KeyField(), Space: d.Space(), Lane: lane.Lane, Runs: map[string]int{},
		},
		manifest: rowfile.NewManifestWriter(entryBytes * len(units)), runs: map[string]uint32{}, maxBytes: d.ChunkBytes(),
		keep: rowKeeps{keyField: d.KeyField(), constants: constantColumns(d), ordinals: ordinals},
	}
	for batch := range slices.Chunk(units, p.buildBatch) {
		rows, err := p.rowsOf(ctx, d, batch)
		if err != nil {
			return store.Chunk{}, err
		}
		if b.writer == nil {
			b.begin(rows[units[0][0].FailureID].Header)
		}
		full, err := b.addAll(batch, rows)
		if err != nil {
			return store.Chunk{}, err
		}
		if full {
			break
		}
	}
	return b.close(), nil
}

// rowsOf reads the rows of units, by the failures behind them.
func (p *Passes) rowsOf(ctx context.Context, d *pipeline.Definition, units []Unit) (map[int64]store.FailureRow, error) {
	ids := make([]int64, 0, len(units))
	for _, u := range units {
		for _, w := range u {
			ids = append(ids, w.FailureID)
		}
	}
	rows, err := p.store.FailureRows(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the rows to send: %w", err)
	}
	if err := checkRows(units, rows); err != nil {
		return nil, err
	}
	return rows, p.ownCells(ctx, d, units, rows)
}

func constantColumns(d *pipeline.Definition) map[string]bool {
	out := map[string]bool{}
	for _, m := range d.Mappings {
		if m.From == nil {
			out[m.To] = true
		}
	}
	return out
}

// builder puts units into a chunk, one row each.
type builder struct {
	chunk    store.Chunk
	writer   *rowfile.Writer
	manifest *rowfile.ManifestWriter
	runs     map[string]uint32
	maxBytes int64
	keep     rowKeeps
}

// entryBytes is about what an entry of the manifest takes.
const entryBytes = 100

func (b *builder) begin(header []string) {
	b.chunk.Header, b.writer = header, rowfile.NewWriter(header)
}

// addAll adds the units that have the chunk's header; true when the chunk is full and some were left out.
func (b *builder) addAll(units []Unit, rows map[int64]store.FailureRow) (bool, error) {
	for _, u := range units {
		if !slices.Equal(rows[u[0].FailureID].Header, b.chunk.Header) {
			continue
		}
		if full, err := b.add(u, rows); full || err != nil {
			return full, err
		}
	}
	return false, nil
}

// add adds a unit; true when the chunk is full and the unit was left out.
func (b *builder) add(u Unit, rows map[int64]store.FailureRow) (bool, error) {
	cells := cellsOf(u, rows, b.keep)
	if b.writer.Rows() > 0 && b.writer.Bytes()+int64(rowfile.RowSize(cells)) > b.maxBytes {
		return true, nil
	}
	row := b.writer.Rows()
	piece, err := b.writer.Add(cells)
	if errors.Is(err, rowfile.ErrFull) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("row of failure %d: %w", u[0].FailureID, err)
	}
	b.keepPiece(piece)
	b.manifest.Row(rows[u[0].FailureID].AcceptedAt.UnixMicro())
	for i, w := range u {
		b.addRecord(row, i, w, rows[w.FailureID])
	}
	return false, nil
}

// addRecord notes a record of a row, by its place among those merged in it.
func (b *builder) addRecord(row, record int, w store.Waiting, f store.FailureRow) {
	entry := rowfile.ManifestRecord{
		Key: []byte(f.Key), KeyHash: &w.KeyHash, Seq: w.Place.Seq, Idx: w.Place.Idx, Run: b.runIndex(w.Run), Columns: f.Columns,
		Generation: uint32(w.Generation), Attempts: uint32(w.Attempt), FailureID: w.FailureID, AcceptedAt: f.AcceptedAt.UnixMicro(),
		Ambiguous: f.Ambiguous, Version: f.Version,
	}
	if w.LetterID != nil {
		entry.LetterID = w.LetterID[:]
	}
	b.manifest.Record(&entry)
	b.chunk.Resent = append(b.chunk.Resent, store.Resent{Row: row, Record: record, FailureID: w.FailureID, KeyHash: w.KeyHash, Generation: w.Generation})
	b.chunk.Runs[w.Run]++
	b.chunk.Records++
	if b.chunk.FirstSeq == 0 || w.Place.Seq < b.chunk.FirstSeq {
		b.chunk.FirstSeq = w.Place.Seq
	}
	b.chunk.LastSeq = max(b.chunk.LastSeq, w.Place.Seq)
}

func (b *builder) runIndex(run string) uint32 {
	i, ok := b.runs[run]
	if !ok {
		i = b.manifest.Run(run)
		b.runs[run] = i
	}
	return i
}

func (b *builder) keepPiece(piece *rowfile.Piece) {
	if piece != nil {
		b.chunk.Pieces = append(b.chunk.Pieces, store.Piece{Rows: piece.Rows, Data: piece.Data})
	}
}

func (b *builder) close() store.Chunk {
	b.keepPiece(b.writer.Close())
	b.chunk.Rows, b.chunk.Bytes = b.writer.Rows(), b.writer.Bytes()
	b.chunk.Manifest = b.manifest.Encode()
	return b.chunk
}
