package soql

import (
	"strings"

	"bulkhead/services/orgsim/internal/org"
)

// Member is one thing that is read of a row, as its JSON has it.
type Member struct {
	Name string
	// Field is the field, nil for what follows, and for the type of a polymorphic parent.
	Field *org.Readable
	// Up leads to a parent, of which Members are read, or with Cases those that are for its object.
	Up      *org.Lookup
	Members []*Member
	Cases   []Case
	// Children are the rows that refer to the row.
	Children *Children

	loose bool // the rows may be of objects that lack the field
}

// Case is what TYPEOF reads of a row of an object.
type Case struct {
	Object  *org.Object // nil = every other one
	Members []*Member
}

// For is what is read of a parent of an object.
func (m *Member) For(o *org.Object) []*Member {
	if m.Cases == nil {
		return m.Members
	}
	for _, c := range m.Cases {
		if c.Object == o || c.Object == nil {
			return c.Members
		}
	}
	return nil
}

// Value reads a member that is a field from a row of an object; "" stands for null.
func (m *Member) Value(r org.Reader, o *org.Object, row uint32) string {
	return readIn(r, o, row, m.Field, m.loose)
}

// Type is the type of the values of a member that is a field.
func (m *Member) Type() org.FieldType { return Column{field: m.Field}.Type() }

// selected gathers what a query reads of its rows.
type selected struct {
	*scope
	columns []Column
	members []*Member
	subs    []*plan
	taken   map[string]bool    // by lower-case path
	parents map[string]*Member // by lower-case path
}

