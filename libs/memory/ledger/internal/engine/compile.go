package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// compiler makes the plan of one statement.
type compiler struct {
	store *Store
	plan  *Plan
	ctes  []*cteDef    // those that are in sight
	first []func(*run) // what WITH modifies, run before the statement
	read  map[*table]bool
	wrote map[*table]bool
}

// reads notes that the statement reads a table.
func (c *compiler) reads(t *table) {
	if c.read == nil {
		c.read = map[*table]bool{}
	}
	c.read[t] = true
}

// frame is where an expression is evaluated: the rows of one query level and the levels around it.
type frame struct {
	rows [][]any // by the slot of each item of FROM
	refs []*row  // the stored rows behind them, where there are
	up   *frame
	run  *run
	aggs []any
	wins []any
}

type fn func(*frame) any

// plain is an expression over the columns of one row, as defaults, checks and partial indexes are.
type plain struct{ f fn }

func (p *plain) on(x *run, version []any) any {
	return p.f(&frame{rows: [][]any{version}, run: x})
}

// cexpr is a compiled expression.
type cexpr struct {
	f     fn
	typ   value.Type
	lit   *syntax.Const // a string constant whose type is not decided
	param int           // a parameter whose type is not decided
	null  bool          // the constant NULL
	fixed bool          // the same in the whole statement: a constant or a parameter
}

// scope is the names that one query level sees.
type scope struct {
	parent *scope
	items  []*source
	hidden bool // of the parent's items nothing is seen: a sub-query in FROM without LATERAL
	touch  uint64
	depth  int // how many frames up the furthest reference from here goes; 0 = none leaves this level
	agg    *aggregates
	window *windows
	named  map[string]*syntax.Window
}

type cteDef struct {
	name  string
	names []string
	types []value.Type
	rows  func(*frame) [][]any
}

func unsupported(format string, args ...any) {
	panic(value.Error("0A000", "the ledger in memory does not know "+format, args...))
}

// resolved is a column found: so many frames up, in this slot.
type resolved struct {
	up, slot, col int
	typ           value.Type
}

// resolve finds a column by its name. Every level that it passes notes that it is asked for something outside.
func (c *compiler) resolve(sc *scope, parts []string) resolved {
	r, ok := c.find(sc, parts)
	if !ok {
		code := "42703"
		if len(parts) > 1 {
			code = "42P01"
		}
		panic(value.Error(code, "column %s does not exist", join(parts)))
	}
	return r
}

func join(parts []string) string {
	out := parts[0]
	for _, p := range parts[1:] {
		out += "." + p
	}
	return out
}

func (c *compiler) find(sc *scope, parts []string) (resolved, bool) {
	up, skip := 0, false
	for s := sc; s != nil; s = s.parent {
		if !skip {
			found, n := resolved{up: up}, 0
			for _, item := range s.items {
				if !item.answers(parts[:len(parts)-1]) {
					continue
				}
				if i := slices.Index(item.names, parts[len(parts)-1]); i >= 0 && !(len(parts) == 1 && slices.Contains(item.merged, i)) {
					found.slot, found.col, found.typ = item.slot, i, item.types[i]
					n++
				}
			}
			if n > 1 {
				panic(value.Error("42702", "column reference %q is ambiguous", join(parts)))
			}
			if n == 1 {
				touch(sc, up, found.slot)
				return found, true
			}
		}
		skip = s.hidden
		up++
	}
	return resolved{}, false
}

// touch notes a reference of a level to a slot so many levels up.
func touch(sc *scope, up, slot int) {
	s := sc
	for i := up; i > 0; i-- {
		s.depth = max(s.depth, i)
		s = s.parent
	}
	s.touch |= 1 << slot
}

// answers says whether the item goes by the qualifier.
func (s *source) answers(qualifier []string) bool {
	switch len(qualifier) {
	case 0:
		return true
	case 1:
		return s.as == qualifier[0]
	}
	return s.schema == qualifier[0] && s.table == qualifier[1] && s.as == s.table
}

func (r resolved) fn() fn {
	slot, col := r.slot, r.col
	switch r.up {
	case 0:
		return func(f *frame) any { return f.rows[slot][col] }
	case 1:
		return func(f *frame) any { return f.up.rows[slot][col] }
	}
	up := r.up
	return func(f *frame) any {
		for range up {
			f = f.up
		}
		return f.rows[slot][col]
	}
}

