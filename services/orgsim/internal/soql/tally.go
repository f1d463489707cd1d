package soql

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// Tally is what a query for aggregates found.
type Tally struct {
	Columns []TallyColumn
	// Rows have a value for each column, in its stored text form; "" stands for null.
	Rows [][]string
	// Grouped says whether the query has GROUP BY.
	Grouped bool
}

// TallyColumn is one column of the rows of a query for aggregates.
type TallyColumn struct {
	// Name is the alias, else the name of a grouped field, else expr0, expr1, …
	Name string
	// Shown is the field or the function as it was asked for, such as count(Id).
	Shown string
	Type  org.FieldType
	// Field and Object are those of a grouped field, nil for everything else.
	Field  *org.Readable
	Object *org.Object
}

// maxTotals is the largest number of fields in ROLLUP and CUBE (Salesforce: GROUP BY ROLLUP).
const maxTotals = 3

// tally is a query for aggregates whose names were found. Its sources are those of the groups first, then those of the
// aggregates; source.at is the place of each.
type tally struct {
	*scope
	groups   []source
	measures []source
	totals   string
	columns  []TallyColumn
	shown    []int // for each column, the place of its source
	having   *filter
	order    []ordering
}

func (s *scope) newTally(q *Query, now time.Time) (*tally, error) {
	t := &tally{scope: s, totals: q.totals}
	switch {
	case q.count:
		return nil, refuse(s.text, q.group[0].pos, malformed, "COUNT() cannot be used with GROUP BY; use COUNT(fieldName)") // the words are a guess
	case q.group == nil && q.Limit != nil:
		return nil, plain(malformed, "Non-grouped query that uses overall aggregate functions cannot also use LIMIT")
	}
	for _, g := range q.group {
		if aggregates[g.function] {
			return nil, refuse(s.text, g.pos, malformed, "Grouped field should not be aggregated: %s", g.field.Path)
		}
		by, err := s.source(g)
		if err != nil {
			return nil, err
		}
		if !groupable(&by) {
			return nil, refuse(s.text, g.pos, malformed, "field '%s' can not be grouped in a query call", by.column.last())
		}
		by.at = len(t.groups)
		t.groups = append(t.groups, by)
	}
	for _, it := range q.items {
		if err := t.add(it); err != nil {
			return nil, err
		}
	}
	if err := t.name(q); err != nil {
		return nil, err
	}
	var err error
	if q.having != nil {
		if t.having, err = s.filter(q.having, now, t.find("Field must be grouped or aggregated")); err != nil {
			return nil, err
		}
	}
	t.order, err = s.orderings(q, t.find("Ordered field must be grouped or aggregated"))
	return t, err
}

// groupable says whether rows may be grouped by a source (Salesforce: considerations for GROUP BY; describe).
func groupable(s *source) bool {
	switch s.typ() {
	case org.TypeDouble, org.TypeCurrency, org.TypePercent, org.TypeDateTime:
		return false
	default:
		f := s.column.stored()
		return f == nil || f.Filterable()
	}
}

// add takes an item of the SELECT.
func (t *tally) add(it item) error {
	switch {
	case it.sub != nil, it.typeOf != nil:
		return refuse(t.text, it.pos, malformed, "a query with aggregate functions or GROUP BY can have neither sub-queries nor TYPEOF") // the words are a guess
	case it.fields != "":
		return refuse(t.text, it.pos, malformed, "Field must be grouped or aggregated: FIELDS(%s)", it.fields)
	}
	s, err := t.find("Field must be grouped or aggregated")(it.operand)
	if err != nil {
		return err
	}
	c := TallyColumn{Name: it.alias.Path, Shown: s.column.last(), Type: s.typ()}
	switch {
	case s.function != "":
		c.Shown = fmt.Sprintf("%s(%s)", strings.ToLower(s.function), s.column.Name())
	default:
		c.Field, c.Object = s.column.field, s.column.of
		if c.Name == "" {
			c.Name = s.column.last()
		}
	}
	t.columns, t.shown = append(t.columns, c), append(t.shown, s.at)
	return nil
}

// name gives columns without a name theirs, in their order, and refuses one that is there twice.
func (t *tally) name(q *Query) error {
	taken, n := map[string]bool{}, 0
	for i := range t.columns {
		c := &t.columns[i]
		if c.Name == "" {
			c.Name = fmt.Sprintf("expr%d", n)
			n++
		}
		key := strings.ToLower(c.Name)
		if taken[key] {
			return refuse(t.text, q.items[i].pos, malformed, "duplicate alias: %s", c.Name)
		}
		taken[key] = true
	}
	return nil
}

// find resolves an operand of a query for aggregates: a grouped source, or an aggregate. An alias names a column of the
// answer and nothing in the query. complaint begins the refusal of everything else.
func (t *tally) find(complaint string) func(operand) (source, error) {
	return func(o operand) (source, error) {
		s, err := t.source(o)
		if err != nil {
			return s, err
		}
		if aggregates[s.function] {
			return t.measure(s)
		}
		for i := range t.groups {
			if g := &t.groups[i]; g.same(&s) {
				return *g, nil
			}
		}
		return s, refuse(t.text, o.pos, malformed, "%s: %s", complaint, o.field.Path)
	}
}

// measure finds the place of an aggregate, a new one if it was not asked for before.
func (t *tally) measure(s source) (source, error) {
	for _, m := range t.measures {
		if m.same(&s) {
			return m, nil
		}
	}
	typ, number := s.column.Type(), false
	switch typ {
	case org.TypeInt, org.TypeDouble, org.TypeCurrency, org.TypePercent:
		number = true
	}
	f := s.column.stored()
	supported := typ != org.TypeBoolean && (f == nil || f.Filterable())
	switch s.function {
	case "COUNT", "COUNT_DISTINCT":
		s.result = org.TypeInt
	case "SUM", "AVG":
		supported = supported && number
		s.result = org.TypeDouble
	case "MIN", "MAX":
		s.result = typ
	case "GROUPING":
		s.result = org.TypeInt
		grouped := slices.IndexFunc(t.groups, func(g source) bool { return g.function == "" && strings.EqualFold(g.column.Name(), s.column.Name()) })
		if grouped < 0 || t.totals == "" {
			return s, refuse(t.text, s.pos, malformed, "GROUPING is for the fields of GROUP BY ROLLUP and GROUP BY CUBE: %s", s.field.Path) // the words are a guess
		}
		s.group = grouped
		supported = true
	}
	if !supported {
		return s, refuse(t.text, s.pos, malformed, "field %s does not support aggregate operator %s", s.column.last(), s.function)
	}
	s.at = len(t.groups) + len(t.measures)
	t.measures = append(t.measures, s)
	return s, nil
}