// selects finds what a list of items means, without functions that make one value of many.
func (s *scope) selects(q *Query) (*selected, error) {
	sel := &selected{scope: s, taken: map[string]bool{}, parents: map[string]*Member{}}
	for _, it := range q.items {
		var err error
		switch {
		case it.sub != nil:
			err = sel.children(it)
		case it.typeOf != nil:
			err = sel.typeOf(it)
		case it.fields != "":
			err = sel.fields(q, it)
		default:
			err = sel.operand(it)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(sel.members) == 0 { // (Salesforce: FIELDS())
		return nil, plain(malformed, "'FIELDS(...)' expansion function must result in at least one field being selected.")
	}
	return sel, nil
}

func (sel *selected) take(path string) error {
	key := strings.ToLower(path)
	if sel.taken[key] {
		return plain(invalidField, "duplicate field selected: %s", path)
	}
	sel.taken[key] = true
	return nil
}

func (sel *selected) operand(it item) error {
	if _, dated := dateFunctions[it.operand.function]; dated { // (Salesforce: date functions)
		return refuse(sel.text, it.pos, malformed, "Field must be grouped or aggregated: %s", it.operand.field.Path)
	}
	c, err := sel.column(it.operand.field)
	if err != nil {
		return err
	}
	if it.operand.function == "" && it.alias.Path != "" {
		return refuse(sel.text, it.pos, malformed, "only aggregate expressions use field aliasing")
	}
	return sel.add(c, it.alias.Path)
}

// add takes a column into the members, under a name of its own if it has one.
func (sel *selected) add(c Column, alias string) error {
	path := c.Name()
	if alias != "" {
		path = alias
	}
	if err := sel.take(path); err != nil {
		return err
	}
	sel.columns = append(sel.columns, c)
	if alias != "" && len(c.up) > 0 {
		return plain(malformed, "the simulator knows no alias for a field of a parent: %s", alias)
	}
	list, way := &sel.members, ""
	for _, l := range c.up {
		way += strings.ToLower(l.Name) + "."
		parent := sel.parents[way]
		if parent == nil {
			parent = &Member{Name: l.Name, Up: l}
			sel.parents[way] = parent
			*list = append(*list, parent)
		}
		if parent.Cases != nil { // (Salesforce: TYPEOF)
			return plain(malformed, "the relationship %s is both in TYPEOF and in the field list", l.Name)
		}
		list = &parent.Members
	}
	name := c.last()
	if alias != "" {
		name = alias
	}
	loose := len(c.up) > 0 && c.up[len(c.up)-1].Polymorphic()
	*list = append(*list, &Member{Name: name, Field: c.field, loose: loose})
	return nil
}

// fields adds all fields of a sort. Which they are is not known before, so that the query has to be for few rows
// (Salesforce: FIELDS(), bounded and unbounded queries).
func (sel *selected) fields(q *Query, it item) error {
	if it.fields != "STANDARD" && !q.few() {
		return plain(malformed, "The SOQL FIELDS function must have a LIMIT of at most %d", fewRows)
	}
	for _, f := range sel.object.AllReadable() {
		custom := strings.HasSuffix(f.Name, "__c")
		if it.fields == "ALL" || custom == (it.fields == "CUSTOM") {
			if err := sel.add(Column{of: sel.object, field: f}, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// fewRows is how many rows a query with FIELDS(ALL) or FIELDS(CUSTOM) may have.
const fewRows = 200

// few says whether the query is for few rows: by its LIMIT, or by the ids that it asks for.
func (q *Query) few() bool {
	if q.Limit != nil && *q.Limit <= fewRows {
		return true
	}
	ids, n := q.where != nil, 0
	var walk func(c *condition)
	walk = func(c *condition) {
		switch {
		case c.comparison != nil:
			k := c.comparison
			ids = ids && k.sub == nil && k.left.function == "" && strings.EqualFold(k.left.field.Path, "Id") && (k.op == "=" || k.op == "IN")
			n += len(k.values)
		case c.join == not:
			ids = false
		default:
			for _, part := range c.parts {
				walk(part)
			}
		}
	}
	if ids {
		walk(q.where)
	}
	return ids && n <= fewRows
}

// typeOf adds what is read of a polymorphic parent.
func (sel *selected) typeOf(it item) error {
	t := it.typeOf
	parts := sel.path(t.relationship)
	up, err := sel.lookups(t.relationship, parts)
	if err != nil {
		return err
	}
	l := up[len(up)-1]
	switch {
	case len(up) > 1:
		return refuse(sel.text, t.relationship.pos, malformed, "the simulator knows TYPEOF of the object's own relationships only: %s", t.relationship.Path)
	case !l.Polymorphic():
		return refuse(sel.text, t.relationship.pos, malformed, "Didn't understand TYPEOF: %s is not a polymorphic relationship", l.Name) // the words are a guess
	case sel.parents[strings.ToLower(l.Name)+"."] != nil:
		return refuse(sel.text, it.pos, malformed, "the relationship %s is selected twice", l.Name)
	}
	m := &Member{Name: l.Name, Up: l, Cases: []Case{}}
	for _, w := range t.when {
		var object *org.Object
		for _, p := range l.Parents {
			if strings.EqualFold(p.Name, w.object.Path) {
				object = p
			}
		}
		if object == nil {
			return refuse(sel.text, w.object.pos, invalidType, "sObject type '%s' is not one that %s refers to", w.object.Path, l.Name) // the words are a guess
		}
		if err := sel.typeCase(m, object, []*org.Object{object}, w.fields); err != nil {
			return err
		}
	}
	if t.otherwise != nil {
		if err := sel.typeCase(m, nil, l.Parents, t.otherwise); err != nil {
			return err
		}
	}
	sel.parents[strings.ToLower(l.Name)+"."] = m
	sel.members = append(sel.members, m)
	return nil
}

// typeCase adds the fields of one case. Those of ELSE are of what all have in common with Name; here, of any of them.
func (sel *selected) typeCase(m *Member, object *org.Object, parents []*org.Object, fields []Name) error {
	c := Case{Object: object}
	inner := &selected{scope: &scope{model: sel.model, object: parents[0], names: []string{parents[0].Name}, text: sel.text}, taken: map[string]bool{}, parents: map[string]*Member{}}
	for _, name := range fields {
		column, err := inner.column(name)
		if err != nil && object == nil {
			column, err = inner.fieldOf(name, nil, parents, name.Path)
		}
		if err != nil {
			return err
		}
		if err := inner.add(column, ""); err != nil {
			return err
		}
	}
	if c.Members = inner.members; object == nil {
		for _, one := range c.Members {
			one.loose = true
		}
	}
	m.Cases = append(m.Cases, c)
	return nil
}
