package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// source is one item of FROM.
type source struct {
	as, schema, table string
	names             []string
	types             []value.Type
	merged            []int // columns that USING shows once, by the other side
	slot              int
	needs             uint64 // slots that must be bound before, for LATERAL

	base *table     // a stored table, with
	part *partition // the part of it that is meant
	body *syntax.Query
	set  *querySet                // a sub-query or view
	rows func(*frame) [][]any     // a function, a CTE
	keep bool                     // rows are the same in the whole statement
	make func([]pushed) *querySet // compiles the sub-query again, with conditions from outside
	none []any                    // a row of NULLs
}

// pushed is a condition on an output column of a sub-query that is asked inside of it: the column equals a value of the level outside, or is one of an
// array.
type pushed struct {
	col   int
	typ   value.Type
	f     fn
	any   bool
	needs uint64
	fixed bool
}

// conjunct is one of the conditions that a level joins by AND.
type conjunct struct {
	f     fn
	needs uint64
	cands []candidate
}

// candidate says that a conjunct asks a column of a source for equality with something else.
type candidate struct {
	slot, col int
	other     fn
	typ       value.Type
	needs     uint64
	any       bool // other gives an array
	fixed     bool
}

// joinStep is one item of FROM with what must hold when its row is bound.
type joinStep struct {
	src  *source
	left bool
	on   []conjunct
	post []fn
	scan func(f *frame, emit func([]any, *row) bool) bool
}

// level is the part of a query that makes combined rows: FROM and WHERE.
type level struct {
	sc    *scope
	steps []*joinStep
	where []conjunct
	pre   []fn
	slots int
}

const maxItems = 60 // slots are bits of a uint64

func (c *compiler) from(l *level, item syntax.From) {
	switch item := item.(type) {
	case *syntax.Join:
		c.from(l, item.L)
		left := len(l.sc.items)
		if _, nested := item.R.(*syntax.Join); nested && item.Kind == "LEFT" {
			unsupported("a LEFT JOIN with a join in parentheses")
		}
		c.from(l, item.R)
		step := l.steps[len(l.steps)-1]
		var on []conjunct
		for _, name := range item.Using {
			on = append(on, c.using(l, name, left))
		}
		if item.On != nil {
			on = append(on, c.conjuncts(l.sc, item.On)...)
		}
		if item.Kind == "LEFT" {
			step.left, step.on = true, on
		} else {
			l.where = append(l.where, on...)
		}
	case *syntax.Table:
		c.addSource(l, c.tableSource(l.sc, item))
	case *syntax.Derived:
		src := &source{as: item.As, body: item.Query}
		c.derive(l.sc, src, item.Query, !item.Lateral)
		c.addSource(l, src.renamed(item.Columns))
	case *syntax.Functions:
		c.addSource(l, c.functionSource(l.sc, item))
	}
}

func (c *compiler) addSource(l *level, src *source) {
	if len(l.sc.items) >= maxItems {
		unsupported("more than %d items in FROM", maxItems)
	}
	for _, other := range l.sc.items {
		if other.as == src.as && src.as != "" {
			panic(value.Error("42712", "table name %q specified more than once", src.as))
		}
	}
	src.slot = len(l.sc.items)
	src.none = make([]any, len(src.names))
	l.sc.items = append(l.sc.items, src)
	l.steps = append(l.steps, &joinStep{src: src})
}

func (s *source) renamed(columns []string) *source {
	if len(columns) > 0 {
		s.names = slices.Clone(s.names)
		copy(s.names, columns)
	}
	return s
}

func (c *compiler) using(l *level, name string, left int) conjunct {
	right := l.sc.items[left]
	items := l.sc.items
	l.sc.items = items[:left]
	a := c.expr(l.sc, &syntax.Column{Parts: []string{name}})
	l.sc.items = items
	i := slices.Index(right.names, name)
	if i < 0 {
		panic(value.Error("42703", "column %q specified in USING clause does not exist in right table", name))
	}
	slot := right.slot
	right.merged = append(right.merged, i)
	af, before := a.f, uint64(1)<<left-1
	return conjunct{needs: 1<<slot | before, f: func(f *frame) any {
		x, y := af(f), f.rows[slot][i]
		return x != nil && y != nil && value.Equal(x, y)
	}, cands: []candidate{{slot: slot, col: i, other: af, typ: a.typ, needs: before}}}
}

