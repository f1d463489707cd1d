package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// querySet is a compiled query.
type querySet struct {
	names    []string
	types    []value.Type
	each     func(up *frame, emit func([]any) bool) bool // false when emit has had enough
	outer    bool                                        // it asks for something of the levels around it
	pushable bool                                        // conditions on its columns may be asked inside
}

func (q *querySet) all(up *frame) [][]any {
	var out [][]any
	q.each(up, func(r []any) bool { out = append(out, r); return true })
	return out
}

// cached computes something of the query once per statement where it asks nothing of outside.
func (q *querySet) cached(f fn) fn {
	if q.outer {
		return f
	}
	k := new(int)
	return func(fr *frame) any {
		if v, ok := fr.run.cached(k); ok {
			return v
		}
		v := f(fr)
		fr.run.keep(k, v)
		return v
	}
}

type valueSet struct {
	has  map[any]bool
	null bool
}

// set gives the values of a query of one column.
func (q *querySet) set() func(*frame) (map[any]bool, bool) {
	f := q.cached(func(fr *frame) any {
		s := &valueSet{has: map[any]bool{}}
		q.each(fr, func(r []any) bool {
			if r[0] == nil {
				s.null = true
			} else {
				s.has[value.Key(r[0])] = true
			}
			return true
		})
		return s
	})
	return func(fr *frame) (map[any]bool, bool) {
		s, _ := f(fr).(*valueSet)
		return s.has, s.null
	}
}

func (c *compiler) subquery(sc *scope, q *syntax.Query) *querySet {
	return c.query(sc, q, false, nil, nil)
}

// query compiles a query below a scope. hidden: of that scope's own items it sees nothing. want are the types that its columns are for.
func (c *compiler) query(parent *scope, q *syntax.Query, hidden bool, push []pushed, want []value.Type) *querySet {
	ctes := len(c.ctes)
	defer func() { c.ctes = c.ctes[:ctes] }()
	for _, d := range q.With {
		c.define(d)
	}
	set := c.bodyOf(parent, q, hidden, push, want)
	if len(q.With) > 0 || q.Limit != nil || q.Offset != nil || q.Lock != nil {
		set.pushable = false
	}
	return set
}

// define compiles one item of WITH. It is run when first asked for, and once.
func (c *compiler) define(d syntax.CTE) {
	def := &cteDef{name: d.Name}
	q, ok := d.Statement.(*syntax.Query)
	if !ok {
		st, set := c.modify(d.Statement)
		c.first = append(c.first, func(x *run) {
			rows := st(x)
			x.keep(def, rows)
		})
		if set != nil {
			def.names, def.types = set.names, set.types
		}
		def.rows = func(f *frame) [][]any {
			rows, _ := f.run.cached(def)
			out, _ := rows.([][]any)
			return out
		}
	} else {
		set := c.query(nil, q, false, nil, nil)
		def.names, def.types = set.names, set.types
		def.rows = func(f *frame) [][]any {
			if rows, ok := f.run.cached(def); ok {
				return rows.([][]any) //nolint:forcetypeassert // stored below
			}
			rows := set.all(&frame{run: f.run})
			f.run.keep(def, rows)
			return rows
		}
	}
	if len(d.Columns) > 0 {
		def.names = slices.Clone(def.names)
		copy(def.names, d.Columns)
	}
	c.ctes = append(c.ctes, def)
}

func (c *compiler) bodyOf(parent *scope, q *syntax.Query, hidden bool, push []pushed, want []value.Type) *querySet {
	switch body := q.Body.(type) {
	case *syntax.Core:
		return c.core(parent, body, q, hidden, push, want)
	case *syntax.Query:
		if q.OrderBy == nil && q.Limit == nil && q.Offset == nil {
			return c.query(parent, body, hidden, push, want)
		}
		return c.ordered(parent, c.query(parent, body, hidden, nil, want), q)
	case *syntax.Values:
		return c.ordered(parent, c.values(parent, body, hidden, want), q)
	case *syntax.SetOp:
		return c.ordered(parent, c.setOp(parent, body, hidden, push, want), q)
	}
	unsupported("the query %T", q.Body)
	return nil
}

