package org

import (
	"fmt"
	"strings"
)

// Kind is what sort of JSON value a Member has.
type Kind uint8

// The kinds of JSON values.
const (
	JSONNull Kind = iota
	JSONText
	JSONNumber
	JSONBool
	JSONObject
	JSONArray
)

// Member is a JSON value with the name and the place that it has in a request.
type Member struct {
	Name    string // "" for items of arrays and for the document itself
	Kind    Kind
	Text    string   // of a text; the digits of a number as they were sent; true or false
	Members []Member // of an object, or the items of an array
	// Line and Column, from 1, are where the value begins, for error texts.
	Line, Column int
}

// Member finds a member of an object by name, without regard to case; nil when there is none.
func (m *Member) Member(name string) *Member {
	for i := range m.Members {
		if m.Kind == JSONObject && strings.EqualFold(m.Members[i].Name, name) {
			return &m.Members[i]
		}
	}
	return nil
}

// attributes is the member of a record that names its type instead of a field.
const attributes = "attributes"

// jsonNull is the cell that clears a field in the rows of a record plan; there "#N/A" is a text like any other.
const jsonNull = "\x00null"

// recordPlan collects the columns of records while they are read.
type recordPlan struct {
	object *Object
	header []string
	place  map[string]int // of a column in header
	rows   []map[int]string
	errors []*RowError
}

// NewRecordPlan makes one transaction of records that came as JSON, each the members of one object. keyField is the
// external id field, or Id, of an upsert and ignored otherwise.
//
// null clears a field, and so does an empty text where the field holds texts; an absent member leaves it alone; a
// relationship's member is an object with one key of the parent. The error is that of the whole request: a member that
// no field has, or a value that no field of its type can hold, which is how REST calls differ from uploads. What only
// one record did wrong is the error of its row.
func (s *Store) NewRecordPlan(object *Object, operation Operation, keyField string, records []Member) (*Plan, []Row, *RowError) {
	rp := &recordPlan{object: object, place: map[string]int{}}
	switch operation {
	case Insert:
	case Upsert:
		rp.column(keyField)
	default:
		rp.column("Id") // a record without it says so for itself
	}
	for i := range records {
		if problem := rp.add(&records[i]); problem != nil {
			return nil, nil, problem
		}
	}
	p, err := s.NewPlan(object, operation, keyField, rp.header)
	if err != nil {
		return nil, nil, rowError("INVALID_FIELD", strings.TrimPrefix(err.Error(), "InvalidBatch : "))
	}
	p.null = jsonNull
	rows := make([]Row, len(rp.rows))
	for i, cells := range rp.rows {
		rows[i] = Row{Cells: make([]string, len(rp.header)), Error: rp.errors[i]}
		for column, text := range cells {
			rows[i].Cells[column] = text
		}
	}
	return p, rows, nil
}

// column returns the place of a column, which it adds if there is none yet.
func (rp *recordPlan) column(name string) int {
	if f := rp.object.Field(name); f != nil {
		name = f.Name
	}
	at, known := rp.place[name]
	if !known {
		at = len(rp.header)
		rp.place[name], rp.header = at, append(rp.header, name)
	}
	return at
}

// add reads one record.
func (rp *recordPlan) add(record *Member) *RowError {
	cells := map[int]string{}
	var locked []string
	for i := range record.Members {
		m := &record.Members[i]
		if strings.EqualFold(m.Name, attributes) {
			continue
		}
		if f := rp.object.Readable(m.Name); f != nil && !f.IsID() && (f.Stored == nil || !f.Stored.Writable()) {
			locked = append(locked, f.Name)
			continue
		}
		column, text, problem := rp.read(m)
		if problem != nil {
			return problem
		}
		cells[rp.column(column)] = text
	}
	var refused *RowError
	if locked != nil {
		refused = rowError("INVALID_FIELD_FOR_INSERT_UPDATE", fmt.Sprintf("Unable to create/update fields: %s. Please check the security "+
			"settings of this field and verify that it is read/write for your profile or permission set.", strings.Join(locked, ", ")), locked...)
	}
	rp.rows, rp.errors = append(rp.rows, cells), append(rp.errors, refused)
	return nil
}

// read finds the column that a member stands for, and its cell.
func (rp *recordPlan) read(m *Member) (column, text string, problem *RowError) {
	if strings.EqualFold(m.Name, "Id") {
		text, problem = m.cell(TypeReference)
		return "Id", text, problem
	}
	if f := rp.object.Field(m.Name); f != nil && f.visible() {
		text, problem = f.fromJSON(m)
		return f.Name, text, problem
	}
	f := rp.object.Relationship(m.Name)
	if f == nil {
		return "", "", noSuchColumn(m.Name, rp.object)
	}
	switch m.Kind {
	case JSONNull:
		return f.Name, jsonNull, nil
	case JSONObject:
		return f.parentFromJSON(m)
	default:
		return "", "", rowError("INVALID_FIELD", "The value provided for foreign key reference "+m.Name+" is not a nested SObject")
	}
}

