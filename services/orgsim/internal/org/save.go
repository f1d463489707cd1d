package org

import (
	"time"

	"bulkhead/services/orgsim/internal/switches"
)

// Row is one row of a transaction.
type Row struct {
	Number uint32    // data row in the upload, from 1
	Cells  []string  // as many as the plan has columns; empty = leave alone, Null = clear
	Error  *RowError // not nil: the row fails with it and nothing else of it is looked at
}

// Result is what became of a row.
type Result uint8

// The results; the zero value means that the row was never attempted.
const (
	Unprocessed Result = iota
	Created
	Updated
	Deleted
	Failed
)

// Outcome is the result of one row. ID is the row's place in its object (see Store.ID) and set for Created, Updated
// and Deleted, and for Failed when HasID; Error is set for Failed.
type Outcome struct {
	Result Result
	HasID  bool
	ID     uint32
	Error  *RowError
}

// saver is one transaction under the store's lock.
type saver struct {
	s       *Store
	p       *Plan
	t       *table
	job     uint32
	by      uint32
	at      int64
	seeding bool
	raced   bool   // upserts do not see what other batches of their job have inserted
	batch   uint32 // the row in the upload with which the batch begins, when raced
	user    string // 18-character id of who saves, when the object has an owner

	values, old []string // of the row in hand
	facts       facts    // what rules are asked about
}

// Save runs one transaction: every row is saved or fails for itself. The outcomes are in the order of the rows.
func (s *Store) Save(p *Plan, job string, rows []Row) []Outcome { return s.SaveBatch(p, job, 1, rows) }

// SaveBatch is Save for a transaction of the internal batch that begins with row first of the job's upload. The rows of a
// batch are saved in their order.
func (s *Store) SaveBatch(p *Plan, job string, first uint32, rows []Row) []Outcome {
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	sv := s.saver(p, s.jobNumber(job), 0, false)
	sv.batch = first
	return sv.run(rows)
}

// saver begins a transaction; by is what version.by says. The caller holds mu.
func (s *Store) saver(p *Plan, job, by uint32, seeding bool) *saver {
	now := s.now()
	sv := &saver{s: s, p: p, t: s.table(p.Object), at: s.tick(), job: job, by: by, seeding: seeding}
	buffer := make([]string, 2*len(p.Object.Fields))
	sv.values, sv.old = buffer[:len(p.Object.Fields)], buffer[len(p.Object.Fields):]
	sv.facts.now = now.UTC().Truncate(time.Second)
	sv.raced = p.key != nil && job != 0 && s.switches.Get(switches.ParallelKeys) == switches.Raced
	if p.Object.owner != nil {
		sv.user = Reader{s: s}.user(version{job: job, by: by})
	}
	return sv
}

func (sv *saver) run(rows []Row) []Outcome {
	out := make([]Outcome, len(rows))
	sv.facts.rows, sv.facts.round = len(rows), 1
	sv.refuse(rows, out)
	if !sv.seeding && sv.p.Object.triggered(sv.p.Operation) {
		sv.rounds(rows, out)
	}
	deletes := sv.p.deletes()
	for i := range rows {
		switch {
		case out[i].Result != Unprocessed:
		case deletes:
			out[i] = sv.delete(&rows[i])
		default:
			out[i] = sv.save(&rows[i])
		}
	}
	return out
}

// refuse ends the rows that fail before anything of them is looked up: those that cannot be read, and those whose key
// another row of the transaction has too.
func (sv *saver) refuse(rows []Row, out []Outcome) {
	twice := sv.repeatedKeys(rows)
	allButFirst := twice != nil && sv.s.switches.Get(switches.SameKeyTwice) == switches.AllButFirst
	for i := range rows {
		r := &rows[i]
		if r.Error != nil {
			out[i] = sv.failure(sv.named(r), r.Error)
			continue
		}
		if twice == nil {
			continue
		}
		key := sv.p.foldKey(r.Cells[sv.p.Key])
		first, repeated := twice[key]
		if !repeated || (allButFirst && first == i) {
			continue
		}
		out[i] = sv.failure(sv.named(r), rowError("DUPLICATE_VALUE",
			"Duplicate external id specified: "+r.Cells[sv.p.Key], sv.p.Columns[sv.p.Key].Name))
	}
}

