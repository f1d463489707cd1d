package decide

import "iter"

// Records are the records of a commit. Those of lanes are read from the lanes as they are asked for: there may be hundreds of thousands.
type Records struct {
	of   []sealedRecords
	more []Record
	n    int
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
	r := Record{
		KeyHash: en.keyHash, Content: en.content, EntityHash: en.entityHash, HasEntity: en.hasEntity, Place: en.place,
		Generation: int(en.generation), Columns: l.columnsOf(en), Version: l.restOf(en).version, Placed: en.placed,
	}
	if !en.ended {
		r.Chunk, r.Row = chunk, int(en.row)
	}
	return r
}
