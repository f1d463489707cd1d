package soql

import (
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// reader gives a test the values of a row of records, or of a row of aggregates.
type reader func(of *source) string

// filter is a condition whose names were found, ready to be asked of rows. It knows two answers: a comparison with null is
// false, but for = null and for what does not equal a value, and NOT turns an answer around. What orgs do with NOT over a
// comparison with null is not documented; this is the best guess.
type filter struct {
	join  join
	parts []*filter
	test  *test // of a comparison
}

// test is a comparison whose names were found.
type test struct {
	source  source
	compare comparing
	// matches says whether a value that is not null fits; nulls is the answer for null, and negative turns both around.
	matches  func(v string) bool
	nulls    bool
	negative bool
	// equals are the values of = and IN in their stored form, nil for other operators: by them an index may find the rows.
	equals []string
	// sub gives the ids of a semi-join, found before the rows are asked.
	sub *plan
	ids map[string]bool
	// cost is how much work it is to answer for a value of the usual length, at least 1.
	cost int
}

// filter finds what a condition means. find resolves its operands, which is different behind WHERE and behind HAVING.
func (s *scope) filter(c *condition, now time.Time, find func(operand) (source, error)) (*filter, error) {
	if c.comparison != nil {
		t, err := s.test(c.comparison, now, find)
		return &filter{test: t}, err
	}
	f := &filter{join: c.join}
	for _, part := range c.parts {
		p, err := s.filter(part, now, find)
		if err != nil {
			return nil, err
		}
		f.parts = append(f.parts, p)
	}
	return f, nil
}

func (s *scope) test(c *comparison, now time.Time, find func(operand) (source, error)) (*test, error) {
	of, err := find(c.left)
	if err != nil {
		return nil, err
	}
	if f := of.column.stored(); f != nil && !f.Filterable() && !aggregates[of.function] {
		return nil, refuse(s.text, c.left.pos, invalidField, "field '%s' can not be filtered in a query call", f.Name)
	}
	t := &test{source: of, compare: comparingOf(&of, false), cost: 1}
	typ := of.typ()
	switch c.op {
	case "INCLUDES", "EXCLUDES": // no model has such a field
		return nil, refuse(s.text, c.pos, filterOperator, "includes or excludes operator only valid on multipicklist field")
	case "LIKE":
		return t, t.like(s, c)
	case "<", "<=", ">", ">=":
		if typ == org.TypeBoolean {
			return nil, refuse(s.text, c.pos, filterOperator, "invalid operator on boolean field")
		}
		return t, t.relates(s, c, now)
	}
	t.negative = c.op == "!=" || c.op == "NOT IN"
	if c.sub != nil {
		return t, t.semiJoin(s, c, now)
	}
	return t, t.among(s, c, now)
}

// among prepares =, !=, IN and NOT IN.
func (t *test) among(s *scope, c *comparison, now time.Time) error {
	values := map[string]bool{}
	var spans [][2]string
	for i := range c.values {
		v := &c.values[i]
		if v.kind == periodLiteral {
			from, to, err := v.span(s, &t.source, now)
			if err != nil {
				return err
			}
			spans = append(spans, [2]string{from, to})
			continue
		}
		text, null, err := v.in(s, &t.source)
		switch {
		case err != nil:
			return err
		case null && t.source.typ() == org.TypeBoolean: // a checkbox has no null (Salesforce: use null in WHERE)
			text, null = "false", false
		}
		if null {
			t.nulls = true
			continue
		}
		values[t.compare.fold(text)] = true
		t.equals = append(t.equals, text)
	}
	if t.negative || spans != nil || t.nulls {
		t.equals = nil
	}
	t.cost += len(spans)
	t.matches = func(v string) bool {
		if values[t.compare.fold(v)] {
			return true
		}
		for _, span := range spans {
			if v >= span[0] && v < span[1] {
				return true
			}
		}
		return false
	}
	return nil
}

// relates prepares <, <=, > and >=. Of a period, < asks for what lies before it, <= for what does not lie behind it.
func (t *test) relates(s *scope, c *comparison, now time.Time) error {
	v := &c.values[0]
	if v.kind == periodLiteral {
		from, to, err := v.span(s, &t.source, now)
		t.matches = map[string]func(string) bool{
			"<": func(v string) bool { return v < from }, "<=": func(v string) bool { return v < to },
			">": func(v string) bool { return v >= to }, ">=": func(v string) bool { return v >= from },
		}[c.op]
		return err
	}
	text, null, err := v.in(s, &t.source)
	switch {
	case err != nil:
		return err
	case null: // nothing is smaller or larger than null
		t.matches = func(string) bool { return false }
		return nil
	}
	limit := t.compare.keyOf(text, &t.source)
	t.matches = func(v string) bool {
		switch n := t.compare.keyOf(v, &t.source).compare(limit); c.op {
		case "<":
			return n < 0
		case "<=":
			return n <= 0
		case ">":
			return n > 0
		default:
			return n >= 0
		}
	}
	return nil
}

// like prepares LIKE.
func (t *test) like(s *scope, c *comparison) error {
	v := &c.values[0]
	switch {
	case !isText(t.source.typ()):
		return refuse(s.text, c.pos, filterOperator, "invalid operator on %s field", wsdlType(t.source.typ()))
	case t.source.column.isID():
		return refuse(s.text, c.pos, filterOperator, "invalid operator on id field")
	case v.kind != textLiteral:
		return v.mismatch(s, &t.source)
	}
	p := newPattern(v.text, t.compare.fold)
	t.cost += len(p)
	t.matches = func(v string) bool { return p.matches(t.compare.fold(v)) }
	return nil
}

// semiJoin prepares IN and NOT IN over the rows of a sub-query (Salesforce: considerations for semi-join and anti-join
// queries).
func (t *test) semiJoin(s *scope, c *comparison, now time.Time) error {
	inner := c.sub
	name := inner.items[0].operand.field
	object, err := s.objectNamed(inner.From)
	if err != nil {
		return err
	}
	switch {
	case !t.source.column.isID() || t.source.date != nil:
		return refuse(s.text, c.left.pos, malformed, "The left operand in the where expression for outer query should be an id field, cannot use: '%s'", c.left.field.Path)
	case len(t.source.column.up) > 0:
		return refuse(s.text, c.left.pos, malformed, "The left operand cannot have more than one level of relationships")
	case object == s.object:
		return refuse(s.text, c.pos, malformed, "The inner and outer selects should not be on the same object type")
	}
	if t.sub, err = newPlan(s.model, inner, object, now); err != nil {
		return err
	}
	column := t.sub.columns[0]
	switch {
	case !column.isID():
		return refuse(s.text, name.pos, malformed, "The inner select field '%s' must be an id field", name.Path)
	case len(column.up) > 0:
		return refuse(s.text, name.pos, malformed, "The inner select field cannot have more than one level of relationships")
	case !s.meet(t.source.column, column):
		return refuse(s.text, c.left.pos, malformed,
			"The selected field '%s' in the subquery and the left operand field in the where expression in the outer query '%s' should point to the same object type",
			column.last(), t.source.column.last())
	}
	t.matches = func(v string) bool { return t.ids[v[:min(len(v), shortID)]] }
	return nil
}

// meet says whether two columns of ids may hold the same id.
func (s *scope) meet(a, b Column) bool {
	for _, x := range s.targets(a) {
		for _, y := range s.targets(b) {
			if x == y {
				return true
			}
		}
	}
	return false
}

// targets are the objects whose ids a column holds.
func (s *scope) targets(c Column) []*org.Object {
	switch {
	case c.field.IsID():
		return []*org.Object{c.of}
	case c.field.Stored != nil:
		return c.field.Stored.Parents()
	default:
		return []*org.Object{s.model.Object("User")} // CreatedById, LastModifiedById
	}
}

// usualLength is how long a value may be before comparing it is counted more than once.
const usualLength = 256

// holds asks the filter of a row.
func (f *filter) holds(w *work, read reader) bool {
	switch f.join {
	case and:
		for _, part := range f.parts {
			if !part.holds(w, read) {
				return false
			}
		}
		return true
	case or:
		for _, part := range f.parts {
			if part.holds(w, read) {
				return true
			}
		}
		return false
	case not:
		return !f.parts[0].holds(w, read)
	}
	t := f.test
	v := read(&t.source)
	w.left -= t.cost * (1 + len(v)/usualLength)
	if v == "" {
		return t.nulls != t.negative
	}
	return t.matches(v) != t.negative
}

// tests calls visit with every test of the filter.
func (f *filter) tests(visit func(*test)) {
	if f.test != nil {
		visit(f.test)
	}
	for _, part := range f.parts {
		part.tests(visit)
	}
}
