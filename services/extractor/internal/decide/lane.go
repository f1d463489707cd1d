package decide

import (
	"slices"
	"strings"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

// none ends a chain of entries.
const none = -1

// entry is a record that waits for its lane's commit. There may be hundreds of thousands of them, so they are small and hold no pointer: what few records have, or
// many have alike, stands beside them in the lane.
type entry struct {
	keyHash    record.Hash
	content    record.Hash
	entityHash record.Hash
	place      record.Place
	row        int32
	next       int32 // the next younger record of the same row
	rest       int32 // in the lane's rests; none = it has none
	columns    int32 // in the lane's columns
	run        int32 // in the lane's runs
	generation int16
	placed     bool // its key says its place
	ended      bool // it stands in no row, being refused or superseded: the ledger must know its key all the same
	hasEntity  bool
}

// rest is what only some records have.
type rest struct {
	key     string // "" = made from the content and the place
	version record.Version
	origin  *Origin // of replays only
}

// known is what the entry's key or entity stands for.
func (en *entry) known() Known {
	return Known{Content: en.content, Place: en.place, Generation: int32(en.generation)}
}

// row is one CSV row to be: where its text lies, and the chain of its records.
type row struct {
	piece, at, bytes int32 // its text as it came; once replaced it lies elsewhere
	head, tail       int32
	received         int64 // when the broker stored its first record, in microseconds; of a replay when that was accepted
}

// held is what a lane knows of an entity that it holds unsealed, by numbers of entries.
type held struct {
	last   int32 // the last in the stream
	newest int32 // the one of the newest version; none when none has a version
	row    int32 // none when its records so far have no row
}

// lane is what is read and not yet committed of one lane.
type lane struct {
	number int
	mark   record.Place

	rows     blocks[row]
	texts    rowTexts
	sources  map[int32][]int32 // by row, then by column: the entry that a value comes from; of rows of one record, and where versions do not matter, there are none
	entries  blocks[entry]
	rests    []rest
	columns  []record.Bitmap // sets that entries name
	runs     []string
	keyTexts *pipeline.Room
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

	keys     table // of entries that were named: the last of each key
	entities table // of helds
	helds    blocks[held]
	same     map[EntityVersion]Same // versions that stand in a row
}

func newLane(number int, mark record.Place, headerSize int64) *lane {
	return &lane{number: number, mark: mark, bytes: headerSize, keyTexts: pipeline.NewRoom()}
}

// newEntry is the record of a candidate that becomes a row.
func (l *lane) newEntry(c *Candidate, row int32) entry {
	en := l.anyEntry(c, c.KeyHash, c.Generation)
	en.row, en.run, en.columns = row, l.run(c.Run), l.named(c.Columns)
	more := rest{version: c.Version, origin: c.Origin}
	if c.KeyKind != KeyFromBody {
		// A copy: the candidate's lies among the texts of the whole message.
		more.key = l.keyTexts.Clone(c.Key)
	}
	if c.Origin != nil {
		en.generation = int16(c.Origin.Generation)
	}
	l.note(&en, more)
	// Later generations and versions are asked for by key.
	en.placed = c.KeyKind == KeyFromBody && en.generation == 0 && c.Version == nil
	return en
}

// endedEntry is the record of a candidate that becomes none.
func (l *lane) endedEntry(c *Candidate, keyHash record.Hash, generation int) entry {
	en := l.anyEntry(c, keyHash, generation)
	en.ended = true
	l.note(&en, rest{version: c.Version})
	return en
}

func (l *lane) anyEntry(c *Candidate, keyHash record.Hash, generation int) entry {
	return entry{
		keyHash: keyHash, content: c.Content, entityHash: c.EntityHash, hasEntity: c.HasEntity, place: c.Place, generation: int16(generation),
		row: none, next: none, rest: none, columns: none,
	}
}

// note keeps what an entry has beside what all have.
func (l *lane) note(en *entry, more rest) {
	if more.key != "" || more.version != nil || more.origin != nil {
		en.rest = int32(len(l.rests))
		l.rests = append(l.rests, more)
	}
}

func (l *lane) restOf(en *entry) rest {
	if en.rest == none {
		return rest{}
	}
	return l.rests[en.rest]
}

// named is the number of a set of columns. Records mostly name the same few, and the mapper gives equal ones one set: only where a set lies is compared.
func (l *lane) named(set record.Bitmap) int32 {
	const lately = 8
	for n := len(l.columns) - 1; n >= max(0, len(l.columns)-lately) && len(set) > 0; n-- {
		if had := l.columns[n]; len(had) == len(set) && &had[0] == &set[0] {
			return int32(n)
		}
	}
	l.columns = append(l.columns, set)
	return int32(len(l.columns) - 1)
}

func (l *lane) columnsOf(en *entry) record.Bitmap {
	if en.columns == none {
		return nil
	}
	return l.columns[en.columns]
}

// run is the number of a run of the lane.
func (l *lane) run(name string) int32 {
	if n := len(l.runs); n > 0 && l.runs[n-1] == name {
		return int32(n - 1)
	}
	i := slices.Index(l.runs, name)
	if i < 0 {
		l.runs = append(l.runs, strings.Clone(name))
		i = len(l.runs) - 1
	}
	return int32(i)
}

func (l *lane) keyOf(n int32) *record.Hash { return &l.entries.at(n).keyHash }

func (l *lane) hasKey(n int32, h *record.Hash) bool { return l.entries.at(n).keyHash == *h }

func (l *lane) entityOf(n int32) *record.Hash { return &l.entries.at(l.helds.at(n).last).entityHash }

func (l *lane) hasEntity(n int32, h *record.Hash) bool {
	return l.entries.at(l.helds.at(n).last).entityHash == *h
}

// keyed finds the last record of a key.
func (l *lane) keyed(key *record.Hash) (Known, bool) {
	n := l.keys.find(key, l.hasKey)
	if n == none {
		return Known{}, false
	}
	return l.entries.at(n).known(), true
}

// holds finds what the lane knows of an entity; nil = nothing.
func (l *lane) holds(entity *record.Hash) *held {
	n := l.entities.find(entity, l.hasEntity)
	if n == none {
		return nil
	}
	return l.helds.at(n)
}

// touch notes that a record of this lane was read and waits for the lane's commit.
func (l *lane) touch(p record.Place, now time.Time) {
	if l.items == 0 {
		l.first, l.since = p, now
	}
	l.items++
}

// learn makes the lane's last entry, which is the candidate's, known to those that follow.
func (l *lane) learn(c *Candidate) {
	at := l.entries.n - 1
	en := l.entries.at(at)
	if c.KeyKind == KeyNamed {
		l.keys.put(&en.keyHash, at, l.hasKey, l.keyOf)
	}
	if !c.HasEntity {
		return
	}
	v := l.holds(&c.EntityHash)
	if v == nil {
		n := l.helds.add(held{last: at, newest: none, row: none})
		l.entities.put(&c.EntityHash, n, l.hasEntity, l.entityOf)
		v = l.helds.at(n)
	}
	v.last = at
	if !en.ended {
		// What has no row changes what is newest, but the row that the entity has stays open for merging.
		v.row = en.row
	}
	if c.Version == nil {
		return
	}
	if v.newest == none || l.dated(v.newest).owner().olderThan(l.dated(at).owner()) {
		v.newest = at
	}
	if !en.ended {
		if l.same == nil {
			l.same = make(map[EntityVersion]Same)
		}
		l.same[EntityVersion{Entity: c.EntityHash, Version: string(c.Version)}] = Same{
			Owner: Owner{Version: c.Version, KeyHash: en.keyHash, Place: c.Place}, Content: c.Content,
		}
	}
}

func (l *lane) dated(n int32) Dated {
	en := l.entries.at(n)
	return Dated{Known: en.known(), Version: l.restOf(en).version}
}

// add puts a record into its entity's row, or a new one. It answers false, and changes nothing, when the chunk would grow past its
// limits, or would hold two rows of one entity: the lane must be sealed first.
func (l *lane) add(c *Candidate, config *Config) bool {
	if l.inRows >= MaxRecords {
		return false
	}
	if c.HasEntity {
		if v := l.holds(&c.EntityHash); v != nil && v.row != none {
			switch {
			case config.Apart:
				return false
			case config.Versioned:
				return l.mergeVersion(c, v.row, config)
			}
			return l.merge(c, v.row, config)
		}
	}
	limits := config.Limits
	line := l.texts.write(c.Cells)
	if l.rows.size() > 0 && (l.rows.size() >= limits.Rows || l.bytes+int64(len(line)) > limits.Bytes) {
		return false
	}
	at := l.entries.n
	r := row{bytes: int32(len(line)), head: at, tail: at, received: received(c)}
	var ok bool
	if r.piece, r.at, ok = l.texts.keep(line, config.Header); !ok {
		return false
	}
	l.entries.add(l.newEntry(c, l.rows.n))
	l.rows.add(r)
	l.bytes += int64(len(line))
	l.inRows++
	if l.trace == "" {
		l.trace = strings.Clone(c.Trace)
	}
	return true
}

func received(c *Candidate) int64 {
	if c.Origin != nil {
		return c.Origin.AcceptedAt.UnixMicro()
	}
	return c.Received
}

// merge lays what the record names over its entity's row: field by field, the newest wins, and null is a value.
func (l *lane) merge(c *Candidate, n int32, config *Config) bool {
	cells := l.cells(n, len(config.Header))
	for _, i := range c.Named {
		cells[i] = c.Cells[i]
	}
	if !l.replace(n, cells, config.Limits) {
		return false
	}
	r, at := l.rows.at(n), l.entries.n
	l.entries.add(l.newEntry(c, n))
	l.entries.at(r.tail).next = at
	r.tail = at
	l.inRows++
	return true
}

// fits says whether a row may grow to a size. Each record fits Salesforce by itself; what would not as one row stays apart.
func (l *lane) fits(had, size int, limits Limits) bool {
	grown := l.bytes + int64(size-had)
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
