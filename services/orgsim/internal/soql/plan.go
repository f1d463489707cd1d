package soql

import (
	"slices"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// plan is a query whose names were found in the object model.
type plan struct {
	query   *Query
	object  *org.Object
	columns []Column
	members []*Member
	subs    []*plan // of children, in the order of the members that are theirs
	child   *Children
	where   *filter
	order   []ordering
	tally   *tally // of a query for aggregates, else nil
}

// ordering is one thing that rows are ordered by.
type ordering struct {
	Order
	source  source
	compare comparing
}

// objectNamed finds the object that a query asks.
func (s *scope) objectNamed(name Name) (*org.Object, error) { return findObject(s.model, s.text, name) }

func findObject(m *org.Model, text string, name Name) (*org.Object, error) {
	if o := m.Object(name.Path); o != nil {
		return o, nil
	}
	return nil, refuse(text, name.pos, invalidType,
		"sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after "+
			"the entity name. Please reference your WSDL or the describe call for the appropriate names.", name.Path)
}

// newPlan finds what the names of a query mean that asks an object.
func newPlan(m *org.Model, q *Query, object *org.Object, now time.Time) (*plan, error) {
	s := &scope{model: m, object: object, names: []string{object.Name, q.From.Path}, aliases: map[string]Name{}, text: q.text}
	for alias, name := range q.aliases {
		if name.pos == q.From.pos {
			s.names = append(s.names, alias)
		} else {
			s.aliases[alias] = name
		}
	}
	p := &plan{query: q, object: object}
	var err error
	switch {
	case q.tallies():
		p.tally, err = s.newTally(q, now)
	case !q.count:
		err = p.selects(s, now)
	case q.Order != nil: // (Salesforce: COUNT())
		err = plain(malformed, "COUNT() cannot be used with ORDER BY")
	}
	if err == nil && q.where != nil {
		p.where, err = s.filter(q.where, now, s.source)
	}
	return p, err
}

// selects finds what is read of the rows, and their order.
func (p *plan) selects(s *scope, now time.Time) error {
	sel, err := s.selects(p.query)
	if err != nil {
		return err
	}
	p.columns, p.members, p.subs = sel.columns, sel.members, sel.subs
	for _, sub := range p.subs {
		if err := sub.resolve(s.model, now); err != nil {
			return err
		}
	}
	p.order, err = s.orderings(p.query, s.source)
	return err
}

// orderings finds by what rows are ordered.
func (s *scope) orderings(q *Query, find func(operand) (source, error)) ([]ordering, error) {
	var list []ordering
	for _, o := range q.Order {
		by, err := find(o.by)
		if err != nil {
			return nil, err
		}
		if f := by.column.stored(); f != nil && !f.Filterable() && !aggregates[by.function] {
			return nil, refuse(s.text, o.by.pos, malformed, "field '%s' can not be sorted in a query call", f.Name)
		}
		list = append(list, ordering{Order: o, source: by, compare: comparingOf(&by, true)})
	}
	return list, nil
}

// tallies says whether the query comes to rows of aggregates.
func (q *Query) tallies() bool {
	if q.group != nil {
		return true
	}
	for _, it := range q.items {
		if aggregates[it.operand.function] {
			return true
		}
	}
	return slices.ContainsFunc(q.Order, func(o Order) bool { return aggregates[o.by.function] })
}
