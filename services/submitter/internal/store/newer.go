package store

import (
	"context"
	"fmt"
	"slices"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store/db"
)

// Order says which of two records of an entity is newer: that of the later version, and of equal ones that which stands later in the stream. A
// record without a version is older than any that has one, so that the order stays one order when a definition begins to name versions.
type Order struct {
	Version record.Version
	At      record.Place
}

// Compare orders from old to new.
func (o Order) Compare(p Order) int {
	if c := o.Version.Compare(p.Version); c != 0 {
		return c
	}
	return o.At.Compare(p.At)
}

// Less says whether o is older than p.
func (o Order) Less(p Order) bool { return o.Compare(p) < 0 }

// Asked is a row that may have newer versions: its entity, and its records.
type Asked struct {
	Row    int
	Entity record.Hash
	Own    []Order
}

// Newer is a record that is newer than the oldest of the row it was asked for.
type Newer struct {
	Row     int
	KeyHash record.Hash
	Order   Order
	Columns record.Bitmap
	// Sent says that it has reached the org, or may have. While the asker holds the lane, everything else is sent later.
	Sent bool
	// Dead says that it has a letter which nobody has ordered to be sent again, or which was discarded: it may never be sent.
	Dead bool
}

// Newer reads the records of the same pipeline and entity that are newer than the row's oldest record, are none of its own and were put into a
// chunk. Of records that say the same of a row only the last is among them.
func (s *Store) Newer(ctx context.Context, pipeline string, asked []Asked) ([]Newer, error) {
	p := db.NewerRecordsParams{Pipeline: pipeline}
	for _, a := range asked {
		oldest := slices.MinFunc(a.Own, Order.Compare)
		p.Rows = append(p.Rows, int32(a.Row))
		p.Entities = append(p.Entities, a.Entity)
		p.Versions = append(p.Versions, append([]byte{}, oldest.Version...)) // never NULL: an empty one sorts before all
		p.Seqs = append(p.Seqs, int64(oldest.At.Seq))
		p.Idxs = append(p.Idxs, int32(oldest.At.Idx))
		for _, own := range a.Own {
			p.OwnRows = append(p.OwnRows, int32(a.Row))
			p.OwnSeqs = append(p.OwnSeqs, int64(own.At.Seq))
			p.OwnIdxs = append(p.OwnIdxs, int32(own.At.Idx))
		}
	}
	rows, err := s.q.NewerRecords(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("newer records of pipeline %s: %w", pipeline, err)
	}
	out := make([]Newer, len(rows))
	for i, r := range rows {
		out[i] = Newer{
			Row: int(r.Row), KeyHash: r.KeyHash, Order: Order{Version: r.Version, At: record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}},
			Columns: r.Columns, Sent: r.Sent, Dead: r.Dead,
		}
	}
	return out, nil
}
