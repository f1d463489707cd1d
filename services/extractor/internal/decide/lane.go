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
	ended   bool  // it stands in no row, being refused or superseded: the ledger must know its key all the same

	entityHash record.Hash
	hasEntity  bool
	version    record.Version
	generation int16
	origin     *Origin // of replays only
}

// row is one CSV row to be: the merged cells, and the chain of its records.
type row struct {
	cells      []string
	head, tail int32
	bytes      int
	owners     []int32 // by column, the entry that its value comes from; nil where versions do not matter or the row has one record
}

// held is what a lane knows of an entity that it holds unsealed.
type held struct {
	last   Known  // the last in the stream
	newest *Dated // the one of the newest version; nil when none has a version
	row    int32  // none when its records so far have no row
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

	superseded []Superseded

	items int          // records of any verdict
	first record.Place // of the first of them
	since time.Time    // when that was read
	full  bool         // the next record did not fit

	keys     map[record.Hash]Known
	entities map[record.Hash]held
	same     map[EntityVersion]Same // versions that stand in a row
}

func newLane(number int, mark record.Place, headerSize int64) *lane {
	return &lane{
		number: number, mark: mark, bytes: headerSize,
		keys: make(map[record.Hash]Known), entities: make(map[record.Hash]held),
	}
}

// newEntry is the record of a candidate that becomes a row.
func newEntry(c *Candidate, row int32) entry {
	en := entry{
		key: c.Key, keyHash: c.KeyHash, content: c.Content, place: c.Place, run: c.Run, columns: c.Columns,
		row: row, next: none, entityHash: c.EntityHash, hasEntity: c.HasEntity, version: c.Version, generation: int16(c.Generation), origin: c.Origin,
	}
	if c.Origin != nil {
		en.generation = int16(c.Origin.Generation)
	}
	return en
}

// endedEntry is the record of a candidate that becomes none.
func endedEntry(c *Candidate, key string, keyHash record.Hash, generation int) entry {
	return entry{
		key: key, keyHash: keyHash, content: c.Content, place: c.Place, row: none, next: none, ended: true,
		entityHash: c.EntityHash, hasEntity: c.HasEntity, version: c.Version, generation: int16(generation),
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
	known := Known{Content: c.Content, Place: c.Place, Generation: int32(c.Generation)}
	if c.KeyKind == KeyNamed {
		l.keys[keyHash] = known
	}
	if !c.HasEntity || c.KeyKind == KeyUnknown {
		return
	}
	had, ok := l.entities[c.EntityHash]
	now := held{last: known, newest: had.newest, row: inRow}
	if inRow == none && ok {
		// What has no row changes what is newest, but the row that the entity has stays open for merging.
		now.row = had.row
	}
	if c.Version != nil {
		dated := &Dated{Known: known, Version: c.Version}
		if had.newest == nil || had.newest.owner().olderThan(dated.owner()) {
			now.newest = dated
		}
		if inRow != none {
			if l.same == nil {
				l.same = make(map[EntityVersion]Same)
			}
			l.same[EntityVersion{Entity: c.EntityHash, Version: string(c.Version)}] = Same{
				Owner: Owner{Version: c.Version, KeyHash: keyHash, Place: c.Place}, Content: c.Content,
			}
		}
	}
	l.entities[c.EntityHash] = now
}

// add puts a record into its entity's row, or a new one. It answers false, and changes nothing, when the chunk would grow past its
// limits, or would hold two rows of one entity: the lane must be sealed first.
func (l *lane) add(c *Candidate, config *Config) bool {
	if l.inRows >= MaxRecords {
		return false
	}
	if v, ok := l.entities[c.EntityHash]; ok && c.HasEntity && v.row != none {
		switch {
		case config.Apart:
			return false
		case config.Versioned:
			return l.mergeVersion(c, v.row, config)
		}
		return l.merge(c, v.row, config.Limits)
	}
	limits := config.Limits
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
	if !l.fits(r, size, limits) {
		return false
	}
	at := int32(len(l.entries))
	l.entries = append(l.entries, newEntry(c, n))
	l.entries[r.tail].next = at
	l.bytes += int64(size - r.bytes)
	r.cells, r.tail, r.bytes = cells, at, size
	l.inRows++
	return true
}

// fits says whether a row may grow to a size. Each record fits Salesforce by itself; what would not as one row stays apart.
func (l *lane) fits(r *row, size int, limits Limits) bool {
	grown := l.bytes + int64(size-r.bytes)
	return size <= pipeline.MaxRowChars && (grown <= limits.Bytes || grown <= l.bytes)
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
