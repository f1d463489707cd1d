package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store/db"
)

// Order says which of two records of an entity is newer: that of the later version, and of equal ones that which stands later in the stream. Where
// only one of the two has a version, the place alone decides: revisions of a definition may begin to name versions, and cease to. Records of two
// pipelines stand in two streams: between them the version alone decides, and where it does not neither is newer.
type Order struct {
	Version record.Version
	At      record.Place
	// Stream is the other pipeline in whose stream At lies; "" = that of the pipeline whose rows are asked about.
	Stream string
}

// Compare orders from old to new; 0 = neither is newer. It is an order of records of one kind, with a version or without, in one stream; of several
// together it compares any two, and may go in a circle.
func (o Order) Compare(p Order) int {
	switch c := o.Version.Compare(p.Version); {
	case c != 0 && o.Alike(p):
		return c
	case o.Stream != p.Stream:
		return 0
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
	// Deletes says that it deletes the row of the org: whatever was said of the row before is over.
	Deletes bool
}

// Newer reads the records of the same pipeline and entity that are newer than the row's oldest record, are none of its own and were put into a
// chunk. Of records that say the same of a row only the last is among them.
func (s *Store) Newer(ctx context.Context, pipeline string, asked []Asked) ([]Newer, error) {
	switch none, err := s.noneFollows(ctx, pipeline, asked); {
	case err != nil:
		return nil, err
	case none:
		return nil, nil
	}
	p := db.NewerRecordsParams{Pipeline: pipeline}
	for _, a := range asked {
		oldest := slices.MinFunc(a.Own, Order.Compare)
		first := slices.MinFunc(a.Own, func(o, p Order) int { return o.At.Compare(p.At) }).At
		add(&p, a, oldest.Version, oldest.At, first)
		for _, own := range a.Own {
			p.OwnRows = append(p.OwnRows, int32(a.Row))
			p.OwnSeqs = append(p.OwnSeqs, int64(own.At.Seq))
			p.OwnIdxs = append(p.OwnIdxs, int32(own.At.Idx))
		}
	}
	return s.newer(ctx, p, "")
}

// noneFollows says whether certainly no record of the pipeline is newer than one of those asked about. Of two records of an entity that name no version, the one
// that was stored last counts as a follower, wherever it stands in the stream: when all followers stand before the rows' own records, those have no
// other. Versions decide by themselves.
func (s *Store) noneFollows(ctx context.Context, pipeline string, asked []Asked) (bool, error) {
	lowest := uint64(math.MaxUint64)
	for _, a := range asked {
		for _, own := range a.Own {
			if len(own.Version) > 0 {
				return false, nil
			}
			lowest = min(lowest, own.At.Seq)
		}
	}
	seq, err := s.q.FollowerSeq(ctx, pipeline)
	if err != nil {
		return false, fmt.Errorf("records of pipeline %s that follow others: %w", pipeline, err)
	}
	return seq >= 0 && uint64(seq) < lowest, nil
}

// NewerBeside reads the records of another pipeline that are of later versions than the oldest version of the row's own records; rows without any
// version have no newer records there. Columns are that pipeline's.
func (s *Store) NewerBeside(ctx context.Context, pipeline string, asked []Asked) ([]Newer, error) {
	p := db.NewerRecordsParams{Pipeline: pipeline, OwnRows: []int32{}, OwnSeqs: []int64{}, OwnIdxs: []int32{}}
	for _, a := range asked {
		var oldest record.Version
		for _, own := range a.Own {
			if len(own.Version) > 0 && (oldest == nil || own.Version.Compare(oldest) < 0) {
				oldest = own.Version
			}
		}
		if oldest != nil {
			add(&p, a, oldest, lastPlace, lastPlace) // no place of the other stream is behind it: only versions count
		}
	}
	if len(p.Rows) == 0 {
		return nil, nil
	}
	return s.newer(ctx, p, pipeline)
}

// lastPlace is behind every place of a stream.
var lastPlace = record.Place{Seq: math.MaxInt64, Idx: math.MaxInt32}

func add(p *db.NewerRecordsParams, a Asked, version record.Version, at, first record.Place) {
	p.Rows = append(p.Rows, int32(a.Row))
	p.Entities = append(p.Entities, a.Entity)
	p.Versions = append(p.Versions, append([]byte{}, version...)) // never NULL: an empty one is none
	p.Seqs = append(p.Seqs, int64(at.Seq))
	p.Idxs = append(p.Idxs, int32(at.Idx))
	p.FirstSeqs = append(p.FirstSeqs, int64(first.Seq))
	p.FirstIdxs = append(p.FirstIdxs, int32(first.Idx))
}

func (s *Store) newer(ctx context.Context, p db.NewerRecordsParams, stream string) ([]Newer, error) {
	rows, err := s.q.NewerRecords(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("newer records of pipeline %s: %w", p.Pipeline, err)
	}
	out := make([]Newer, len(rows))
	for i, r := range rows {
		out[i] = Newer{
			Row: int(r.Row), KeyHash: r.KeyHash,
			Order:   Order{Version: r.Version, At: record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, Stream: stream},
			Columns: r.Columns, Sent: r.Sent, Dead: r.Dead, Deletes: r.Deletes,
		}
	}
	return out, nil
}

// Revision is one revision of a pipeline's definition.
type Revision struct {
	Pipeline string
	Number   int
}

// RevisionsBeside lists the revisions of all other pipelines as they are applied now, by pipeline, the newest first. What another pipeline has sealed
// was defined before.
func (s *Store) RevisionsBeside(ctx context.Context, pipeline string) ([]Revision, error) {
	rows, err := s.q.RevisionsBeside(ctx, pipeline)
	if err != nil {
		return nil, fmt.Errorf("definitions beside pipeline %s: %w", pipeline, err)
	}
	out := make([]Revision, len(rows))
	for i, r := range rows {
		out[i] = Revision{Pipeline: r.Name, Number: int(r.Revision)}
	}
	return out, nil
}
