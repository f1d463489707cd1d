package org

import (
	"fmt"

	"bulkhead/services/orgsim/internal/sfid"
)

// place is a row of any object.
type place struct {
	table *table
	row   uint32
}

func (p place) id(s *Store) string { return sfid.To18(s.id15(p.table, p.row)) }

// parent finds the live row that a reference column names.
func (sv *saver) parent(c *Column, text string, col int) (place, *RowError) {
	if c.by == nil {
		return sv.parentByID(c.field, text)
	}
	return sv.parentByKey(c, text, col)
}

// parentByID checks the Id of a reference.
func (sv *saver) parentByID(f *Field, text string) (place, *RowError) {
	id, ok := sfid.Parse(text)
	var parent *Object
	if ok {
		parent = f.ParentOf(id)
	}
	if parent == nil {
		return place{}, rowError("MALFORMED_ID", f.Label+": id value of incorrect type: "+text, f.Name)
	}
	t := sv.s.table(parent)
	row, ok := sv.s.find(t, id)
	if !ok {
		return place{}, rowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return place{t, row}, gone(t, row)
}

// parentByKey finds the row that a relationship column names by one of its keys.
func (sv *saver) parentByKey(c *Column, text string, col int) (place, *RowError) {
	v, problem := c.by.parse(text, col)
	if problem != nil {
		return place{}, problem
	}
	t := sv.s.table(c.by.object)
	row, found, many := t.keys[c.by.index].first(c.by.Fold(v))
	switch {
	case !found:
		return place{}, rowError("INVALID_FIELD", fmt.Sprintf("Foreign key external ID: %s not found for field %s in entity %s",
			text, c.by.Name, c.by.object.Name))
	case many:
		return place{}, rowError("INVALID_FIELD", fmt.Sprintf("More than one record found for external id field: %s in entity %s",
			c.by.Name, c.by.object.Name))
	}
	return place{t, row}, nil
}

// admits says whether a field may refer to a row that is there.
func (sv *saver) admits(f *Field, to place) *RowError {
	if f.owner() && to.table.object == sv.s.model.Object("User") {
		active := to.table.object.Field("IsActive").index
		if packedValue(to.table.rows[to.row].now.data, active) != "true" {
			return rowError("INACTIVE_OWNER_OR_USER", "operation performed with inactive user ["+sv.s.id15(to.table, to.row)+"]", f.Name)
		}
	}
	if f.filter == nil {
		return nil
	}
	values := make([]string, len(to.table.object.Fields))
	unpack(to.table.rows[to.row].now.data, values)
	sv.facts.new, sv.facts.old, sv.facts.isNew = values, nil, false
	if ok, err := f.filter.holds(&sv.facts); !ok || err != nil {
		return rowError("FIELD_FILTER_VALIDATION_EXCEPTION", "Value does not exist or does not match filter criteria.", f.Name)
	}
	return nil
}

// countChildren keeps each row's number of live rows that refer to it when the references of a row of o change. Details
// do not count: they go with their master.
func (s *Store) countChildren(o *Object, old, values []string) {
	for _, f := range o.references {
		if f.MasterDetail || old[f.index] == values[f.index] {
			continue
		}
		if r := s.referred(f, old[f.index]); r != nil {
			r.children--
		}
		if r := s.referred(f, values[f.index]); r != nil {
			r.children++
		}
	}
}

// referred is the row that a stored reference names; nil when it is empty.
func (s *Store) referred(f *Field, id string) *record {
	short, ok := sfid.Parse(id)
	if !ok {
		return nil
	}
	parent := f.ParentOf(short)
	if parent == nil {
		return nil
	}
	t := s.table(parent)
	row, ok := s.find(t, short)
	if !ok {
		return nil
	}
	return &t.rows[row]
}

// Parent is a row that a transaction has to lock because one of its rows will refer to it.
type Parent struct {
	ID   string // 15 characters, as lock errors name it
	Lock uint64 // the same for the same row, another one for every other
}

// Parents returns the rows that a row of an upload will refer to; what cannot be found is left out.
func (s *Store) Parents(p *Plan, cells []string) []Parent {
	if len(p.refs) == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	sv := saver{s: s, p: p}
	var out []Parent
	for _, i := range p.refs {
		if text := cells[i]; text != "" && text != p.null {
			if to, problem := sv.parent(&p.Columns[i], text, i); problem == nil {
				out = append(out, Parent{ID: s.id15(to.table, to.row), Lock: uint64(to.table.object.place)<<32 | uint64(to.row)})
			}
		}
	}
	return out
}
