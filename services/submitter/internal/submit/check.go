package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/submitter/internal/store"
)

// checkBatch is how many rows are asked about at a time.
const checkBatch = 2000

// check decides what of a chunk is sent, and stores the answer with the hash of what remains. The lane is held: whatever is accepted from now on is
// sent after this chunk, and no other chunk changes the rows in the org, so the answer stays right however long the rest takes.
func (t *turn) check(ctx context.Context) (Event[string], error) {
	if err := t.load(ctx); err != nil {
		return broken(err)
	}
	c, err := t.decide(ctx)
	if err != nil {
		return t.undecided(ctx, err)
	}
	e, err := t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveChecked(ctx, t.w, c) })
	if e.Kind != Done {
		return e, err
	}
	t.c.Metrics.left(c)
	if len(c.Unsent) > 0 {
		t.log.Info("rows are not sent: the org has no such row, or several", "rows", len(c.Unsent), "first", c.Unsent[0].Code)
	}
	if c.Upload == nil {
		t.log.Info("nothing to send", "superseded", len(c.Superseded), "unsent", len(c.Unsent))
		return Event[string]{Kind: Covered}, nil
	}
	t.w.Checked, t.w.Upload, t.w.Tries = true, c.Upload, 0
	return e, nil
}

// undecided says what follows when the check has no answer. A query that the org refuses for good would be refused for every chunk.
func (t *turn) undecided(ctx context.Context, err error) (Event[string], error) {
	if ctx.Err() != nil || errors.Is(err, errPoint) {
		return broken(err)
	}
	err = fmt.Errorf("checking chunk %s: %w", t.w.Chunk, err)
	if !forGood(err) && !salesforce.IsNotFound(err) {
		return Event[string]{Kind: Unsure}, err
	}
	if failed := t.pause(ctx, "look-up of rows refused", err); failed != nil {
		return broken(failed)
	}
	return Event[string]{Kind: Refused}, err
}

// decision is a check under way.
type decision struct {
	*turn
	manifest *rowfile.Manifest
	key      int           // ordinal of the key field in bitmaps, -1 = none
	all      record.Bitmap // every column of the pipeline
	beside   []beside      // other pipelines whose records may be newer
	omitted  store.Omitted
	bytes    int64 // of an upload with ids so far, rows counted whole
	out      store.Checked
}

// asking is a row in question.
type asking struct {
	row   int
	value string // of the key field
	size  int    // bytes that the row takes of an upload with ids, whole
	// records are those that the row carries.
	records []*flowv1.ManifestEntry
}

// decide goes through all rows and says what is left to send; it fills in what the body leaves out.
func (t *turn) decide(ctx context.Context) (store.Checked, error) {
	d := decision{turn: t, omitted: store.Omitted{Rows: map[int]bool{}, Columns: map[int]record.Bitmap{}}}
	t.body.ids = nil
	if t.chunk.Operation != pipeline.OperationInsert {
		if err := d.prepare(ctx); err != nil {
			return store.Checked{}, err
		}
		if err := d.rows(ctx); err != nil {
			return store.Checked{}, err
		}
	}
	t.body.omitted, t.body.ids = d.omitted, d.out.RowIDs
	if len(d.omitted.Rows) == t.chunk.Rows {
		d.out.Answered = bus.FlowMessage(bus.NewEnvelope(t.w.Pipeline, t.w.Revision, &flowv1.ChunkAnswered{Chunk: t.w.Chunk.String()}))
		return d.out, nil
	}
	measured, err := t.body.measure(ctx)
	if err != nil {
		return store.Checked{}, err
	}
	d.out.Upload = &measured
	return d.out, nil
}

func (d *decision) prepare(ctx context.Context) error {
	packed, err := d.c.Store.Manifest(ctx, d.w.Chunk)
	if err != nil {
		return err
	}
	if d.manifest, err = rowfile.ReadManifest(packed); err != nil {
		return err
	}
	columns, err := d.c.Store.Columns(ctx, d.chunk.Pipeline)
	if err != nil {
		return err
	}
	ok := false
	if d.key, ok = columns[d.chunk.KeyField]; !ok {
		d.key = -1
	}
	for _, n := range columns {
		d.all.Set(n)
	}
	if d.asksForNewer() {
		if d.beside, err = d.findBeside(ctx, columns); err != nil {
			return err
		}
	}
	if d.body.key < 0 || d.manifest.Len() != d.chunk.Rows {
		return fmt.Errorf("header %v and manifest of %d rows do not fit key field %q and %d rows",
			d.chunk.Header, d.manifest.Len(), d.chunk.KeyField, d.chunk.Rows)
	}
	if d.w.Resolves {
		d.out.RowIDs = make([]byte, d.chunk.Rows*store.IDLength)
		d.bytes = int64(d.sizeWithID(d.chunk.Header))
	}
	return nil
}

