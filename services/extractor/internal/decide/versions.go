package decide

import (
	"slices"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
)

// ordered says whether a candidate's version decides what becomes of it.
func (e *Engine) ordered(c *Candidate) bool {
	return e.Versioned && c.Version != nil && c.HasEntity && c.Refusal == nil
}

// byVersion decides a new candidate by its version. What a known version says again is superseded by it, what it contradicts is refused; of
// the rest newer versions take away what they name, and a candidate of which nothing is left is superseded by the newest of them.
func (e *Engine) byVersion(c *Candidate, generation int) ruling {
	switch same, found := e.sameVersion(c); {
	case !found:
	case same.Content == c.Content:
		return ruling{verdict: superseded, generation: generation, successor: same.Owner}
	default:
		return ruling{verdict: refused, conflict: true, generation: generation}
	}
	newer := e.newer(c)
	if newer == nil {
		return ruling{verdict: fresh, generation: generation, record: opening(c, generation)}
	}
	// Every record names the column of its entity, so the newest that names it is the newest of all.
	if e.Whole || planted.On(planted.SupersedeWithoutFields) || !slices.ContainsFunc(c.Named, func(i int) bool { return i > 0 && newer[i].Version == nil }) {
		return ruling{verdict: superseded, generation: generation, successor: newer[0]}
	}
	return ruling{verdict: fresh, generation: generation, record: e.reduce(c, newer, generation)}
}

// reduce is a copy of the candidate without what newer versions name. The column of its entity stays.
func (e *Engine) reduce(c *Candidate, newer []Owner, generation int) *Candidate {
	r := *c
	r.Generation = generation
	r.Cells, r.Named, r.Columns = slices.Clone(c.Cells), make([]int, 0, len(c.Named)), nil
	for _, i := range c.Named {
		if i > 0 && newer[i].Version != nil {
			r.Cells[i] = ""
			continue
		}
		r.Named = append(r.Named, i)
		r.Columns.Set(e.Ordinals[i])
	}
	return &r
}

// sameVersion finds a record of the candidate's very version: one of the same content, if there is one.
func (e *Engine) sameVersion(c *Candidate) (Same, bool) {
	v := EntityVersion{Entity: c.EntityHash, Version: string(c.Version)}
	if s, ok := e.lane(c.Lane).same[v]; ok {
		return s, true
	}
	for _, l := range e.settled {
		if s, ok := l.same[v]; ok && l.number == c.Lane {
			return s, true
		}
	}
	all := e.answers.Equal[v]
	if len(all) == 0 {
		return Same{}, false
	}
	if i := slices.IndexFunc(all, func(s Same) bool { return s.Content == c.Content }); i >= 0 {
		return all[i], true
	}
	return all[0], true
}

// newer tells for each column the newest record that names it and is newer than the candidate; a column without one has no version.
// nil = there is no newer record.
func (e *Engine) newer(c *Candidate) []Owner {
	var out []Owner
	add := func(column int, o Owner) {
		if o.Version.Compare(c.Version) <= 0 {
			return
		}
		if out == nil {
			out = make([]Owner, len(e.Header))
		}
		if out[column].Version == nil || out[column].olderThan(o) {
			out[column] = o
		}
	}
	e.lane(c.Lane).owners(c.EntityHash, c.Version, e.Ordinals, add)
	for _, l := range e.settled {
		if l.number == c.Lane {
			l.owners(c.EntityHash, c.Version, e.Ordinals, add)
		}
	}
	for _, n := range e.answers.Newer[c.EntityHash] {
		if n.Version.Compare(c.Version) <= 0 {
			continue
		}
		for column, ordinal := range e.Ordinals {
			// The column of the entity is named by all, also by one that was sealed under a revision that calls it otherwise.
			if column == 0 || n.Columns.Has(ordinal) {
				add(column, n.Owner)
			}
		}
	}
	return out
}

// newestVersion finds the record of an entity's newest version.
func (e *Engine) newestVersion(c *Candidate) (Known, bool) {
	best, found := e.answers.NewestVersions[c.EntityHash]
	look := func(l *lane) {
		n, ok := l.newest[c.EntityHash]
		if !ok {
			return
		}
		if newest := l.dated(n); !found || best.owner().olderThan(newest.owner()) {
			best, found = newest, true
		}
	}
	for _, l := range e.settled {
		if l.number == c.Lane {
			look(l)
		}
	}
	look(e.lane(c.Lane))
	return best.Known, found
}

func (d Dated) owner() Owner { return Owner{Version: d.Version, Place: d.Place} }

// owners calls add for each column that the entity's row names, with the record that its value comes from; nothing when none of them is
// newer than a version.
func (l *lane) owners(entity record.Hash, than record.Version, ordinals []int, add func(column int, o Owner)) {
	row := l.rowOf(&entity)
	if row == none {
		return
	}
	r := l.rows.at(row)
	if l.owner(r.tail).Version.Compare(than) <= 0 {
		return // the newest of the row is its last
	}
	for column, ordinal := range ordinals {
		if n := l.ownerOf(row, column, ordinal); n != none {
			add(column, l.owner(n))
		}
	}
}

// ownerOf is the entry that a column's value in a row comes from; none when the row does not name it.
func (l *lane) ownerOf(n int32, column, ordinal int) int32 {
	if owners, ok := l.sources[n]; ok {
		return owners[column]
	}
	if head := l.rows.at(n).head; l.kindOf(l.entries.at(head)).columns.Has(ordinal) {
		return head // a row of one record
	}
	return none
}

func (l *lane) owner(n int32) Owner { return l.ownerOfEntry(l.entries.at(n)) }

func (l *lane) ownerOfEntry(en *entry) Owner {
	return Owner{Version: l.restOf(en).version, KeyHash: l.keyHashOf(en), Place: en.place}
}

// mergeVersion lays a record into its entity's row by its version: it fills the columns that no newer record of the row names, and takes
// its place among the row's records, the oldest version first. false = it does not fit, as for [lane.merge].
func (l *lane) mergeVersion(c *Candidate, n int32, config *Config) bool {
	r := l.rows.at(n)
	en := l.newEntry(c, n)
	own := l.ownerOfEntry(&en)
	before, ok := l.behind(r, own)
	if !ok {
		return false
	}
	owners := slices.Clone(l.sources[n])
	if owners == nil {
		owners = make([]int32, len(config.Ordinals))
		for column, ordinal := range config.Ordinals {
			owners[column] = l.ownerOf(n, column, ordinal)
		}
	}
	at := l.entries.n
	wins := make([]int, 0, len(c.Named))
	for _, i := range c.Named {
		if o := owners[i]; o == none || l.owner(o).olderThan(own) {
			wins, owners[i] = append(wins, i), at
		}
	}
	if !l.lay(n, wins, c.Cells, config.Limits) {
		return false
	}
	if before == none {
		en.next, r.head = r.head, at
	} else {
		en.next, l.entries.at(before).next = l.entries.at(before).next, at
	}
	if en.next == none {
		r.tail = at
	}
	l.entries.add(en)
	if l.sources == nil {
		l.sources = make(map[int32][]int32)
	}
	l.sources[n] = owners
	l.inRows++
	return true
}

// behind finds the last record of a row that is older than the new one; none = all are newer. false = it stands too far in.
func (l *lane) behind(r *row, own Owner) (int32, bool) {
	if l.owner(r.tail).olderThan(own) {
		return r.tail, true
	}
	last := int32(none)
	n := r.head
	for range maxWalk {
		if n == none || !l.owner(n).olderThan(own) {
			return last, true
		}
		last, n = n, l.entries.at(n).next
	}
	return none, false
}
