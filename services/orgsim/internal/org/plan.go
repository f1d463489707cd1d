package org

import (
	"fmt"
	"strings"

	"bulkhead/services/orgsim/internal/switches"
)

// Operation is what a job does with its rows.
type Operation string

// The operations of ingest jobs, as Salesforce writes them.
const (
	Insert     Operation = "insert"
	Update     Operation = "update"
	Upsert     Operation = "upsert"
	Delete     Operation = "delete"
	HardDelete Operation = "hardDelete"
)

// columnKind says what a CSV column does.
type columnKind uint8

const (
	columnField  columnKind = iota // writes a field
	columnParent                   // finds a parent by one of its keys and writes the reference
	columnID                       // the row's own Id
	columnUnused                   // another column of the same name stands for it
)

// Column is one column of an upload, resolved against the model.
type Column struct {
	kind  columnKind
	field *Field // written field; nil for Id
	by    *Field // the parent's key of a relationship column; nil means the parent's Id
	twin  int    // another column that sets the same reference, -1 without
	// Name is the API name of the column; Exact is false when the header's case differs from it, in which case the
	// result files leave the column blank.
	Name  string
	Exact bool
}

// Plan is how the columns of one upload are written to one object.
type Plan struct {
	Object    *Object
	Operation Operation
	Columns   []Column
	// Key is the column that names the row: the external id or Id of an upsert, the Id of an update or delete; -1 for
	// an insert.
	Key int

	null  string // the cell that clears a field
	key   *Field // nil when the key is the Id
	id    int    // the Id column, -1 without
	plain []int  // columns that write a value
	refs  []int  // columns that set a reference
	// readOnly are the columns of fields that the caller may not write.
	readOnly []int
	empty    []string
}

// HeaderError is a reason why a whole upload cannot be processed. Its text is what errorMessage of the job says.
type HeaderError struct{ Text string }

func (e *HeaderError) Error() string { return e.Text }

func badHeader(format string, args ...any) error {
	return &HeaderError{Text: "InvalidBatch : " + fmt.Sprintf(format, args...)}
}

// NewPlan resolves the header of an upload. keyField is the externalIdFieldName of an upsert (checked when the job was
// created) and ignored for other operations. Errors are of type *HeaderError and name the first bad column only, as
// Salesforce does.
func (s *Store) NewPlan(object *Object, operation Operation, keyField string, header []string) (*Plan, error) {
	return s.plan(object, operation, keyField, header, false)
}

// plan is NewPlan; seeding may write what no user of the API may.
func (s *Store) plan(object *Object, operation Operation, keyField string, header []string, seeding bool) (*Plan, error) {
	p := &Plan{Object: object, Operation: operation, Key: -1, null: Null, id: -1}
	seen := make(map[string]int, len(header))
	for i, name := range header {
		if p.deletes() && !strings.EqualFold(name, "Id") {
			return nil, badHeader("The '%s' batch must contain only ids", operation)
		}
		column, err := resolveColumn(object, name, seeding)
		if err != nil {
			return nil, err
		}
		if first, again := seen[column.Name]; again {
			if s.switches.Get(switches.RepeatedColumn) != switches.LastWins {
				return nil, badHeader("Duplicate field : %s", name)
			}
			p.Columns[first].kind = columnUnused
		}
		seen[column.Name] = i
		p.Columns = append(p.Columns, column)
	}
	p.sortColumns(seeding)
	if err := p.findKey(keyField); err != nil {
		return nil, err
	}
	if p.id >= 0 && p.id != p.Key && s.switches.Get(switches.BlankIDColumn) == switches.Refused {
		return nil, badHeader("Field name not found : %s", header[p.id])
	}
	p.empty = make([]string, len(object.Fields))
	return p, nil
}

// sortColumns makes the lists of what a row has to look at.
func (p *Plan) sortColumns(seeding bool) {
	setting := map[*Field]int{}
	for i := range p.Columns {
		c := &p.Columns[i]
		c.twin = -1
		switch {
		case c.kind == columnUnused:
			continue
		case c.kind == columnID:
			p.id = i
			continue
		case c.field.Type == TypeReference:
			if other, again := setting[c.field]; again {
				c.twin = other
			}
			setting[c.field] = i
			p.refs = append(p.refs, i)
		default:
			p.plain = append(p.plain, i)
		}
		if !seeding && !c.field.Writable() {
			p.readOnly = append(p.readOnly, i)
		}
	}
}

