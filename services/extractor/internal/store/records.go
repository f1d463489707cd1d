package store

import (
	"cmp"
	"context"
	"encoding/binary"
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
	return pg.Copy(ctx, tx, recordsTable, recordsColumns, len(order), func(i int, to *pg.CopyRow) {
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

// inOrderOfHashes orders records by entity when the index of keys leaves them out, else by key.
func inOrderOfHashes(records *decide.Records) []ranked {
	order := make([]ranked, records.Len())
	for i := range order {
		r := records.At(i)
		hash := &r.KeyHash
		if r.Placed {
			hash = &r.EntityHash
		}
		order[i] = ranked{first: binary.BigEndian.Uint64(hash[:8]), at: int32(i)}
	}
	slices.SortFunc(order, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.at, b.at)) })
	return order
}
