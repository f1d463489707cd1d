package org

import (
	"fmt"
	"strings"
)

// fill writes the row's cells over sv.values and returns the first problem. Bad values come before fields that may not
// be written and before missing parents, as Salesforce reads the whole row before it looks anything up.
func (sv *saver) fill(r *Row) *RowError {
	for _, i := range sv.p.plain {
		f, text := sv.p.Columns[i].field, r.Cells[i]
		switch text {
		case "":
		case sv.p.null:
			sv.clear(f)
		default:
			v, problem := f.parse(text, i)
			if problem != nil {
				return problem
			}
			sv.values[f.index] = v
		}
	}
	if sv.p.readOnly != nil {
		if problem := sv.p.unwritable(r.Cells); problem != nil {
			return problem
		}
	}
	for _, i := range sv.p.refs {
		if problem := sv.refer(&sv.p.Columns[i], r, i); problem != nil {
			return problem
		}
	}
	return nil
}

// clear sets a field to null.
func (sv *saver) clear(f *Field) {
	sv.values[f.index] = ""
	if f.Type == TypeBoolean {
		sv.values[f.index] = "false" // a checkbox has no null
	}
}

// unwritable names the fields of a row that the caller may see but not write.
func (p *Plan) unwritable(cells []string) *RowError {
	var names []string
	for _, i := range p.readOnly {
		if cells[i] != "" {
			names = append(names, p.Columns[i].field.Name)
		}
	}
	if names == nil {
		return nil
	}
	return rowError("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+strings.Join(names, ", ")+
		". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", names...)
}

// refer carries out a column that sets a reference, by Id or by a key of the row that is referred to.
func (sv *saver) refer(c *Column, r *Row, i int) *RowError {
	text, f := r.Cells[i], c.field
	if text == "" {
		return nil
	}
	if c.twin >= 0 && r.Cells[c.twin] != "" {
		if sv.p.Columns[c.twin].kind == columnField || c.kind == columnField {
			return rowError("INVALID_FIELD", fmt.Sprintf("cannot specify both an external ID reference %s and a salesforce id, %s",
				f.RelationshipName, f.Name), f.Name)
		}
		return rowError("INVALID_FIELD", "more than one external ID reference specified for "+f.RelationshipName, f.Name)
	}
	if text == sv.p.null {
		sv.values[f.index] = ""
		return nil
	}
	to, problem := sv.parent(c, text, i)
	if problem == nil && !sv.seeding {
		problem = sv.admits(f, to)
	}
	if problem == nil {
		sv.values[f.index] = to.id(sv.s)
	}
	return problem
}
