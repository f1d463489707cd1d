package decide

import (
	"slices"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// none ends a chain of entries.
const none = -1

// entry is a record that waits in a row.
type entry struct {
	key     string
	keyHash record.Hash
	content record.Hash
	place   record.Place
	run     string
	columns record.Bitmap
	row     int32
	next    int32 // the next younger record of the same row
	refused bool  // it stands in no row: the ledger must know its key all the same

	entityHash record.Hash
	hasEntity  bool
	origin     *Origin // of replays only
}

// row is one CSV row to be: the merged cells, and the chain of its records.
type row struct {
	cells      []string
	head, tail int32
	bytes      int
}

// version is what a lane knows of an entity that it holds unsealed.
type version struct {
	Known
	row int32 // none when its records so far were all refused
}

// lane is what is read and not yet committed of one lane.
type lane struct {
	number int
	mark   record.Place

	rows     []row
	entries  []entry
	inRows   int   // entries that stand in a row
	bytes    int64 // of the raw CSV so far, the header included
	dead     []Dead
	deadSize int
	repeats  map[string]int64
	trace    string

	items int          // records of any verdict
	first record.Place // of the first of them
	since time.Time    // when that was read
	full  bool         // the next record did not fit

	keys     map[record.Hash]Known
	entities map[record.Hash]version
}

func newLane(number int, mark record.Place, headerSize int64) *lane {
	return &lane{
		number: number, mark: mark, bytes: headerSize,
		keys: make(map[record.Hash]Known), entities: make(map[record.Hash]version),
	}
}

// newEntry is the record of a candidate that becomes a row.
func newEntry(c *Candidate, row int32) entry {
	return entry{
		key: c.Key, keyHash: c.KeyHash, content: c.Content, place: c.Place, run: c.Run, columns: c.Columns,
		row: row, next: none, entityHash: c.EntityHash, hasEntity: c.HasEntity, origin: c.Origin,
	}
}

// touch notes that a record of this lane was read and waits for the lane's commit.
func (l *lane) touch(p record.Place, now time.Time) {
	if l.items == 0 {
		l.first, l.since = p, now
	}
	l.items++
}

// learn makes the lane's own records known to those that follow.
func (l *lane) learn(c *Candidate, keyHash record.Hash, inRow int32) {
	known := Known{Content: c.Content, Place: c.Place}
	if c.KeyKind == KeyNamed {
		l.keys[keyHash] = known
	}
	if c.HasEntity && c.KeyKind != KeyUnknown {
		if inRow == none {
			// A refused version changes what is newest, but the row that the entity has stays open for merging.
			if v, ok := l.entities[c.EntityHash]; ok {
				inRow = v.row
			}
		}
		l.entities[c.EntityHash] = version{Known: known, row: inRow}
	}
}

// add puts a record into its entity's row, or a new one. It answers false, and changes nothing, when the chunk would grow past its
// limits: the lane must be sealed first.
func (l *lane) add(c *Candidate, limits Limits) bool {
	if l.inRows >= MaxRecords {
		return false
	}
	if v, ok := l.entities[c.EntityHash]; ok && c.HasEntity && v.row != none {
		return l.merge(c, v.row, limits)
	}
	size := rowfile.RowSize(c.Cells)
	if len(l.rows) > 0 && (len(l.rows) >= limits.Rows || l.bytes+int64(size) > limits.Bytes) {
		return false
	}
	at := int32(len(l.entries))
	l.entries = append(l.entries, newEntry(c, int32(len(l.rows))))
	l.rows = append(l.rows, row{cells: c.Cells, head: at, tail: at, bytes: size})
	l.bytes += int64(size)
	l.inRows++
	if l.trace == "" {
		l.trace = c.Trace
	}
	return true
}

// merge lays what the record names over its entity's row: field by field, the newest wins, and null is a value.
func (l *lane) merge(c *Candidate, n int32, limits Limits) bool {
	r := &l.rows[n]
	cells := slices.Clone(r.cells)
	for _, i := range c.Named {
		cells[i] = c.Cells[i]
	}
	size := rowfile.RowSize(cells)
	grown := l.bytes + int64(size-r.bytes)
	// Each record fits Salesforce by itself; what would not as one row stays apart.
	if size > pipeline.MaxRowChars || grown > limits.Bytes && grown > l.bytes {
		return false
	}
	at := int32(len(l.entries))
	l.entries = append(l.entries, newEntry(c, n))
	l.entries[r.tail].next = at
	l.bytes = grown
	r.cells, r.tail, r.bytes = cells, at, size
	l.inRows++
	return true
}

// bury keeps a refused record. It answers false, and changes nothing, when the lane holds as many as one commit should.
func (l *lane) bury(d Dead) bool {
	if len(l.dead) > 0 && (len(l.dead) >= MaxDead || l.deadSize+len(d.Payload) > MaxDeadBytes) {
		return false
	}
	l.dead = append(l.dead, d)
	l.deadSize += len(d.Payload)
	return true
}
