package store

import (
	"context"
	"fmt"
	"slices"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store/db"
)

// Order says which of two records of an entity is newer: that of the later version, and of equal ones that which stands later in the stream. Where
// only one of the two has a version, the place alone decides: revisions of a definition may begin to name versions, and cease to.
type Order struct {
	Version record.Version
	At      record.Place
}

// Compare orders from old to new. It is an order of records of one kind; of both kinds together it compares any two, and may go in a circle.
func (o Order) Compare(p Order) int {
	if c := o.Version.Compare(p.Version); c != 0 && o.Alike(p) {
		return c
	}
	return o.At.Compare(p.At)
}

// Alike says whether both have a version, or neither.
func (o Order) Alike(p Order) bool { return (len(o.Version) == 0) == (len(p.Version) == 0) }

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
	// Dead says that it has a letter which nobody has ordered to be sent again, or which was discarded, or that a later generation of it stands
	// for it: it may never be sent.
	Dead bool
}

// Newer reads the records of the same pipeline and entity that are newer than the row's oldest record, are none of its own and were put into a
// chunk. Of records that say the same of a row only the last is among them.
func (s *Store) Newer(ctx context.Context, pipeline string, asked []Asked) ([]Newer, error) {
	p := db.NewerRecordsParams{Pipeline: pipeline}
	for _, a := range asked {
		oldest := slices.MinFunc(a.Own, Order.Compare)
		first := slices.MinFunc(a.Own, func(o, p Order) int { return o.At.Compare(p.At) }).At
		p.Rows = append(p.Rows, int32(a.Row))
		p.Entities = append(p.Entities, a.Entity)
		p.Versions = append(p.Versions, append([]byte{}, oldest.Version...)) // never NULL: an empty one is none
		p.Seqs = append(p.Seqs, int64(oldest.At.Seq))
		p.Idxs = append(p.Idxs, int32(oldest.At.Idx))
		p.FirstSeqs = append(p.FirstSeqs, int64(first.Seq))
		p.FirstIdxs = append(p.FirstIdxs, int32(first.Idx))
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
