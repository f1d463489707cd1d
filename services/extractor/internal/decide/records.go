package decide

import (
	"iter"

	"bulkhead/libs/record"
)

// Records are the records of a commit. Those of lanes are read from the lanes as they are asked for: there may be hundreds of thousands.
type Records struct {
	of      []sealedRecords
	more    []Record
	n       int
	touched byte
}

// sealedRecords are all entries of a lane that was cut; nothing is added to it any more.
type sealedRecords struct {
	lane  *lane
	chunk [16]byte
}

// Len is how many there are.
func (r *Records) Len() int { return r.n }

// Add adds one.
func (r *Records) Add(one Record) {
	r.more = append(r.more, one)
	r.n++
}

// At is the record of a number from 0.
func (r *Records) At(i int) Record {
	for _, s := range r.of {
		if i < s.lane.entries.size() {
			return s.lane.record(s.lane.entries.at(int32(i)), s.chunk)
		}
		i -= s.lane.entries.size()
	}
	return r.more[i]
}

// Hashes are those by which the ledger finds the record of a number: of its key, nil when it is placed, and of its entity, nil when it has none. They are good
// as long as the commit.
func (r *Records) Hashes(i int) (key, entity *record.Hash) {
	for _, s := range r.of {
		if i < s.lane.entries.size() {
			en := s.lane.entries.at(int32(i))
			if en.rest != none {
				key = &s.lane.rests.at(en.rest).keyHash
			}
			if s.lane.kindOf(en).hasEntity {
				entity = &en.entityHash
			}
			return key, entity
		}
		i -= s.lane.entries.size()
	}
	one := &r.more[i]
	if !one.Placed {
		key = &one.KeyHash
	}
	if one.HasEntity {
		entity = &one.EntityHash
	}
	return key, entity
}

// Touch looks at a record and makes nothing of it. Records that are asked for in an order of their own lie anywhere in memory, and the processor waits for each:
// for some that are touched together it waits once.
func (r *Records) Touch(i int) {
	for _, s := range r.of {
		if i < s.lane.entries.size() {
			r.touched ^= s.lane.entries.at(int32(i)).content[0]
			return
		}
		i -= s.lane.entries.size()
	}
}

// All gives each in turn.
func (r *Records) All() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for i := range r.n {
			if !yield(r.At(i)) {
				return
			}
		}
	}
}

func (l *lane) record(en *entry, chunk [16]byte) Record {
	k := l.kindOf(en)
	r := Record{
		KeyHash: l.keyHashOf(en), Content: en.content, EntityHash: en.entityHash, HasEntity: k.hasEntity, Place: en.place,
		Generation: int(k.generation), Columns: k.columns, Version: l.restOf(en).version, Placed: k.placed,
	}
	if !k.ended {
		r.Chunk, r.Row = chunk, int(en.row)
	}
	return r
}