func (c *compiler) branch(parent *scope, b syntax.Body, hidden bool, push []pushed, want []value.Type) *querySet {
	switch b := b.(type) {
	case *syntax.Query:
		return c.query(parent, b, hidden, push, want)
	case *syntax.SetOp:
		return c.setOp(parent, b, hidden, push, want)
	}
	return c.bodyOf(parent, &syntax.Query{Body: b}, hidden, push, want)
}

func (c *compiler) setOp(parent *scope, s *syntax.SetOp, hidden bool, push []pushed, want []value.Type) *querySet {
	l := c.branch(parent, s.L, hidden, push, want)
	if want == nil {
		want = l.types
	}
	r := c.branch(parent, s.R, hidden, push, want)
	if len(l.types) != len(r.types) {
		panic(value.Error("42601", "each %s query must have the same number of columns", s.Op))
	}
	out := &querySet{names: l.names, types: slices.Clone(l.types), outer: l.outer || r.outer, pushable: s.Op == "UNION" && s.All && l.pushable && r.pushable}
	var lconv, rconv []fn
	for i := range l.types {
		t := wider(l.types[i], r.types[i])
		if t != l.types[i] && !l.types[i].IsNumber() || t != r.types[i] && !r.types[i].IsNumber() {
			panic(value.Error("42804", "%s types %s and %s cannot be matched", s.Op, l.types[i], r.types[i]))
		}
		out.types[i] = t
		lconv, rconv = append(lconv, converter(i, l.types[i], t)), append(rconv, converter(i, r.types[i], t))
	}
	both := func(up *frame, emit func([]any) bool) bool {
		return l.each(up, func(row []any) bool { return emit(converted(row, lconv)) }) &&
			r.each(up, func(row []any) bool { return emit(converted(row, rconv)) })
	}
	switch {
	case s.Op == "UNION" && s.All:
		out.each = both
	case s.Op == "UNION":
		out.each = func(up *frame, emit func([]any) bool) bool {
			seen := map[string]bool{}
			return both(up, func(row []any) bool {
				k := tupleKey(row)
				if seen[k] {
					return true
				}
				seen[k] = true
				return emit(row)
			})
		}
	case s.All:
		unsupported("%s ALL", s.Op)
	default:
		keep := s.Op == "INTERSECT"
		out.each = func(up *frame, emit func([]any) bool) bool {
			right := map[string]bool{}
			r.each(up, func(row []any) bool { right[tupleKey(converted(row, rconv))] = true; return true })
			seen := map[string]bool{}
			return l.each(up, func(row []any) bool {
				row = converted(row, lconv)
				k := tupleKey(row)
				if seen[k] || right[k] != keep {
					return true
				}
				seen[k] = true
				return emit(row)
			})
		}
	}
	return out
}

// converter is nil where a column is of its type already.
func converter(i int, from, to value.Type) fn {
	if from == to || from.IsInt() && to.IsInt() {
		return nil
	}
	return castFn(func(f *frame) any { return f.rows[0][i] }, from, to)
}

func converted(row []any, conv []fn) []any {
	var out []any
	for i, f := range conv {
		if f == nil {
			continue
		}
		if out == nil {
			out = slices.Clone(row)
		}
		out[i] = f(&frame{rows: [][]any{row}})
	}
	if out == nil {
		return row
	}
	return out
}

func (c *compiler) values(parent *scope, v *syntax.Values, hidden bool, want []value.Type) *querySet {
	sc := &scope{parent: parent, hidden: hidden}
	out := &querySet{}
	cells := make([][]cexpr, len(v.Rows))
	for i, r := range v.Rows {
		if len(r) != len(v.Rows[0]) {
			panic(value.Error("42601", "VALUES lists must all be the same length"))
		}
		for j, e := range r {
			x := c.expr(sc, e)
			if j < len(want) {
				x = c.as(x, want[j])
			}
			cells[i] = append(cells[i], x)
		}
	}
	for j := range v.Rows[0] {
		column := make([]*cexpr, len(cells))
		for i := range cells {
			column[i] = &cells[i][j]
		}
		out.names = append(out.names, "column"+value.Format(int64(j+1)))
		out.types = append(out.types, c.unify(column...))
	}
	out.outer = sc.depth > 0
	out.each = func(up *frame, emit func([]any) bool) bool {
		f := &frame{up: up, run: up.run}
		for _, r := range cells {
			row := make([]any, len(r))
			for j := range r {
				row[j] = r[j].f(f)
			}
			if !emit(row) {
				return false
			}
		}
		return true
	}
	return out
}

