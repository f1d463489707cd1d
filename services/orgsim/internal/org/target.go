package org

import (
	"fmt"
	"strings"

	"bulkhead/services/orgsim/internal/sfid"
	"bulkhead/services/orgsim/internal/switches"
)

// noRow is the place of a row that is not there.
const noRow = ^uint32(0)

// foldKey is the form in which two key cells are compared; ids are the same in their short and long form.
func (p *Plan) foldKey(v string) string {
	if v == p.null {
		return ""
	}
	if p.key != nil {
		if stored, problem := p.key.parse(v, 0); v != "" && problem == nil {
			v = stored // 1 and 1.0 are the same number
		}
		return p.key.Fold(v)
	}
	if id, ok := sfid.Parse(v); ok {
		return id
	}
	return v
}

// target finds the row that is meant. exists is false when it has to be created, or when there is a problem; row is
// noRow when there is none, deleted ones being rows too.
func (sv *saver) target(r *Row) (row uint32, exists bool, problem *RowError) {
	p := sv.p
	if p.id >= 0 && p.id != p.Key && r.Cells[p.id] != "" {
		return noRow, false, rowError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an "+string(p.Operation)+" call", "Id")
	}
	switch {
	case p.Operation == Insert:
		return noRow, false, nil
	case p.Operation == Upsert && p.key != nil:
		return sv.byKey(r.Cells[p.Key], r.Number)
	case p.Key < 0 || r.Cells[p.Key] == "" || r.Cells[p.Key] == p.null:
		if p.Operation == Upsert && sv.s.switches.Get(switches.BlankID) == switches.Inserted {
			return noRow, false, nil
		}
		return noRow, false, rowError("MISSING_ARGUMENT", "Id not specified in an "+string(p.Operation)+" call")
	}
	row, problem = sv.byID(r.Cells[p.Key])
	return row, problem == nil, problem
}

// byKey finds the row of an upsert by its external id: none, one, or too many. number is its place in the upload.
func (sv *saver) byKey(text string, number uint32) (row uint32, exists bool, problem *RowError) {
	key := sv.p.key
	if text == "" || text == sv.p.null {
		return noRow, false, rowError("MISSING_ARGUMENT", key.Name+" not specified", key.Name)
	}
	v, problem := key.parse(text, sv.p.Key)
	if problem != nil {
		return noRow, false, problem
	}
	ix, folded := sv.t.keys[key.index], key.Fold(v)
	row, exists, many := ix.first(folded)
	if many || (exists && sv.raced) {
		rows := sv.seen(ix.all(folded), number)
		if len(rows) > 1 {
			return noRow, false, rowError("DUPLICATE_EXTERNAL_ID", fmt.Sprintf("%s: more than one record found for external id field: [%s]",
				key.Label, strings.Join(sv.ids(rows), ", ")))
		}
		if exists = len(rows) == 1; exists {
			row = rows[0]
		}
	}
	if !exists {
		return noRow, false, nil
	}
	return row, true, nil
}

// seen leaves out the rows that an upsert overlooks because another batch of its job makes them at the same time. Those
// of its own batch were made before it.
func (sv *saver) seen(rows []uint32, number uint32) []uint32 {
	if !sv.raced {
		return rows
	}
	var out []uint32
	for _, row := range rows {
		r := &sv.t.rows[row]
		first := r.now
		if len(r.before) > 0 {
			first = r.before[0]
		}
		if first.job != sv.job || (sv.batch <= first.row && first.row <= number) {
			out = append(out, row)
		}
	}
	return out
}

// ids are the short ids of rows.
func (sv *saver) ids(rows []uint32) []string {
	out := make([]string, len(rows))
	for i, row := range rows {
		out[i] = sv.s.id15(sv.t, row)
	}
	return out
}

// byID finds a live row of the plan's object by its Id. With a problem the row is noRow unless it was deleted.
func (sv *saver) byID(text string) (uint32, *RowError) {
	id, ok := sfid.Parse(text)
	if !ok {
		return noRow, rowError("MALFORMED_ID", "bad id "+text, "Id")
	}
	if sfid.Prefix(id) != sv.p.Object.KeyPrefix {
		return noRow, rowError("MALFORMED_ID", sv.p.Object.Label+" ID: id value of incorrect type: "+text, "Id")
	}
	row, ok := sv.s.find(sv.t, id)
	if !ok {
		return noRow, rowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return row, gone(sv.t, row)
}

// gone is what a row that was deleted answers; nil for a live one. What skipped the recycle bin, or left it, is as if
// it had never been.
func gone(t *table, row uint32) *RowError {
	switch v := &t.rows[row].now; {
	case v.purged:
		return rowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	case v.deleted:
		return rowError("ENTITY_IS_DELETED", "entity is deleted")
	default:
		return nil
	}
}
