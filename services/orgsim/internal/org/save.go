package org

import (
	"fmt"
	"strings"

	"bulkhead/services/orgsim/internal/sfid"
)

// Row is one row of a transaction.
type Row struct {
	Number uint32   // data row in the upload, from 1
	Cells  []string // as many as the plan has columns; empty = leave alone, Null = clear
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
	at      int64
	seeding bool
}

// Save runs one transaction: every row is saved or fails for itself. Two rows of an upsert with the same key both
// fail. The outcomes are in the order of the rows.
func (s *Store) Save(p *Plan, job string, rows []Row) []Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	sv := saver{s: s, p: p, t: s.table(p.Object), job: s.jobNumber(job), at: s.now().UnixMilli()}
	return sv.run(rows)
}

func (sv *saver) run(rows []Row) []Outcome {
	out := make([]Outcome, len(rows))
	twice := sv.repeatedKeys(rows)
	values := make([]string, len(sv.p.Object.Fields))
	old := make([]string, len(sv.p.Object.Fields))
	for i := range rows {
		r := &rows[i]
		if r.Error != nil {
			out[i] = Outcome{Result: Failed, Error: r.Error}
			continue
		}
		if twice != nil {
			if key := r.Cells[sv.p.Key]; twice[sv.p.foldKey(key)] {
				out[i] = Outcome{Result: Failed, Error: rowError("DUPLICATE_VALUE",
					"Duplicate external id specified: "+key, sv.p.Columns[sv.p.Key].Name)}
				continue
			}
		}
		switch sv.p.Operation {
		case Delete, HardDelete:
			out[i] = sv.delete(r, old)
		default:
			out[i] = sv.save(r, values, old)
		}
	}
	return out
}

// repeatedKeys finds the keys that more than one row of the transaction names; nil when there is none.
func (sv *saver) repeatedKeys(rows []Row) map[string]bool {
	if sv.p.Operation == Insert || sv.p.Key < 0 || len(rows) < 2 {
		return nil
	}
	seen := make(map[string]struct{}, len(rows))
	var twice map[string]bool
	for i := range rows {
		if rows[i].Error != nil {
			continue
		}
		key := sv.p.foldKey(rows[i].Cells[sv.p.Key])
		if key == "" {
			continue
		}
		if _, again := seen[key]; again {
			if twice == nil {
				twice = map[string]bool{}
			}
			twice[key] = true
		}
		seen[key] = struct{}{}
	}
	return twice
}

// foldKey is the form in which two key cells are compared; ids are the same in their short and long form.
func (p *Plan) foldKey(v string) string {
	if v == Null {
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

// save inserts or updates one row.
func (sv *saver) save(r *Row, values, old []string) Outcome {
	row, exists, problem := sv.target(r)
	fail := func(why *RowError) Outcome {
		// A failed update names its row, a deleted one too; a failed insert or upsert names none.
		return Outcome{Result: Failed, HasID: row != noRow && sv.p.Operation == Update, ID: row, Error: why}
	}
	if problem != nil {
		return fail(problem)
	}
	if exists {
		unpack(sv.t.rows[row].now.data, old)
		copy(values, old)
	} else {
		for i, f := range sv.p.Object.Fields {
			values[i] = f.Default
		}
	}
	if problem = sv.fill(r, values); problem == nil {
		problem = sv.check(row, exists, values)
	}
	if problem != nil {
		return fail(problem)
	}
	v := version{at: sv.at, job: sv.job, row: r.Number}
	if !exists {
		row = sv.t.insert(values, v, sv.seeding)
		sv.countChildren(sv.p.empty, values)
		return Outcome{Result: Created, HasID: true, ID: row}
	}
	sv.t.change(row, old, values, v)
	sv.countChildren(old, values)
	return Outcome{Result: Updated, HasID: true, ID: row}
}

// noRow is the place of a row that is not there.
const noRow = ^uint32(0)

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
		return sv.byKey(r.Cells[p.Key])
	case p.Key < 0 || r.Cells[p.Key] == "" || r.Cells[p.Key] == Null:
		if p.Operation == Upsert {
			return noRow, false, nil // Id as key and blank: an insert
		}
		return noRow, false, rowError("MISSING_ARGUMENT", "Id not specified in an "+string(p.Operation)+" call")
	}
	row, problem = sv.byID(r.Cells[p.Key])
	return row, problem == nil, problem
}