func (p *Plan) findKey(keyField string) error {
	switch p.Operation {
	case Insert:
		return nil
	case Upsert:
		if !strings.EqualFold(keyField, "Id") {
			p.key = p.Object.Field(keyField)
			break
		}
		keyField = "Id"
	default:
		keyField = "Id"
	}
	for i, c := range p.Columns {
		if c.kind != columnParent && c.kind != columnUnused && strings.EqualFold(c.Name, keyField) {
			p.Key = i
			return nil
		}
	}
	if p.Operation == Upsert && p.key != nil {
		return badHeader("Field name not found : %s", keyField)
	}
	return nil // each row will say that its Id is missing
}

// resolveColumn finds what a header cell means. The cell is taken as it stands: a byte order mark or a space makes it
// another name, as it does for Salesforce. A field without access is as unknown as one that does not exist, unless all
// is to be seen.
func resolveColumn(object *Object, name string, all bool) (Column, error) {
	if strings.EqualFold(name, "Id") {
		return Column{kind: columnID, Name: "Id", Exact: name == "Id"}, nil
	}
	relation, key, related := strings.Cut(name, ".")
	if !related {
		f := object.Field(name)
		if f == nil || (!all && !f.visible()) {
			return Column{}, badHeader("Field name not found : %s", name)
		}
		return Column{kind: columnField, field: f, Name: f.Name, Exact: name == f.Name}, nil
	}
	kind, bare, typed := strings.Cut(relation, ":")
	if !typed {
		bare = relation
	}
	f := object.relationships[strings.ToLower(bare)]
	if f == nil {
		return Column{}, badHeader("Unable to find relationship: %s", bare)
	}
	if !all && !f.visible() {
		return Column{}, badHeader("Field name not found : %s", name)
	}
	parent, full := f.parent, f.RelationshipName
	switch {
	case typed && !f.polymorphic():
		return Column{}, badHeader("type is not needed for non polymorphic foreign key references: %s", bare)
	case f.polymorphic():
		// Without its type the name leads to no object, so that its field cannot be found.
		if parent = f.parentNamed(kind); !typed || parent == nil {
			return Column{}, badHeader("Field name not found : %s", name)
		}
		full = parent.Name + ":" + full
	}
	if strings.EqualFold(key, "Id") {
		full += ".Id"
		return Column{kind: columnParent, field: f, Name: full, Exact: name == full}, nil
	}
	by := parent.Field(key)
	if by == nil || !by.visible() || (!by.ExternalID && !by.IDLookup) {
		return Column{}, badHeader("Field name not found : %s", name)
	}
	full += "." + by.Name
	return Column{kind: columnParent, field: f, by: by, Name: full, Exact: name == full}, nil
}

// Cell returns the text of a column by its API name, and whether the upload has it.
func (p *Plan) Cell(cells []string, name string) (string, bool) {
	for i := range p.Columns {
		if p.Columns[i].Name == name && p.Columns[i].kind != columnUnused && i < len(cells) {
			return cells[i], true
		}
	}
	return "", false
}

// Said are the cells of a row that say something, by column; one that clears its field is [Null], however the row writes that.
func (p *Plan) Said(cells []string) map[string]string {
	out := map[string]string{}
	for i, c := range p.Columns {
		switch {
		case i >= len(cells) || cells[i] == "" || c.kind == columnUnused:
		case cells[i] == p.null:
			out[c.Name] = Null
		default:
			out[c.Name] = cells[i]
		}
	}
	return out
}

// KeyOf returns the text that names a row: its key cell; for an insert the first external id, else the first unique
// field that the upload has; "" for rows that nothing names.
func (p *Plan) KeyOf(cells []string) string {
	if p.Key >= 0 {
		if p.Key < len(cells) {
			return cells[p.Key]
		}
		return ""
	}
	unique := ""
	for i, c := range p.Columns {
		switch {
		case c.kind != columnField || i >= len(cells):
		case c.field.ExternalID:
			return cells[i]
		case c.field.Unique && unique == "":
			unique = cells[i]
		}
	}
	return unique
}
