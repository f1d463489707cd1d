package org

import "bulkhead/services/orgsim/internal/sfid"

// Batch is the records of one object in a REST call.
type Batch struct {
	Plan *Plan
	Rows []Row
}

// SaveCall saves what one REST call brings: each batch as a transaction of its own, one after the other, in the name of
// a user (18 characters; one that the org does not have stands for the administrator). The outcomes are those of all
// rows in order.
//
// With allOrNone a single failure takes everything back, as if the call had never been: no version, no id, no index entry
// stays behind. The rows that were good by themselves then fail with ALL_OR_NONE_OPERATION_ROLLED_BACK.
func (s *Store) SaveCall(user string, batches []Batch, allOrNone bool) []Outcome {
	s.gate.RLock()
	defer s.gate.RUnlock()
	var undo *journal
	if allOrNone {
		undo = &journal{}
	}
	return s.saveCall(user, batches, allOrNone, undo)
}

// Saver saves like Store.SaveCall.
type Saver func(user string, batches []Batch, allOrNone bool) []Outcome

// Together lets do save several calls that belong together. Nobody else saves meanwhile, though everybody reads; when do
// returns false, all that it saved is taken back. It must save through the function that it gets.
func (s *Store) Together(do func(Saver) (keep bool)) {
	s.gate.Lock()
	defer s.gate.Unlock()
	undo := &journal{}
	keep := do(func(user string, batches []Batch, allOrNone bool) []Outcome {
		return s.saveCall(user, batches, allOrNone, undo)
	})
	if keep {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeBack(undo, 0)
}

// saveCall is SaveCall for a caller who holds the gate; undo is where changes are noted, nil for nowhere.
func (s *Store) saveCall(user string, batches []Batch, allOrNone bool, undo *journal) []Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepJournal(undo)
	defer s.keepJournal(nil)
	start := undo.len()
	by := s.userNumber(user)
	var out []Outcome
	failed := false
	for _, b := range batches {
		part := s.saver(b.Plan, 0, by, false).run(b.Rows)
		for i := range part {
			failed = failed || part[i].Result == Failed
		}
		out = append(out, part...)
	}
	if !allOrNone || !failed {
		return out
	}
	s.keepJournal(nil)
	s.takeBack(undo, start)
	for i := range out {
		if out[i].Result != Failed {
			out[i] = Outcome{Result: Failed, Error: rowError("ALL_OR_NONE_OPERATION_ROLLED_BACK",
				"Record rolled back because not all records were valid and the request was using AllOrNone header")}
		}
		out[i].HasID = false
	}
	return out
}

// userNumber is what version.by says of a user; 0 for one that the org does not have.
func (s *Store) userNumber(user string) uint32 {
	short, ok := sfid.Parse(user)
	if !ok {
		return 0
	}
	row, ok := s.find(s.table(s.model.Object("User")), short)
	if !ok {
		return 0
	}
	return row + 1
}

// step is what happened to a row of a table.
type step uint8

const (
	inserted step = iota
	changed
	removed
)

// journal is the changes of a call in their order, so that they can be undone from the last to the first.
type journal struct {
	entries []entry
}

type entry struct {
	table *table
	row   uint32
	step  step
}

// note remembers a change; a nil journal keeps nothing.
func (j *journal) note(t *table, row uint32, did step) {
	if j != nil {
		j.entries = append(j.entries, entry{t, row, did})
	}
}

func (j *journal) len() int {
	if j == nil {
		return 0
	}
	return len(j.entries)
}

// keepJournal makes every table write into a journal, or into none.
func (s *Store) keepJournal(j *journal) {
	for _, t := range s.tables {
		t.journal = j
	}
}

// takeBack undoes what a journal tells from an entry on, and forgets it. An inserted row is the last one of its table when its turn comes, because all
// later ones are gone by then, so its place and its id are free again.
func (s *Store) takeBack(j *journal, from int) {
	defer func() { j.entries = j.entries[:from] }()
	for i := len(j.entries) - 1; i >= from; i-- {
		e := j.entries[i]
		t, r := e.table, &e.table.rows[e.row]
		is := make([]string, len(t.object.Fields))
		was := make([]string, len(t.object.Fields))
		unpack(r.now.data, is)
		switch e.step {
		case inserted:
			t.reindex(e.row, is, nil)
			s.countChildren(t.object, is, was)
			t.live--
			if r.seeded {
				t.seeded--
			}
			*r = record{} // lets go of its texts
			t.rows = t.rows[:e.row]
		case changed:
			r.back()
			unpack(r.now.data, was)
			t.reindex(e.row, is, was)
			s.countChildren(t.object, is, was)
		case removed:
			r.back()
			t.reindex(e.row, nil, is)
			s.countChildren(t.object, was, is)
			t.live++
			if r.seeded {
				t.seeded++
			}
		}
	}
}

// back makes a row's last version but one its present one.
func (r *record) back() {
	last := len(r.before) - 1
	r.now, r.before = r.before[last], r.before[:last]
}
