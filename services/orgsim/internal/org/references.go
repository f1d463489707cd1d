package org

import (
	"fmt"

	"bulkhead/services/orgsim/internal/sfid"
)

// parentByID checks the Id in a reference column and returns its long form.
func (sv *saver) parentByID(f *Field, text string) (string, *RowError) {
	id, ok := sfid.Parse(text)
	if !ok || sfid.Prefix(id) != f.parent.KeyPrefix {
		return "", rowError("MALFORMED_ID", f.Label+": id value of incorrect type: "+text, f.Name)
	}
	t := sv.s.table(f.parent)
	row, ok := sv.s.find(t, id)
	if !ok {
		return "", rowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if t.rows[row].now.deleted {
		return "", rowError("ENTITY_IS_DELETED", "entity is deleted")
	}
	return sfid.To18(id), nil
}

// parentByKey finds the parent that a relationship column names and returns its Id.
func (sv *saver) parentByKey(c *Column, text string, col int) (string, *RowError) {
	if c.by == nil {
		return sv.parentByID(c.field, text)
	}
	v, problem := c.by.parse(text, col)
	if problem != nil {
		return "", problem
	}
	t := sv.s.table(c.field.parent)
	row, found, many := t.keys[c.by.index].first(c.by.Fold(v))
	switch {
	case !found:
		return "", rowError("INVALID_FIELD", fmt.Sprintf("Foreign key external ID: %s not found for field %s in entity %s",
			text, c.by.Name, c.field.parent.Name))
	case many:
		return "", rowError("INVALID_FIELD", fmt.Sprintf("More than one record found for external id field: %s in entity %s",
			c.by.Name, c.field.parent.Name))
	}
	return sfid.To18(sv.s.id15(t, row)), nil
}

// countChildren keeps each parent's number of live children when a row's references change.
func (sv *saver) countChildren(old, values []string) {
	for i, f := range sv.p.Object.Fields {
		if f.Type != TypeReference || old[i] == values[i] {
			continue
		}
		t := sv.s.table(f.parent)
		if id, ok := sfid.Parse(old[i]); ok {
			if row, ok := sv.s.find(t, id); ok {
				t.rows[row].children--
			}
		}
		if id, ok := sfid.Parse(values[i]); ok {
			if row, ok := sv.s.find(t, id); ok {
				t.rows[row].children++
			}
		}
	}
}

// Parent is a row that a transaction has to lock because one of its rows will refer to it.
type Parent struct {
	ID   string // 15 characters, as lock errors name it
	Lock uint64 // the same for the same row, another one for every other
}

// Parents returns the rows that a row of an upload will refer to; what cannot be found is left out.
func (s *Store) Parents(p *Plan, cells []string) []Parent {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sv := saver{s: s, p: p}
	var out []Parent
	for i := range p.Columns {
		c := &p.Columns[i]
		text := cells[i]
		if text == "" || text == Null || c.kind == columnID || c.field.Type != TypeReference {
			continue
		}
		var id string
		var problem *RowError
		if c.kind == columnParent {
			id, problem = sv.parentByKey(c, text, i)
		} else {
			id, problem = sv.parentByID(c.field, text)
		}
		if problem != nil {
			continue
		}
		short := id[:sfid.Len15]
		if row, ok := s.find(s.table(c.field.parent), short); ok {
			out = append(out, Parent{ID: short, Lock: uint64(c.field.parent.place)<<32 | uint64(row)})
		}
	}
	return out
}
