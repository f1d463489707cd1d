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

// entry is a record that waits for its lane's commit. There may be hundreds of thousands of them, so they are small, a line of the processor's cache, and hold no
// pointer: what few records have, or many have alike, stands beside them in the lane.
type entry struct {
	content    record.Hash
	entityHash record.Hash
	place      record.Place
	row        int32 // of a record that stands in none that which its entity has; none = it has none
	next       int32 // the next younger record of the same row
	rest       int32 // in the lane's rests; none = it is placed
	kind       int32 // in the lane's kinds
}

// kind is what many records have alike.
type kind struct {
	columns    record.Bitmap
	run        int32 // in the lane's runs
	generation int16
	placed     bool // its key says its place, and is made again from the entry
	ended      bool // it stands in no row, being refused or superseded: the ledger must know its key all the same
	hasEntity  bool
}

func (k *kind) same(o *kind) bool {
	return sameSet(k.columns, o.columns) && k.run == o.run && k.generation == o.generation && k.placed == o.placed && k.ended == o.ended &&
		k.hasEntity == o.hasEntity
}

// sameSet says whether two sets are the same memory: the mapper gives records that name the same columns one set.
func sameSet(a, b record.Bitmap) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// rest is what records have whose keys nothing else says.
type rest struct {
	keyHash record.Hash
	key     string // "" = made from the content and the place
	version record.Version
	origin  *Origin // of replays only
}

// row is one CSV row to be: where its text lies, and the chain of its records.
type row struct {
	at         int32 // where its text, as it came, begins in its piece; once replaced it lies elsewhere
	head, tail int32
	received   int32 // in the lane's times
}

// lane is what is read and not yet committed of one lane.
type lane struct {
	number   int
	pipeline string
	columns  int // of a row
	mark     record.Place

	rows     blocks[row]
	times    []int64 // when the broker stored the first records of rows, in microseconds; of replays when those were accepted
	texts    rowTexts
	sources  map[int32][]int32 // by row, then by column: the entry that a value comes from; of rows of one record, and where versions do not matter, there are none
	entries  blocks[entry]
	rests    blocks[rest]
	kinds    []kind
	runs     []string
	keyTexts *pipeline.Room
	inRows   int   // entries that stand in a row
	bytes    int64 // of the raw CSV so far, the header included
	dead     []Dead
	deadSize int
	repeats  map[string]int64
	trace    string

	superseded []Superseded

	follower uint64 // the highest sequence of a record in a row that may follow another one of its entity; 0 = none may

	items int          // records of any verdict
	first record.Place // of the first of them
	since time.Time    // when that was read
	full  bool         // the next record did not fit

	keys     table                  // of entries that were named: the last of each key
	entities table                  // of entries: the last of each entity in the stream
	newest   map[record.Hash]int32  // by entity: the entry of the newest version, of those that have one
	same     map[EntityVersion]Same // versions that stand in a row
}

func newLane(number int, name string, mark record.Place, headerSize int64) *lane {
	return &lane{number: number, pipeline: name, mark: mark, bytes: headerSize, keyTexts: pipeline.NewRoom()}
}

// follow makes a lane ready to become what one that was full has been. What was sealed for its age has no such successor: a lane at rest holds next to
// nothing.
func (l *lane) follow(old *lane, header []string) {
	l.keys.expect(old.keys.n)
	l.entities.expect(old.entities.n)
	if old.texts.w != nil {
		l.texts.w, old.texts.w = old.texts.w, nil
		l.texts.w.Reset(header)
	}
}

// newEntry is the record of a candidate that becomes a row.
func (l *lane) newEntry(c *Candidate, row int32) entry {
	k := kind{columns: c.Columns, run: l.run(c.Run), generation: int16(c.Generation), hasEntity: c.HasEntity}
	if c.Origin != nil {
		k.generation = int16(c.Origin.Generation)
	}
	// Later generations and versions are asked for by key.
	k.placed = c.KeyKind == KeyFromBody && c.HasEntity && k.generation == 0 && c.Version == nil
	en := l.anyEntry(c, &k)
	en.row = row
	if k.placed {
		return en
	}
	more := rest{version: c.Version, origin: c.Origin}
	if c.KeyKind == KeyFromBody {
		c.NameByBody(l.pipeline)
	} else {
		// A copy: the candidate's lies among the texts of the whole message.
		more.key = l.keyTexts.Clone(c.Key)
	}
	more.keyHash = c.KeyHash
	en.rest = l.rests.add(more)
	return en
}

// endedEntry is the record of a candidate that becomes none.
func (l *lane) endedEntry(c *Candidate, keyHash record.Hash, generation int) entry {
	en := l.anyEntry(c, &kind{generation: int16(generation), ended: true, hasEntity: c.HasEntity})
	en.rest = l.rests.add(rest{keyHash: keyHash, version: c.Version})
	return en
}

func (l *lane) anyEntry(c *Candidate, k *kind) entry {
	return entry{content: c.Content, entityHash: c.EntityHash, place: c.Place, row: none, next: none, rest: none, kind: l.kind(k)}
}

