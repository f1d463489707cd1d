package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/submitter/internal/store"
)

// checkBatch is how many rows are asked for newer versions at a time.
const checkBatch = 2000

// check asks what newer versions cover of a resend's rows, and stores the answer with the hash of what remains. The lane is held: whatever is
// accepted from now on is sent after this chunk, so the answer stays right however long the rest takes.
func (t *turn) check(ctx context.Context) (Event[string], error) {
	if err := t.load(ctx); err != nil {
		return broken(err)
	}
	c, err := t.decide(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return broken(err)
		}
		return Event[string]{Kind: Unsure}, fmt.Errorf("newer versions of chunk %s: %w", t.w.Chunk, err)
	}
	e, err := t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveChecked(ctx, t.w, c) })
	if e.Kind != Done {
		return e, err
	}
	t.c.Metrics.left(len(c.Superseded), len(c.Reduced))
	if c.Upload == nil {
		t.log.Info("nothing to send, newer versions cover every row", "superseded", len(c.Superseded))
		return Event[string]{Kind: Covered}, nil
	}
	t.w.Checked, t.w.Upload, t.w.Tries = true, c.Upload, 0
	return e, nil
}

// decide asks for newer versions of all rows and says what is left to send; it fills in what the body leaves out.
func (t *turn) decide(ctx context.Context) (store.Checked, error) {
	packed, err := t.c.Store.Manifest(ctx, t.w.Chunk)
	if err != nil {
		return store.Checked{}, err
	}
	manifest, err := rowfile.DecodeManifest(packed)
	if err != nil {
		return store.Checked{}, err
	}
	columns, err := t.c.Store.Columns(ctx, t.chunk.Pipeline)
	if err != nil {
		return store.Checked{}, err
	}
	key, ok := columns[t.chunk.ExternalID]
	if !ok {
		key = -1
	}
	at := slices.Index(t.chunk.Header, t.chunk.ExternalID)
	if at < 0 || len(manifest.GetRows()) != t.chunk.Rows {
		return store.Checked{}, fmt.Errorf("header %v and manifest of %d rows do not fit key field %s and %d rows",
			t.chunk.Header, len(manifest.GetRows()), t.chunk.ExternalID, t.chunk.Rows)
	}

	var out store.Checked
	omitted := store.Omitted{Rows: map[int]bool{}, Columns: map[int]record.Bitmap{}}
	rows := rowfile.Rows(t.chunk.Header, t.body.pieces(ctx))
	defer rows.Close()
	for first, end := 0, false; !end; first += checkBatch {
		var asked []store.Asked
		for len(asked) < checkBatch {
			row := rows.Row()
			cells, err := rows.Next()
			if errors.Is(err, io.EOF) {
				end = true
				break
			}
			if err != nil {
				return store.Checked{}, err
			}
			if row >= len(manifest.GetRows()) {
				return store.Checked{}, fmt.Errorf("row %d is not in the manifest", row)
			}
			records := manifest.GetRows()[row].GetRecords()
			if len(records) == 0 {
				return store.Checked{}, fmt.Errorf("row %d of the manifest carries no record", row)
			}
			own := make([]record.Place, len(records))
			for i, r := range records {
				own[i] = placeOf(r)
			}
			asked = append(asked, store.Asked{Row: row, Entity: record.HashEntity(t.chunk.Space, record.FoldKey(cells[at])), Own: own})
		}
		if len(asked) == 0 {
			break
		}
		newer, err := t.c.Store.Newer(ctx, t.chunk.Pipeline, asked)
		if err != nil {
			return store.Checked{}, err
		}
		later := map[int][]Later{}
		for _, n := range newer {
			later[n.Row] = append(later[n.Row], Later{Said: Said{At: n.At, KeyHash: n.KeyHash, Columns: n.Columns}, Sent: n.Sent, Dead: n.Dead})
		}
		for _, a := range asked {
			if len(later[a.Row]) > 0 {
				leaveOut(&out, &omitted, manifest, a.Row, later[a.Row], key)
			}
		}
	}
	t.body.omitted = omitted
	if len(omitted.Rows) == t.chunk.Rows {
		out.Answered = bus.FlowMessage(bus.NewEnvelope(t.w.Pipeline, t.w.Revision, &flowv1.ChunkAnswered{Chunk: t.w.Chunk.String()}))
		return out, nil
	}
	measured, err := t.body.measure(ctx)
	if err != nil {
		return store.Checked{}, err
	}
	out.Upload = &measured
	return out, nil
}

// leaveOut applies the verdict on one row.
func leaveOut(out *store.Checked, omitted *store.Omitted, m *flowv1.Manifest, row int, later []Later, key int) {
	records := m.GetRows()[row].GetRecords()
	own := make([]Said, len(records))
	for i, r := range records {
		own[i] = Said{At: placeOf(r), KeyHash: record.Hash(r.GetKeyHash()), Columns: r.GetColumns()}
	}
	switch v := Supersede(own, later, key); {
	case v.Drop:
		omitted.Rows[row] = true
		for i, r := range records {
			out.Superseded = append(out.Superseded, store.Superseded{
				Row: row, Record: i, Run: m.GetRuns()[r.GetRun()], KeyHash: own[i].KeyHash, Generation: int(r.GetGeneration()),
				Successor: v.Successor.KeyHash, At: v.Successor.At,
			})
		}
	case len(v.Reduce) > 0:
		omitted.Columns[row] = v.Reduce
		out.Reduced = append(out.Reduced, store.Reduced{Row: row, Columns: v.Reduce})
	}
}

func placeOf(r *flowv1.ManifestEntry) record.Place {
	return record.Place{Seq: r.GetSeq(), Idx: r.GetIdx()}
}