// repeatedKeys finds the keys that more than one row of the transaction names, with the first row of each; nil when
// there is none.
func (sv *saver) repeatedKeys(rows []Row) map[string]int {
	if sv.p.Operation == Insert || sv.p.Key < 0 || len(rows) < 2 {
		return nil
	}
	seen := make(map[string]int, len(rows))
	var twice map[string]int
	for i := range rows {
		if rows[i].Error != nil {
			continue
		}
		key := sv.p.foldKey(rows[i].Cells[sv.p.Key])
		if key == "" {
			continue
		}
		if first, again := seen[key]; again {
			if twice == nil {
				twice = map[string]int{}
			}
			twice[key] = first
			continue
		}
		seen[key] = i
	}
	return twice
}

// failure is the outcome of a row that is refused. A failed update or delete names its row, a deleted one too; a failed
// insert or upsert names none.
func (sv *saver) failure(row uint32, why *RowError) Outcome {
	named := row != noRow && sv.p.Operation != Insert && sv.p.Operation != Upsert
	return Outcome{Result: Failed, HasID: named, ID: row, Error: why}
}

// named is the row whose Id a row of an update or delete has, noRow without.
func (sv *saver) named(r *Row) uint32 {
	if sv.p.Operation == Insert || sv.p.Operation == Upsert || sv.p.Key < 0 || r.Cells[sv.p.Key] == "" {
		return noRow
	}
	row, _ := sv.byID(r.Cells[sv.p.Key])
	return row
}

// save inserts or updates one row.
func (sv *saver) save(r *Row) Outcome {
	row, exists, problem := sv.prepare(r)
	if problem == nil {
		problem = sv.check(row, exists)
	}
	if problem != nil {
		return sv.failure(row, problem)
	}
	v := version{at: sv.at, job: sv.job, by: sv.by, row: r.Number}
	if !exists {
		row = sv.t.insert(sv.values, v, sv.seeding)
		sv.s.countChildren(sv.p.Object, sv.p.empty, sv.values)
		return Outcome{Result: Created, HasID: true, ID: row}
	}
	sv.t.change(row, sv.old, sv.values, v)
	sv.s.countChildren(sv.p.Object, sv.old, sv.values)
	return Outcome{Result: Updated, HasID: true, ID: row}
}

// prepare finds the row that is meant and makes the values that it would have; those it has are in sv.old when it
// exists.
func (sv *saver) prepare(r *Row) (row uint32, exists bool, problem *RowError) {
	row, exists, problem = sv.target(r)
	if problem != nil {
		return row, exists, problem
	}
	if exists {
		unpack(sv.t.rows[row].now.data, sv.old)
		if problem = sv.locked(); problem != nil {
			return row, exists, problem
		}
		copy(sv.values, sv.old)
	} else {
		copy(sv.values, sv.p.Object.defaults)
		if owner := sv.p.Object.owner; owner != nil {
			sv.values[owner.index] = sv.user
		}
	}
	return row, exists, sv.fill(r)
}

// locked refuses to touch the row in sv.old when a rule of its object says so.
func (sv *saver) locked() *RowError {
	rule := sv.p.Object.locked
	if rule == nil {
		return nil
	}
	sv.facts.new, sv.facts.old, sv.facts.isNew = nil, sv.old, false
	if is, err := rule.holds(&sv.facts); is || err != nil {
		return rowError("ENTITY_IS_LOCKED", "entity is locked for editing") // when in doubt, it is
	}
	return nil
}
