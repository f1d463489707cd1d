package org

import "bulkhead/services/orgsim/internal/sfid"

// Names returns every text by which a person would name a row of an upload: the text of KeyOf and, for a row that is
// named by its Id, what the org holds in the external id and unique fields of that row, deleted or not.
func (s *Store) Names(p *Plan, cells []string) []string {
	var names []string
	if key := p.KeyOf(cells); key != "" {
		names = append(names, key)
	}
	s.Read(func(r Reader) {
		row, ok := r.byCells(p, cells)
		if !ok {
			return
		}
		for _, f := range p.Object.Fields {
			if !f.ExternalID && !f.Unique {
				continue
			}
			if v := packedValue(s.table(p.Object).rows[row].now.data, f.index); v != "" {
				names = append(names, v)
			}
		}
	})
	return names
}

// Cell returns the text of a column by its API name: of the upload if it has the column, else, for a row that is named
// by its Id, what the org holds in the field of that name.
func (s *Store) Cell(p *Plan, cells []string, name string) (text string, ok bool) {
	if text, ok = p.Cell(cells, name); ok {
		return text, true
	}
	f := p.Object.Field(name)
	if f == nil || f.Name != name {
		return "", false
	}
	s.Read(func(r Reader) {
		var row uint32
		if row, ok = r.byCells(p, cells); ok {
			text = packedValue(s.table(p.Object).rows[row].now.data, f.index)
		}
	})
	return text, ok
}

// byCells finds the row that the Id cell of an upload names; it is false when the upload's key is no Id.
func (r Reader) byCells(p *Plan, cells []string) (uint32, bool) {
	if p.Key < 0 || p.key != nil || p.Key >= len(cells) {
		return 0, false
	}
	short, ok := sfid.Parse(cells[p.Key])
	if !ok {
		return 0, false
	}
	return r.s.find(r.s.table(p.Object), short)
}