// ordered puts ORDER BY and LIMIT around a query whose columns are all that it knows.
func (c *compiler) ordered(parent *scope, in *querySet, q *syntax.Query) *querySet {
	if q.Lock != nil {
		unsupported("FOR UPDATE of anything but one SELECT")
	}
	if q.OrderBy == nil && q.Limit == nil && q.Offset == nil {
		return in
	}
	keys := make([]orderKey, len(q.OrderBy))
	for i, o := range q.OrderBy {
		at := outputOf(o.X, in.names)
		if at < 0 || at >= len(in.names) {
			unsupported("ORDER BY of an expression behind UNION or VALUES")
		}
		keys[i] = orderKey{func(f *frame) any { return f.rows[0][at] }, o.Desc, o.NullsFirst}
	}
	lim := c.limits(parent, q)
	out := *in
	out.pushable = false
	out.each = func(up *frame, emit func([]any) bool) bool {
		offset, limit := lim(up)
		if len(keys) == 0 {
			return limited(offset, limit, emit, func(e func([]any) bool) bool { return in.each(up, e) })
		}
		rows := in.all(up)
		slices.SortStableFunc(rows, func(a, b []any) int {
			return compareKeys(keys, keysOf(keys, &frame{rows: [][]any{a}}), keysOf(keys, &frame{rows: [][]any{b}}))
		})
		return limited(offset, limit, emit, func(e func([]any) bool) bool {
			for _, r := range rows {
				if !e(r) {
					return false
				}
			}
			return true
		})
	}
	return &out
}

// outputOf finds the output column that an item of ORDER BY or GROUP BY names, by number or name; -1 = none.
func outputOf(e syntax.Expr, names []string) int {
	switch e := e.(type) {
	case *syntax.Const:
		if v, err := value.Parse(value.Int4, e.Text); e.Kind == syntax.Number && err == nil {
			n, _ := v.(int64)
			if n < 1 || n > int64(len(names)) {
				panic(value.Error("42P10", "position %d is not in select list", n))
			}
			return int(n) - 1
		}
	case *syntax.Column:
		if len(e.Parts) == 1 {
			return slices.Index(names, e.Parts[0])
		}
	}
	return -1
}

// limits gives OFFSET and LIMIT; -1 = no limit.
func (c *compiler) limits(parent *scope, q *syntax.Query) func(*frame) (offset, limit int64) {
	number := func(e syntax.Expr, none int64) fn {
		if e == nil {
			return func(*frame) any { return none }
		}
		sc := &scope{parent: parent}
		f := c.typed(sc, e, value.Int8)
		return func(up *frame) any {
			n, ok := f(&frame{up: up, run: up.run}).(int64)
			if !ok {
				return none
			}
			if n < 0 {
				panic(value.Error("2201W", "LIMIT must not be negative"))
			}
			return n
		}
	}
	off, lim := number(q.Offset, 0), number(q.Limit, -1)
	return func(up *frame) (int64, int64) { return intOf(off(up)), intOf(lim(up)) }
}

// limited passes on what lies within the limits. Reaching the limit is no reason for the levels around to stop.
func limited(offset, limit int64, emit func([]any) bool, each func(func([]any) bool) bool) bool {
	if limit == 0 {
		return true
	}
	n, enough := int64(0), false
	each(func(r []any) bool {
		if n++; n <= offset {
			return true
		}
		if !emit(r) {
			enough = true
			return false
		}
		return limit < 0 || n < offset+limit
	})
	return !enough
}
