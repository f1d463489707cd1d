package org

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Count is how many rows an object holds.
type Count struct {
	Rows   int    `json:"rows"`
	Seeded int    `json:"seeded"`           // of the rows
	Digest string `json:"digest,omitempty"` // see Counts
}

// Counts returns the live rows of every object that jobs may write. The digest, if asked for, is the same for two orgs
// that hold the same rows, whatever their ids, order and history: references count by the parent's external id.
func (s *Store) Counts(digest bool) map[string]Count {
	out := map[string]Count{}
	s.Read(func(r Reader) {
		for _, o := range s.model.Objects {
			if o.QueryOnly {
				continue
			}
			t := s.table(o)
			c := Count{Rows: t.live, Seeded: t.seeded}
			if digest {
				c.Digest = r.digest(o)
			}
			out[o.Name] = c
		}
	})
	return out
}

func (r Reader) digest(o *Object) string {
	t := r.s.table(o)
	values := make([]string, len(o.Fields))
	var low, high uint64
	for row := range t.rows {
		rec := &t.rows[row]
		if rec.now.deleted {
			continue
		}
		unpack(rec.now.data, values)
		h := sha256.New()
		for i, v := range values {
			if v == "" {
				continue
			}
			if f := o.Fields[i]; f.Type == TypeReference {
				v = r.stableName(f.ParentOf(v), v)
			}
			_, _ = fmt.Fprintf(h, "%d:%d:%s", i, len(v), v)
		}
		sum := h.Sum(nil)
		// Adding makes the digest independent of the order of rows.
		low += binary.BigEndian.Uint64(sum)
		high += binary.BigEndian.Uint64(sum[8:])
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], high)
	binary.BigEndian.PutUint64(b[8:], low)
	return hex.EncodeToString(b[:])
}

// stableName is the external id of a referenced row if it has one, else its Id.
func (r Reader) stableName(o *Object, id string) string {
	row, ok := r.ByID(o, id)
	if !ok {
		return id
	}
	for _, f := range o.Fields {
		if f.ExternalID {
			if v := packedValue(r.s.table(o).rows[row].now.data, f.index); v != "" {
				return v
			}
		}
	}
	return id
}