// tableSource finds what a name in FROM means: a CTE, a table, a part of one, or a view.
func (c *compiler) tableSource(sc *scope, t *syntax.Table) *source {
	src := &source{as: t.As, schema: t.Schema, table: t.Name}
	if src.as == "" {
		src.as = t.Name
	}
	if t.Schema == "" {
		for i := len(c.ctes) - 1; i >= 0; i-- {
			if d := c.ctes[i]; d.name == t.Name {
				src.names, src.types, src.rows, src.keep = d.names, d.types, d.rows, true
				return src.renamed(t.Columns)
			}
		}
	}
	name := t.Schema + "." + t.Name
	if base := c.store.tables[name]; base != nil {
		c.reads(base)
		src.base = base
	} else if v := c.store.views[name]; v != nil {
		src.body = v.query
		ctes := c.ctes
		c.ctes = nil
		c.derive(sc, src, v.query, true)
		c.ctes = ctes
		src.names = v.names
		inner := src.make
		src.make = func(p []pushed) *querySet {
			ctes := c.ctes
			c.ctes = nil
			defer func() { c.ctes = ctes }()
			return inner(p)
		}
		return src.renamed(t.Columns)
	} else if base, part := c.store.partition(t.Schema, t.Name); base != nil {
		src.base, src.part = base, part
	} else {
		panic(value.Error("42P01", "relation %q does not exist", name))
	}
	for _, col := range src.base.cols {
		src.names, src.types = append(src.names, col.name), append(src.types, col.typ)
	}
	return src.renamed(t.Columns)
}

// derive compiles a sub-query for its columns.
func (c *compiler) derive(sc *scope, src *source, q *syntax.Query, hidden bool) {
	src.make = func(p []pushed) *querySet {
		touched := sc.touch
		sc.touch = 0
		set := c.query(sc, q, hidden, p, nil)
		src.needs, sc.touch = sc.touch, touched|sc.touch
		return set
	}
	src.set = src.make(nil)
	src.names, src.types = src.set.names, src.set.types
}

// conjuncts cuts a condition at its ANDs.
func (c *compiler) conjuncts(sc *scope, e syntax.Expr) []conjunct {
	if b, ok := e.(*syntax.Binary); ok && b.Op == "AND" {
		return append(c.conjuncts(sc, b.L), c.conjuncts(sc, b.R)...)
	}
	touched := sc.touch
	sc.touch = 0
	defer func() { sc.touch |= touched }()
	k := conjunct{}
	switch b := e.(type) {
	case *syntax.Binary:
		_, row := b.L.(*syntax.Row)
		if b.Op != "=" || row {
			break
		}
		l := c.expr(sc, b.L)
		lt := sc.touch
		sc.touch = 0
		r := c.expr(sc, b.R)
		rt := sc.touch
		lc, rc := l.typ, r.typ
		c.unify(&l, &r)
		k.cands = append(k.cands, c.candidate(sc, b.L, lc, r, rt, false)...)
		k.cands = append(k.cands, c.candidate(sc, b.R, rc, l, lt, false)...)
		lf, rf := l.f, r.f
		k.needs = lt | rt
		k.f = func(f *frame) any {
			x := lf(f)
			if x == nil {
				return nil
			}
			y := rf(f)
			return y != nil && value.Equal(x, y)
		}
		return []conjunct{k}
	case *syntax.Quantified:
		if b.Op != "=" || b.All || b.Sub != nil {
			break
		}
		if col, ok := b.X.(*syntax.Column); ok {
			x := c.expr(sc, col)
			sc.touch = 0
			arr := c.as(c.expr(sc, b.Arr), x.typ|value.ArrayOf)
			k.cands = c.candidate(sc, b.X, x.typ, cexpr{f: arr.f, typ: arr.typ.Elem(), fixed: arr.fixed}, sc.touch, true)
		}
	}
	k.f = c.truth(sc, e)
	k.needs = sc.touch
	return []conjunct{k}
}

// candidate looks whether a side of an equality is a column of this level.
func (c *compiler) candidate(sc *scope, side syntax.Expr, colType value.Type, other cexpr, needs uint64, isAny bool) []candidate {
	col, ok := side.(*syntax.Column)
	if !ok {
		return nil
	}
	touched := sc.touch
	r, ok := c.find(sc, col.Parts)
	sc.touch = touched
	if !ok || r.up != 0 || needs&(1<<r.slot) != 0 || colType.IsInt() != other.typ.IsInt() || !colType.IsInt() && colType != other.typ {
		return nil
	}
	return []candidate{{slot: r.slot, col: r.col, other: other.f, typ: colType, needs: needs, any: isAny, fixed: other.fixed}}
}
