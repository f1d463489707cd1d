package decide

import (
	"time"

	"bulkhead/libs/rowfile"
)

// sealLane makes the chunk of a lane's rows: pieces of CSV and the manifest, rows in the same order.
func sealLane(l *lane, pipeline string, header []string, at time.Time, id [16]byte) (Chunk, error) {
	c := Chunk{ID: id, Lane: l.number, Rows: l.rows.size(), Records: l.inRows, Trace: l.trace, Runs: map[string]Run{}}
	var err error
	if c.Pieces, c.Bytes, err = l.packed(header); err != nil {
		return Chunk{}, err
	}
	m := newManifest(l, at)
	m.w.Pipeline(pipeline)
	for i := range l.rows.n {
		r := l.rows.at(i)
		m.w.Row(l.times[r.received])
		for n := r.head; n != none; n = l.entries.at(n).next {
			en := l.entries.at(n)
			more := l.restOf(en)
			m.add(en, more)
			c.Versioned = c.Versioned || more.version != nil
			if c.FirstSeq == 0 || en.place.Seq < c.FirstSeq {
				c.FirstSeq = en.place.Seq
			}
			c.LastSeq = max(c.LastSeq, en.place.Seq)
		}
	}
	c.Manifest = m.w.Encode()
	for i, counted := range m.counted {
		if counted.Records > 0 {
			c.Runs[l.runs[i]] = counted
		}
	}
	return c, nil
}

// manifest writes a lane's manifest, and counts its records by run.
type manifest struct {
	w       *rowfile.ManifestWriter
	lane    *lane
	at      int64 // when records are accepted, in microseconds
	runs    []uint32
	counted []Run
	key     []byte
}

// About what a record takes in a manifest, in bytes: placed, and with a key of its own.
const (
	placedRecord = 64
	namedRecord  = 112
)

func newManifest(l *lane, at time.Time) *manifest {
	size := placedRecord*l.inRows + (namedRecord-placedRecord)*min(l.rests.size(), l.inRows)
	return &manifest{
		w: rowfile.NewManifestWriter(size), lane: l, at: at.UnixMicro(), runs: make([]uint32, len(l.runs)), counted: make([]Run, len(l.runs)),
	}
}

func (m *manifest) add(en *entry, more *rest) {
	k := m.lane.kindOf(en)
	counted := &m.counted[k.run]
	if counted.Records == 0 {
		m.runs[k.run] = m.w.Run(m.lane.runs[k.run])
	}
	counted.Records++
	r := rowfile.ManifestRecord{
		Seq: en.place.Seq, Idx: en.place.Idx, Run: m.runs[k.run], Columns: k.columns,
		Generation: uint32(k.generation), Version: more.version, AcceptedAt: m.at,
	}
	if more.key == "" {
		r.Content = &en.content
	} else {
		m.key = append(m.key[:0], more.key...)
		r.Key, r.KeyHash = m.key, &more.keyHash
	}
	if o := more.origin; o == nil {
		counted.Accepted++
	} else {
		r.FailureID, r.LetterID, r.Ambiguous, r.AcceptedAt = o.FailureID, o.LetterID[:], o.Ambiguous, o.AcceptedAt.UnixMicro()
	}
	m.w.Record(&r)
}