func noSuchColumn(name string, o *Object) *RowError {
	return rowError("INVALID_FIELD", "No such column '"+name+"' on sobject of type "+o.Name)
}

// parentFromJSON reads the object that names a parent by one of its keys.
func (f *Field) parentFromJSON(m *Member) (column, text string, problem *RowError) {
	var key *Member
	for i := range m.Members {
		if strings.EqualFold(m.Members[i].Name, attributes) {
			continue
		}
		if key != nil {
			return "", "", rowError("INVALID_FIELD", "More than 1 field provided in an external foreign key reference in entity: "+f.parent.Name)
		}
		key = &m.Members[i]
	}
	if key == nil {
		return "", "", rowError("INVALID_FIELD", "No field provided in an external foreign key reference in entity: "+f.parent.Name)
	}
	parent, relation, problem := f.parentTyped(m)
	if problem != nil {
		return "", "", problem
	}
	if strings.EqualFold(key.Name, "Id") {
		text, problem = key.cell(TypeReference)
		return relation + ".Id", text, problem
	}
	by := parent.Field(key.Name)
	if by == nil || !by.visible() {
		return "", "", noSuchColumn(key.Name, parent)
	}
	if !by.ExternalID && !by.IDLookup {
		return "", "", rowError("INVALID_FIELD", "Invalid external ID field specified: "+by.Name)
	}
	text, problem = by.fromJSON(key)
	return relation + "." + by.Name, text, problem
}

// parentTyped is the object that the attributes of a parent name, and how a column calls the relationship to it. Only a
// reference that may point to several objects needs them.
func (f *Field) parentTyped(m *Member) (*Object, string, *RowError) {
	var kind *Member
	if a := m.Member(attributes); a != nil {
		kind = a.Member("type")
	}
	if kind == nil && !f.polymorphic() {
		return f.parent, f.RelationshipName, nil
	}
	if kind == nil {
		return nil, "", rowError("INVALID_FIELD", "The foreign key reference "+f.RelationshipName+" may point to several types: its attributes have to name one")
	}
	parent := f.parentNamed(kind.Text)
	switch {
	case parent == nil:
		return nil, "", rowError("INVALID_FIELD", "The foreign key reference "+f.RelationshipName+" cannot point to type "+kind.Text)
	case f.polymorphic():
		return parent, parent.Name + ":" + f.RelationshipName, nil
	default:
		return parent, f.RelationshipName, nil
	}
}

// fromJSON is the cell of a member, checked as far as a JSON reader that knows the field's type does.
func (f *Field) fromJSON(m *Member) (string, *RowError) {
	text, problem := m.cell(f.Type)
	if problem != nil || text == jsonNull || f.text() || f.Type == TypeReference {
		return text, problem
	}
	// A value outside its range is the record's fault, one of another form the request's.
	if _, wrong := f.parse(text, 0); wrong != nil && wrong.Code == "INVALID_FIELD" {
		return "", m.misfit(f.Type)
	}
	return text, nil
}

// cell is the cell of a value for a field of a type.
func (m *Member) cell(t FieldType) (string, *RowError) {
	numeric := t == TypeInt || t == TypeDouble || t == TypeCurrency || t == TypePercent
	switch {
	case m.Kind == JSONNull:
		return jsonNull, nil
	case m.Kind == JSONText && m.Text == "" && known[t] > 0:
		return jsonNull, nil // Salesforce holds no empty texts
	case m.Kind == JSONText && m.Text == "":
		return "", m.misfit(t)
	case m.Kind == JSONText, m.Kind == JSONNumber && numeric, m.Kind == JSONBool && t == TypeBoolean:
		return m.Text, nil
	default:
		return "", m.misfit(t)
	}
}

// misfit is what real orgs answer to a value that does not fit, in the words of their JSON reader.
func (m *Member) misfit(t FieldType) *RowError {
	token, text := "VALUE_STRING", m.Text
	switch m.Kind {
	case JSONObject:
		token, text = "START_OBJECT", "{"
	case JSONArray:
		token, text = "START_ARRAY", "["
	case JSONBool:
		token = "VALUE_" + strings.ToUpper(m.Text)
	case JSONNumber:
		token = "VALUE_NUMBER_INT"
		if strings.ContainsAny(m.Text, ".eE") {
			token = "VALUE_NUMBER_FLOAT"
		}
	}
	return rowError("JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from %s value %s or request may be missing a required "+
		"field at [line:%d, column:%d]", t, token, text, m.Line, m.Column))
}
