package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/services/extractor/internal/decide"
)

// The columns of extractor.records in the order in which [copyRecords] writes them.
var (
	recordsTable   = pgx.Identifier{Schema, "records"}
	recordsColumns = []string{
		"pipeline_id", "generation", "idx", "row", "seq", "accepted_at", "key_hash", "entity_hash", "content_hash", "chunk", "columns", "version", "placed",
	}
)

// copyRecords writes the row of each record, in the order of the index on random hashes that it is in: neighbours there are then written together, which
// costs half of what it does in any order. Nothing depends on the order of the rows.
func copyRecords(ctx context.Context, tx pgx.Tx, t Target, c decide.Commit) error {
	order := inOrderOfHashes(&c.Records)
	const together = 16
	return pg.Copy(ctx, tx, recordsTable, recordsColumns, len(order), func(i int, to *pg.CopyRow) {
		if i%together == 0 {
			for _, next := range order[i:min(i+together, len(order))] {
				c.Records.Touch(int(next.at))
			}
		}
		r := c.Records.At(int(order[i].at))
		to.Int2(t.PipelineID)
		to.Int2(int16(r.Generation))
		to.Int4(int32(r.Place.Idx))
		if r.Ended() {
			to.Null()
		} else {
			to.Int4(int32(r.Row))
		}
		to.Int8(int64(r.Place.Seq))
		to.Time(c.At)
		to.UUID(&r.KeyHash)
		if r.HasEntity {
			to.UUID(&r.EntityHash)
		} else {
			to.Null()
		}
		to.UUID(&r.Content)
		if r.Ended() {
			to.Null()
		} else {
			to.UUID(&r.Chunk)
		}
		to.Bytes(r.Columns)
		if r.Version == nil {
			to.Null()
		} else {
			to.Bytes(r.Version)
		}
		if r.Placed {
			to.Bool(true)
		} else {
			to.Null()
		}
	})
}

// ranked is a record's place in an order: the first bytes of a hash tell nearly all apart, and which of the others comes first makes no difference.
type ranked struct {
	first uint64
	at    int32
}

// inOrderOfHashes orders records by entity when the index of keys leaves them out, else by key. Hashes are spread evenly: dealt out by their first bits, nearly
// every one lies in its place or next to it.
func inOrderOfHashes(records *decide.Records) []ranked {
	first := func(i int) uint64 {
		hash, entity := records.Hashes(i)
		if hash == nil {
			hash = entity
		}
		return binary.BigEndian.Uint64(hash[:8])
	}
	const most = 16
	dealt := min(bits.Len(uint(records.Len())), most)
	ends := make([]int32, 1<<dealt)
	for i := range records.Len() {
		ends[first(i)>>(64-dealt)]++
	}
	for n := range len(ends) - 1 {
		ends[n+1] += ends[n]
	}
	order := make([]ranked, records.Len())
	for i := records.Len() - 1; i >= 0; i-- {
		f := first(i)
		n := f >> (64 - dealt)
		ends[n]--
		order[ends[n]] = ranked{first: f, at: int32(i)}
	}
	for n, from := range ends {
		to := int32(len(order))
		if n+1 < len(ends) {
			to = ends[n+1]
		}
		slices.SortStableFunc(order[from:to], func(a, b ranked) int { return cmp.Compare(a.first, b.first) })
	}
	return order
}
