package org

import (
	"fmt"

	"bulkhead/services/orgsim/internal/sfid"
)

// deletes says whether the operation takes rows away.
func (p *Plan) deletes() bool { return p.Operation == Delete || p.Operation == HardDelete }

// delete removes one row and its details.
func (sv *saver) delete(r *Row) Outcome {
	row, problem := sv.deletable(r)
	if problem != nil {
		return sv.failure(row, problem)
	}
	sv.remove(sv.t, row, r.Number)
	return Outcome{Result: Deleted, HasID: true, ID: row}
}

// deletable finds the row that is meant and says why it may not go, if so: locked, or others refer to it.
func (sv *saver) deletable(r *Row) (uint32, *RowError) {
	if sv.p.Key < 0 || r.Cells[sv.p.Key] == "" || r.Cells[sv.p.Key] == sv.p.null {
		return noRow, rowError("MISSING_ARGUMENT", "Id not specified in a delete call")
	}
	row, problem := sv.byID(r.Cells[sv.p.Key])
	if problem != nil {
		return row, problem
	}
	if sv.p.Object.locked != nil {
		unpack(sv.t.rows[row].now.data, sv.old)
		if problem = sv.locked(); problem != nil {
			return row, problem
		}
	}
	if n := sv.referring(sv.t, row); n > 0 {
		return row, rowError("DELETE_FAILED",
			fmt.Sprintf("Your attempt to delete this record could not be completed because %d other records refer to it", n))
	}
	return row, nil
}

// referring is the number of rows that keep a row from being deleted: those that refer to it, or to a detail that would
// go with it, without being details themselves.
func (sv *saver) referring(t *table, row uint32) uint32 {
	n := t.rows[row].children
	if n > 0 {
		n -= sv.itself(t, row)
	}
	for _, f := range t.object.details {
		dt := sv.s.table(f.object)
		for _, detail := range dt.keys[f.index].all(sv.s.id15(t, row)) {
			n += sv.referring(dt, detail)
		}
	}
	return n
}

// itself is how often a row refers to itself.
func (sv *saver) itself(t *table, row uint32) (n uint32) {
	for _, f := range t.object.references {
		if id := packedValue(t.rows[row].now.data, f.index); id != "" && !f.MasterDetail && id[:sfid.Len15] == sv.s.id15(t, row) {
			n++
		}
	}
	return n
}

// remove deletes a row after its details.
func (sv *saver) remove(t *table, row, number uint32) {
	for _, f := range t.object.details {
		dt := sv.s.table(f.object)
		for _, detail := range dt.keys[f.index].all(sv.s.id15(t, row)) {
			sv.remove(dt, detail, number)
		}
	}
	old := make([]string, len(t.object.Fields))
	unpack(t.rows[row].now.data, old)
	t.remove(row, old, version{at: sv.at, job: sv.job, by: sv.by, row: number, deleted: true, purged: sv.p.Operation == HardDelete})
	sv.s.countChildren(t.object, old, make([]string, len(old)))
}
