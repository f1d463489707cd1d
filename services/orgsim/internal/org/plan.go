package org

import (
	"fmt"
	"strings"
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
)

// Column is one column of an upload, resolved against the model.
type Column struct {
	kind  columnKind
	field *Field // written field; nil for Id
	by    *Field // the parent's key of a relationship column; nil means the parent's Id
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

	key   *Field // nil when the key is the Id
	id    int    // the Id column, -1 without
	refs  []int  // columns that find parents
	empty []string
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
	p := &Plan{Object: object, Operation: operation, Key: -1, id: -1}
	seen := map[string]bool{}
	for i, name := range header {
		if (operation == Delete || operation == HardDelete) && !strings.EqualFold(name, "Id") {
			return nil, badHeader("The '%s' batch must contain only ids", operation)
		}
		column, err := resolveColumn(object, name)
		if err != nil {
			return nil, err
		}
		if seen[column.Name] {
			return nil, badHeader("Duplicate field : %s", name)
		}
		seen[column.Name] = true
		switch column.kind {
		case columnID:
			p.id = i
		case columnParent:
			p.refs = append(p.refs, i)
		}
		p.Columns = append(p.Columns, column)
	}
	if err := p.findKey(keyField); err != nil {
		return nil, err
	}
	p.empty = make([]string, len(object.Fields))
	return p, nil
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
		if c.kind != columnParent && strings.EqualFold(c.Name, keyField) {
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
// another name, as it does for Salesforce.
func resolveColumn(object *Object, name string) (Column, error) {
	if strings.EqualFold(name, "Id") {
		return Column{kind: columnID, Name: "Id", Exact: name == "Id"}, nil
	}
	relation, key, related := strings.Cut(name, ".")
	if !related {
		f := object.Field(name)
		if f == nil || f.ReadOnly {
			return Column{}, badHeader("Field name not found : %s", name)
		}
		return Column{kind: columnField, field: f, Name: f.Name, Exact: name == f.Name}, nil
	}
	if _, bare, typed := strings.Cut(relation, ":"); typed {
		return Column{}, badHeader("type is not needed for non polymorphic foreign key references: %s", bare)
	}
	f := object.Relationship(relation)
	if f == nil {
		return Column{}, badHeader("Unable to find relationship: %s", relation)
	}
	if f.ReadOnly {
		return Column{}, badHeader("Field name not found : %s", name)
	}
	if strings.EqualFold(key, "Id") {
		full := f.RelationshipName + ".Id"
		return Column{kind: columnParent, field: f, Name: full, Exact: name == full}, nil
	}
	by := f.parent.Field(key)
	if by == nil || (!by.ExternalID && !by.IDLookup) {
		return Column{}, badHeader("Field name not found : %s", name)
	}
	full := f.RelationshipName + "." + by.Name
	return Column{kind: columnParent, field: f, by: by, Name: full, Exact: name == full}, nil
}

// Cell returns the text of a column by its API name, and whether the upload has it.
func (p *Plan) Cell(cells []string, name string) (string, bool) {
	for i := range p.Columns {
		if p.Columns[i].Name == name && i < len(cells) {
			return cells[i], true
		}
	}
	return "", false
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
