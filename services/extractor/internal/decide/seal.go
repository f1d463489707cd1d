package decide

import (
	"fmt"
	"time"

	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// sealLane makes the chunk of a lane's rows: pieces of CSV and the manifest, rows in the same order.
func sealLane(l *lane, header []string, at time.Time, id [16]byte) (Chunk, error) {
	c := Chunk{ID: id, Lane: l.number, Rows: len(l.rows), Records: l.inRows, Trace: l.trace, Runs: map[string]Run{}}
	w := rowfile.NewWriter(header)
	m := &flowv1.Manifest{Rows: make([]*flowv1.ManifestRow, len(l.rows))}
	runs := map[string]uint32{}
	keep := func(p *rowfile.Piece) {
		if p != nil {
			c.Pieces = append(c.Pieces, Piece{Rows: p.Rows, Data: p.Data})
		}
	}
	// One allocation for all entries and one for all rows: a manifest holds tens of thousands.
	entries := make([]flowv1.ManifestEntry, l.inRows)
	rows := make([]flowv1.ManifestRow, len(l.rows))
	pointers := make([]*flowv1.ManifestEntry, l.inRows)
	used := 0
	for i := range l.rows {
		r := &l.rows[i]
		p, err := w.Add(r.cells)
		if err != nil {
			return Chunk{}, fmt.Errorf("row %d of %d: %w", i, len(l.rows), err)
		}
		keep(p)
		from := used
		for n := r.head; n != none; n = l.entries[n].next {
			en := &l.entries[n]
			run, ok := runs[en.run]
			if !ok {
				run = uint32(len(m.Runs))
				runs[en.run] = run
				m.Runs = append(m.Runs, en.run)
			}
			fillEntry(&entries[used], en, run, at)
			pointers[used] = &entries[used]
			used++
			c.Versioned = c.Versioned || en.version != nil
			counted := c.Runs[en.run]
			counted.Records++
			if en.origin == nil {
				counted.Accepted++
			}
			c.Runs[en.run] = counted
			if c.FirstSeq == 0 || en.place.Seq < c.FirstSeq {
				c.FirstSeq = en.place.Seq
			}
		}
		rows[i].Records = pointers[from:used:used]
		m.Rows[i] = &rows[i]
	}
	keep(w.Close())
	c.Bytes = w.Bytes()
	c.Manifest = rowfile.EncodeManifest(m)
	return c, nil
}

func fillEntry(to *flowv1.ManifestEntry, en *entry, run uint32, at time.Time) {
	to.Key = en.key
	to.KeyHash = en.keyHash[:]
	to.Seq = en.place.Seq
	to.Idx = en.place.Idx
	to.Run = run
	to.Columns = en.columns
	to.Generation = uint32(en.generation)
	to.Version = en.version
	to.AcceptedAt = at.UnixMicro()
	if o := en.origin; o != nil {
		to.FailureId = o.FailureID
		to.LetterId = o.LetterID[:]
		to.Ambiguous = o.Ambiguous
		to.AcceptedAt = o.AcceptedAt.UnixMicro()
	}
}