// kind is the number of a kind. Records are mostly of the same few.
func (l *lane) kind(k *kind) int32 {
	const lately = 8
	for n := len(l.kinds) - 1; n >= max(0, len(l.kinds)-lately); n-- {
		if l.kinds[n].same(k) {
			return int32(n)
		}
	}
	l.kinds = append(l.kinds, *k)
	return int32(len(l.kinds) - 1)
}

func (l *lane) kindOf(en *entry) *kind { return &l.kinds[en.kind] }

// restOf is what an entry has beside what all have; nobody changes it.
func (l *lane) restOf(en *entry) *rest {
	if en.rest == none {
		return &noRest
	}
	return l.rests.at(en.rest)
}

var noRest rest

// keyHashOf is the hash of an entry's key.
func (l *lane) keyHashOf(en *entry) record.Hash {
	if en.rest != none {
		return l.rests.at(en.rest).keyHash
	}
	var room [96]byte
	return record.HashKeyBytes(l.pipeline, record.AppendBodyKey(room[:0], en.content, en.place))
}

// known is what an entry's key or entity stands for.
func (l *lane) known(en *entry) Known {
	return Known{Content: en.content, Place: en.place, Generation: int32(l.kindOf(en).generation)}
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

// The table of keys holds entries with a rest alone.
func (l *lane) keyOf(n int32) *record.Hash { return &l.rests.at(l.entries.at(n).rest).keyHash }

func (l *lane) hasKey(n int32, h *record.Hash) bool { return *l.keyOf(n) == *h }

func (l *lane) entityOf(n int32) *record.Hash { return &l.entries.at(n).entityHash }

func (l *lane) hasEntity(n int32, h *record.Hash) bool { return *l.entityOf(n) == *h }

// keyed finds the last record of a key.
func (l *lane) keyed(key *record.Hash) (Known, bool) {
	n := l.keys.find(key, l.hasKey)
	if n == none {
		return Known{}, false
	}
	return l.known(l.entries.at(n)), true
}

// last finds the last record of an entity in the stream; nil = the lane holds none.
func (l *lane) last(entity *record.Hash) *entry {
	n := l.entities.find(entity, l.hasEntity)
	if n == none {
		return nil
	}
	return l.entries.at(n)
}

// rowOf finds the row of an entity; none = it has none.
func (l *lane) rowOf(entity *record.Hash) int32 {
	if en := l.last(entity); en != nil {
		return en.row
	}
	return none
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
		l.keys.put(l.keyOf(at), at, l.hasKey, l.keyOf)
	}
	if !c.HasEntity {
		return
	}
	was := l.entities.put(&en.entityHash, at, l.hasEntity, l.entityOf)
	ended := l.kindOf(en).ended
	if ended && was != none {
		// What has no row changes what is newest, but the row that the entity has stays open for merging.
		en.row = l.entries.at(was).row
	}
	if c.Version == nil {
		return
	}
	if newest, ok := l.newest[c.EntityHash]; !ok || l.dated(newest).owner().olderThan(l.dated(at).owner()) {
		if l.newest == nil {
			l.newest = make(map[record.Hash]int32)
		}
		l.newest[c.EntityHash] = at
	}
	if !ended {
		if l.same == nil {
			l.same = make(map[EntityVersion]Same)
		}
		l.same[EntityVersion{Entity: c.EntityHash, Version: string(c.Version)}] = Same{
			Owner: Owner{Version: c.Version, KeyHash: l.keyHashOf(en), Place: c.Place}, Content: c.Content,
		}
	}
}

func (l *lane) dated(n int32) Dated {
	en := l.entries.at(n)
	return Dated{Known: l.known(en), Version: l.restOf(en).version}
}

// add puts a record into its entity's row, or a new one. It answers false, and changes nothing, when the chunk would grow past its
// limits, or would hold two rows of one entity: the lane must be sealed first.
func (l *lane) add(c *Candidate, config *Config) bool {
	if l.inRows >= MaxRecords {
		return false
	}
	if c.HasEntity {
		if row := l.rowOf(&c.EntityHash); row != none {
			switch {
			case config.Apart:
				return false
			case config.Versioned:
				return l.mergeVersion(c, row, config)
			}
			return l.merge(c, row, config)
		}
	}
	limits := config.Limits
	l.columns = len(config.Header)
	line := l.texts.write(c.Cells)
	if l.rows.size() > 0 && (l.rows.size() >= limits.Rows || l.bytes+int64(len(line)) > limits.Bytes) {
		return false
	}
	at := l.entries.n
	r := row{head: at, tail: at, received: l.time(received(c))}
	var ok bool
	if r.at, ok = l.texts.keep(line, config.Header); !ok {
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

// time is the number of a time: rows that follow each other mostly came in one message.
func (l *lane) time(at int64) int32 {
	if n := len(l.times); n == 0 || l.times[n-1] != at {
		l.times = append(l.times, at)
	}
	return int32(len(l.times) - 1)
}

func received(c *Candidate) int64 {
	if c.Origin != nil {
		return c.Origin.AcceptedAt.UnixMicro()
	}
	return c.Received
}

// merge lays what the record names over its entity's row: field by field, the newest wins, and null is a value.
func (l *lane) merge(c *Candidate, n int32, config *Config) bool {
	if !l.lay(n, c.Named, c.Cells, config.Limits) {
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