// asksForNewer says whether newer versions of the chunk's records may have been sent before it, or may be in its stead.
func (d *decision) asksForNewer() bool { return d.w.Kind != record.ChunkFresh || d.w.Versioned }

// rows goes through the rows in batches.
func (d *decision) rows(ctx context.Context) error {
	rows := rowfile.Rows(d.chunk.Header, d.body.pieces(ctx))
	defer rows.Close()
	for end := false; !end; {
		var batch []asking
		for len(batch) < checkBatch {
			row := rows.Row()
			cells, err := rows.Next()
			if errors.Is(err, io.EOF) {
				end = true
				break
			}
			if err != nil {
				return err
			}
			if row >= d.chunk.Rows {
				return fmt.Errorf("row %d is not in the manifest", row)
			}
			entries, err := d.manifest.Row(row)
			if err != nil {
				return err
			}
			a := asking{row: row, value: cells[d.body.key], records: entries.GetRecords()}
			if d.w.Resolves {
				a.size = d.sizeWithID(cells)
			}
			batch = append(batch, a)
		}
		if len(batch) == 0 {
			return nil
		}
		if d.asksForNewer() {
			if err := d.supersede(ctx, batch); err != nil {
				return err
			}
		}
		if d.w.Resolves {
			if err := d.resolve(ctx, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// anyID is as long as each id.
const anyID = "000000000000000000"

// sizeWithID is how many bytes a row takes when an id stands in place of its key.
func (d *decision) sizeWithID(cells []string) int {
	cells = slices.Clone(cells)
	cells[d.body.key] = anyID
	return rowfile.RowSize(cells)
}

// supersede asks for newer versions of the rows' records.
func (d *decision) supersede(ctx context.Context, batch []asking) error {
	asked := make([]store.Asked, len(batch))
	for i, a := range batch {
		own := make([]store.Order, len(a.records))
		for j, r := range a.records {
			own[j] = orderOf(r)
		}
		asked[i] = store.Asked{Row: a.row, Entity: record.HashEntity(d.chunk.Space, record.FoldIn(d.chunk.Space, a.value)), Own: own}
	}
	newer, err := d.c.Store.Newer(ctx, d.chunk.Pipeline, asked)
	if err != nil {
		return err
	}
	for _, p := range d.beside {
		more, err := d.c.Store.NewerBeside(ctx, p.pipeline, asked)
		if err != nil {
			return err
		}
		for _, n := range more {
			n.Columns = p.translate(n.Columns)
			newer = append(newer, n)
		}
	}
	later := map[int][]Later{}
	for _, n := range newer {
		if d.w.Kind == record.ChunkFresh && !n.Sent {
			continue // while the lane is held, what is not sent yet goes after this, and is asked about in its turn
		}
		if n.Deletes {
			n.Columns = d.all
		}
		later[n.Row] = append(later[n.Row], Later{Said: Said{Order: n.Order, KeyHash: n.KeyHash, Columns: n.Columns}, Sent: n.Sent, Dead: n.Dead})
	}
	for _, a := range batch {
		if len(later[a.row]) > 0 {
			d.leaveOut(a, later[a.row])
		}
	}
	return nil
}

// leaveOut applies the verdict on one row.
func (d *decision) leaveOut(a asking, later []Later) {
	own := make([]Said, len(a.records))
	for i, r := range a.records {
		own[i] = Said{Order: orderOf(r), KeyHash: record.Hash(r.GetKeyHash()), Columns: r.GetColumns()}
	}
	switch v := Supersede(own, later, d.key); {
	case v.Drop:
		d.omitted.Rows[a.row] = true
		for i, r := range a.records {
			d.out.Superseded = append(d.out.Superseded, store.Superseded{
				Row: a.row, Record: i, Run: d.manifest.Runs()[r.GetRun()], KeyHash: own[i].KeyHash, Generation: int(r.GetGeneration()),
				Successor: v.Successor.KeyHash, At: v.Successor.Order.At,
			})
		}
	case len(v.Reduce) > 0:
		d.omitted.Columns[a.row] = v.Reduce
		d.out.Reduced = append(d.out.Reduced, store.Reduced{Row: a.row, Columns: v.Reduce})
	}
}

func orderOf(r *flowv1.ManifestEntry) store.Order {
	return store.Order{Version: r.GetVersion(), At: record.Place{Seq: r.GetSeq(), Idx: r.GetIdx()}}
}
