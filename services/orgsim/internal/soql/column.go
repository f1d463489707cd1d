package soql

import (
	"strings"

	"bulkhead/services/orgsim/internal/org"
)

// maxUp is the largest number of relationships that a field may be away (Salesforce: relationship query limits).
const maxUp = 5

// Column is a field of the rows of a query, or of rows that they refer to.
type Column struct {
	up    []*org.Lookup // the way to the row that has the field, from the row of the query on
	of    *org.Object   // that has the field; of several, the first
	field *org.Readable // nil = the type of the row at the end of the way
}

// typeField is what the type of a polymorphic parent is called (Salesforce: filter on polymorphic relationship fields).
const typeField = "Type"

// Name is the column as a query names it, in the case of the model: Name, Account.Name.
func (c Column) Name() string {
	var b strings.Builder
	for _, l := range c.up {
		b.WriteString(l.Name)
		b.WriteByte('.')
	}
	return b.String() + c.last()
}

// last is the column's name without the way.
func (c Column) last() string {
	if c.field == nil {
		return typeField
	}
	return c.field.Name
}

// Type is the type of the column's values.
func (c Column) Type() org.FieldType {
	if c.field == nil {
		return org.TypeString
	}
	return c.field.Type
}

// stored is the field of the model that the column reads; nil for those that every object has.
func (c Column) stored() *org.Field {
	if c.field == nil {
		return nil
	}
	return c.field.Stored
}

// isID says whether the column holds ids, which a query may compare with ids only.
func (c Column) isID() bool {
	return c.field != nil && (c.field.IsID() || c.field.Type == org.TypeReference)
}

// Value reads a column of a row; "" stands for null.
func (c Column) Value(r org.Reader, o *org.Object, row uint32) string {
	for _, l := range c.up {
		var ok bool
		if o, row, ok = r.Parent(o, row, l); !ok {
			return ""
		}
	}
	return readIn(r, o, row, c.field, len(c.up) > 0 && c.up[len(c.up)-1].Polymorphic())
}

// readIn reads a field of a row. A polymorphic relationship may lead to rows that lack it: there it is null.
func readIn(r org.Reader, o *org.Object, row uint32, f *org.Readable, polymorphic bool) string {
	if f == nil {
		return o.Name
	}
	if polymorphic {
		if f = o.Readable(f.Name); f == nil {
			return ""
		}
	}
	return r.Value(o, row, f)
}

// scope is what the names of a query mean.
type scope struct {
	model   *org.Model
	object  *org.Object
	names   []string // what the object itself may be called: its name, its relationship, its alias
	aliases map[string]Name
	text    string
}

// path takes a name apart, with aliases written out and without the name of the object itself.
func (s *scope) path(name Name) []string {
	parts := strings.Split(name.Path, ".")
	for range s.aliases { // an alias may begin with another one
		n, ok := s.aliases[strings.ToLower(parts[0])]
		if !ok || len(parts) == 1 {
			break
		}
		if parts = append(strings.Split(n.Path, "."), parts[1:]...); len(parts) > maxUp+1 {
			break // it is refused anyhow
		}
	}
	if len(parts) > 1 && s.model.Lookup(s.object, parts[0]) == nil {
		for _, own := range s.names {
			if strings.EqualFold(own, parts[0]) {
				return parts[1:]
			}
		}
	}
	return parts
}

// lookups follows relationships from an object on.
func (s *scope) lookups(name Name, parts []string) (up []*org.Lookup, err error) {
	if len(parts) > maxUp {
		return nil, refuse(s.text, name.pos, invalidField, "A relationship may be at most %d levels away: %s", maxUp, name.Path) // the words are a guess
	}
	o := s.object
	for i, part := range parts {
		var l *org.Lookup
		if i == 0 || !up[i-1].Polymorphic() {
			l = s.model.Lookup(o, part)
		}
		if l == nil {
			return nil, refuse(s.text, name.pos, invalidField,
				"Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, be sure to append "+
					"the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", part)
		}
		up, o = append(up, l), l.Parents[0]
	}
	return up, nil
}

// column finds the column that a name means.
func (s *scope) column(name Name) (Column, error) {
	parts := s.path(name)
	field := parts[len(parts)-1]
	up, err := s.lookups(name, parts[:len(parts)-1])
	if err != nil {
		return Column{}, err
	}
	if len(up) == 0 {
		return s.fieldOf(name, nil, []*org.Object{s.object}, field)
	}
	l := up[len(up)-1]
	if l.Polymorphic() && strings.EqualFold(field, typeField) {
		return Column{up: up, of: l.Parents[0]}, nil
	}
	return s.fieldOf(name, up, l.Parents, field)
}

// fieldOf finds a field in the first object that has it.
func (s *scope) fieldOf(name Name, up []*org.Lookup, objects []*org.Object, field string) (Column, error) {
	for _, o := range objects { // a field that only some of them have is null in the others
		if f := o.Readable(field); f != nil {
			return Column{up: up, of: o, field: f}, nil
		}
	}
	entity := objects[0].Name
	if len(objects) > 1 {
		entity = "Name" // (Salesforce: what a polymorphic relationship leads to)
	}
	return Column{}, refuse(s.text, name.pos, invalidField,
		"No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after "+
			"the custom field name. Please reference your WSDL or the describe call for the appropriate names.", field, entity)
}

// source is an operand whose names were found: a column, or a function of one.
type source struct {
	operand
	column Column
	date   *dateFunction // nil = the column itself
	// Of a query for aggregates: the place of the value, the type of an aggregate, and the group that GROUPING is about.
	at     int
	result org.FieldType
	group  int
}

// source finds what an operand reads. Functions that make one value of many are left to who allows them.
func (s *scope) source(o operand) (source, error) {
	c, err := s.column(o.field)
	if err != nil {
		return source{}, err
	}
	if o.function == "TOLABEL" {
		o.function = "" // the org knows one language
	}
	out := source{operand: o, column: c}
	f, dated := dateFunctions[o.function]
	if !dated {
		return out, nil
	}
	if t := c.Type(); t != org.TypeDateTime && (t != org.TypeDate || f.timed) {
		return out, refuse(s.text, o.pos, malformed, "field %s does not support the function %s", c.last(), o.function) // the words are a guess
	}
	out.date = &f
	return out, nil
}

// typ is the type of what a source comes to.
func (s *source) typ() org.FieldType {
	switch {
	case s.result != "":
		return s.result
	case s.date != nil:
		return s.date.typ()
	}
	return s.column.Type()
}

// value reads a source of a row; "" stands for null.
func (s *source) value(r org.Reader, o *org.Object, row uint32) string {
	v := s.column.Value(r, o, row)
	if s.date != nil {
		return s.date.apply(v)
	}
	return v
}

// same says whether two sources read the same.
func (s *source) same(t *source) bool {
	return s.function == t.function && strings.EqualFold(s.column.Name(), t.column.Name())
}