func (sv *saver) byKey(text string) (row uint32, exists bool, problem *RowError) {
	key := sv.p.key
	if text == "" || text == Null {
		return noRow, false, rowError("MISSING_ARGUMENT", key.Name+" not specified", key.Name)
	}
	v, problem := key.parse(text, sv.p.Key)
	if problem != nil {
		return noRow, false, problem
	}
	row, exists, many := sv.t.keys[key.index].first(key.Fold(v))
	if many {
		var ids []string
		for _, r := range sv.t.keys[key.index].all(key.Fold(v)) {
			ids = append(ids, sv.s.id15(sv.t, r))
		}
		return noRow, false, rowError("DUPLICATE_EXTERNAL_ID", fmt.Sprintf("%s: more than one record found for external id field: [%s]",
			key.Label, strings.Join(ids, ", ")))
	}
	if !exists {
		return noRow, false, nil
	}
	return row, true, nil
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
	if sv.t.rows[row].now.deleted {
		return row, rowError("ENTITY_IS_DELETED", "entity is deleted")
	}
	return row, nil
}

// fill writes the row's cells over values and returns the first error. Bad values come before missing parents, as
// Salesforce reads the whole row before it looks anything up.
func (sv *saver) fill(r *Row, values []string) *RowError {
	for i := range sv.p.Columns {
		c := &sv.p.Columns[i]
		text := r.Cells[i]
		if c.kind != columnField || text == "" {
			continue
		}
		if text == Null {
			values[c.field.index] = ""
			if c.field.Type == TypeBoolean {
				values[c.field.index] = "false" // a checkbox has no null
			}
			continue
		}
		v, problem := c.field.parse(text, i)
		if problem != nil {
			return problem
		}
		if c.field.Type == TypeReference {
			if v, problem = sv.parentByID(c.field, text); problem != nil {
				return problem
			}
		}
		values[c.field.index] = v
	}
	for _, i := range sv.p.refs {
		c, text := &sv.p.Columns[i], r.Cells[i]
		if text == "" {
			continue
		}
		if both, ok := sv.p.Cell(r.Cells, c.field.Name); ok && both != "" {
			return rowError("INVALID_FIELD", fmt.Sprintf("cannot specify both an external ID reference %s and a salesforce id, %s",
				c.field.RelationshipName, c.field.Name), c.field.Name)
		}
		if text == Null {
			values[c.field.index] = ""
			continue
		}
		v, problem := sv.parentByKey(c, text, i)
		if problem != nil {
			return problem
		}
		values[c.field.index] = v
	}
	return nil
}

// check applies the rules that look at the whole row.
func (sv *saver) check(row uint32, exists bool, values []string) *RowError {
	var missing []string
	for i, f := range sv.p.Object.Fields {
		if f.Required && values[i] == "" {
			missing = append(missing, f.Name)
		}
	}
	if missing != nil {
		return rowError("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	for i := range sv.p.Object.Validations {
		v := &sv.p.Object.Validations[i]
		if text := values[v.field.index]; text != "" && !v.matcher.MatchString(text) {
			return rowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", v.Message, v.field.Name)
		}
	}
	for i, f := range sv.p.Object.Fields {
		if !f.Unique || values[i] == "" {
			continue
		}
		other, taken, _ := sv.t.keys[i].first(f.Fold(values[i]))
		if taken && (!exists || other != row) {
			// Real orgs write the 15-character id here.
			return rowError("DUPLICATE_VALUE", "duplicate value found: "+f.Name+" duplicates value on record with id: "+sv.s.id15(sv.t, other))
		}
	}
	return nil
}

// delete removes one row, unless others refer to it.
func (sv *saver) delete(r *Row, old []string) Outcome {
	if sv.p.Key < 0 || r.Cells[sv.p.Key] == "" || r.Cells[sv.p.Key] == Null {
		return Outcome{Result: Failed, Error: rowError("MISSING_ARGUMENT", "Id not specified in a delete call")}
	}
	row, problem := sv.byID(r.Cells[sv.p.Key])
	if problem != nil {
		return Outcome{Result: Failed, HasID: row != noRow, ID: row, Error: problem}
	}
	if n := sv.t.rows[row].children; n > 0 {
		return Outcome{Result: Failed, HasID: true, ID: row, Error: rowError("DELETE_FAILED",
			fmt.Sprintf("Your attempt to delete this record could not be completed because %d other records refer to it", n))}
	}
	unpack(sv.t.rows[row].now.data, old)
	sv.t.remove(row, old, version{at: sv.at, job: sv.job, row: r.Number})
	sv.countChildren(old, sv.p.empty)
	return Outcome{Result: Deleted, HasID: true, ID: row}
}