// as gives an expression a type where it has none yet, and converts a number where the types differ.
func (c *compiler) as(e cexpr, t value.Type) cexpr {
	if t == value.Unknown {
		return e
	}
	switch {
	case e.null:
		e.typ = t
		return e
	case e.lit != nil:
		v, err := value.Parse(t, e.lit.Text)
		if err != nil {
			panic(err)
		}
		return cexpr{f: func(*frame) any { return v }, typ: t, fixed: true}
	case e.param > 0:
		c.paramType(e.param, t)
		e.typ, e.param = c.plan.Params[e.param-1], 0
	}
	if e.typ.IsInt() && (t == value.Float8 || t == value.Numeric) {
		f := e.f
		e.f = func(fr *frame) any {
			if n, ok := f(fr).(int64); ok {
				return float64(n)
			}
			return nil
		}
		e.typ = t
	}
	if e.typ == value.Float8 && t == value.Numeric || e.typ == value.Numeric && t == value.Float8 {
		e.typ = t
	}
	return e
}

// settle decides what nothing else has decided: it is text.
func (c *compiler) settle(e cexpr) cexpr {
	if e.lit != nil || e.param > 0 || e.null && e.typ == value.Unknown {
		return c.as(e, value.Text)
	}
	return e
}

func (c *compiler) paramType(n int, t value.Type) {
	for len(c.plan.Params) < n {
		c.plan.Params = append(c.plan.Params, value.Unknown)
	}
	if c.plan.Params[n-1] == value.Unknown {
		c.plan.Params[n-1] = t
	}
}

// unify brings expressions to one type.
func (c *compiler) unify(es ...*cexpr) value.Type {
	t := value.Unknown
	for _, e := range es {
		t = wider(t, e.knownType(c))
	}
	if t == value.Unknown {
		t = value.Text
	}
	for _, e := range es {
		*e = c.as(*e, t)
		if e.typ != t && !(e.typ.IsInt() && t.IsInt()) {
			panic(value.Error("42804", "types %s and %s cannot be matched", e.typ, t))
		}
	}
	return t
}

// knownType is Unknown while nothing has decided it.
func (e *cexpr) knownType(c *compiler) value.Type {
	if e.param > 0 && e.param <= len(c.plan.Params) {
		return c.plan.Params[e.param-1]
	}
	if e.lit != nil || e.param > 0 {
		return value.Unknown
	}
	return e.typ
}

// wider is the type that two types have in common.
func wider(a, b value.Type) value.Type {
	switch {
	case a == value.Unknown || a == b:
		return b
	case b == value.Unknown:
		return a
	case a.IsNumber() && b.IsNumber():
		rank := map[value.Type]int{value.Int2: 1, value.Int4: 2, value.Int8: 3, value.Numeric: 4, value.Float8: 5}
		if rank[a] > rank[b] {
			return a
		}
		return b
	}
	return a
}

// assign converts an expression to what a column takes.
func (c *compiler) assign(e cexpr, t value.Type, name string) fn {
	e = c.as(e, t)
	if e.null {
		return e.f
	}
	if e.typ == t && !t.IsInt() {
		return e.f
	}
	if e.typ.IsNumber() && t.IsNumber() {
		return castFn(e.f, e.typ, t)
	}
	if e.typ != t {
		panic(value.Error("42804", "column %q is of type %s but expression is of type %s", name, t, e.typ))
	}
	return e.f
}

// truth compiles a condition.
func (c *compiler) truth(sc *scope, e syntax.Expr) fn {
	x := c.as(c.expr(sc, e), value.Bool)
	if x.typ != value.Bool && !x.null {
		panic(value.Error("42804", "argument of WHERE must be type boolean, not type %s", x.typ))
	}
	return x.f
}

// whole compiles an expression and decides its type.
func (c *compiler) whole(sc *scope, e syntax.Expr) cexpr { return c.settle(c.expr(sc, e)) }

// typed compiles an expression as one of a type.
func (c *compiler) typed(sc *scope, e syntax.Expr, t value.Type) fn {
	x := c.as(c.expr(sc, e), t)
	if x.typ != t && !x.null && !(x.typ.IsInt() && t.IsInt()) {
		if x.typ.IsNumber() && t.IsNumber() {
			return castFn(x.f, x.typ, t)
		}
		panic(value.Error("42883", "type %s where %s is needed", x.typ, t))
	}
	return x.f
}

func (c *compiler) typeOf(n syntax.TypeName) value.Type {
	t, ok := value.ByName(n.Name, n.Array)
	if !ok {
		panic(value.Error("42704", "type %q does not exist", n.Name))
	}
	return t
}
