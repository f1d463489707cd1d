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

// plan orders the steps and says which condition is asked where.
func (c *compiler) planLevel(l *level) {
	l.slots = len(l.sc.items)
	l.order()
	bound := uint64(0)
	placed := make([]bool, len(l.where))
	place := func() []fn {
		var out []fn
		for i, k := range l.where {
			if !placed[i] && k.needs&^bound == 0 {
				placed[i] = true
				out = append(out, k.f)
			}
		}
		return out
	}
	l.pre = place()
	for _, step := range l.steps {
		conds := step.on
		if !step.left {
			conds = append(slices.Clone(conds), l.where...)
		}
		cands := usable(conds, step.src.slot, bound)
		bound |= 1 << step.src.slot
		c.scanner(step, cands)
		step.post = place()
	}
}

// usable are the candidates for a source when other sources are bound.
func usable(conds []conjunct, slot int, bound uint64) []candidate {
	var out []candidate
	for _, k := range conds {
		for _, cand := range k.cands {
			if cand.slot == slot && cand.needs&^bound == 0 {
				out = append(out, cand)
			}
		}
	}
	return out
}

// order moves inner items in front of others that can be found by them. Behind the first LEFT JOIN the written order stays.
func (l *level) order() {
	n := slices.IndexFunc(l.steps, func(s *joinStep) bool { return s.left })
	if n < 0 {
		n = len(l.steps)
	}
	rest := slices.Clone(l.steps[:n])
	var done []*joinStep
	bound := uint64(0)
	for len(rest) > 0 {
		best, bestScore := -1, 0
		for i, s := range rest {
			if s.src.needs&^bound != 0 {
				continue
			}
			score := 2
			switch {
			case len(usable(l.where, s.src.slot, bound)) > 0:
				score = 0
			case s.src.base == nil:
				score = 1
			}
			if best < 0 || score < bestScore {
				best, bestScore = i, score
			}
		}
		if best < 0 {
			panic(value.Error("42P10", "items of FROM refer to each other in a circle"))
		}
		bound |= 1 << rest[best].src.slot
		done = append(done, rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
	l.steps = append(done, l.steps[n:]...)
}

// scanner says how a step finds its rows.
func (c *compiler) scanner(step *joinStep, cands []candidate) {
	src := step.src
	switch {
	case src.base != nil:
		step.scan = baseScan(src, cands)
	case src.rows != nil && !src.keep:
		rows := src.rows
		step.scan = func(f *frame, emit func([]any, *row) bool) bool { return emitAll(rows(f), emit) }
	case src.rows != nil:
		step.scan = keptScan(src.rows, cands)
	default:
		var push []pushed
		if src.set.pushable {
			for _, k := range cands {
				push = append(push, pushed{col: k.col, typ: k.typ, f: k.other, any: k.any, needs: k.needs, fixed: k.fixed})
			}
		}
		set := src.set
		if len(push) > 0 {
			set = src.make(push)
		}
		if set.outer {
			step.scan = func(f *frame, emit func([]any, *row) bool) bool {
				return set.each(f, func(r []any) bool { return emit(r, nil) })
			}
			return
		}
		step.scan = keptScan(set.all, cands)
	}
}

func emitAll(rows [][]any, emit func([]any, *row) bool) bool {
	for _, r := range rows {
		if !emit(r, nil) {
			return false
		}
	}
	return true
}

// keptScan reads rows that are the same in the whole statement, by a map where something is asked for equality.
func keptScan(rows func(*frame) [][]any, cands []candidate) func(*frame, func([]any, *row) bool) bool {
	allKey, mapKey := new(int), new(int)
	all := func(f *frame) [][]any {
		if kept, ok := f.run.cached(allKey); ok {
			return kept.([][]any) //nolint:forcetypeassert // stored below
		}
		out := rows(f)
		f.run.keep(allKey, out)
		return out
	}
	i := slices.IndexFunc(cands, func(k candidate) bool { return !k.any && !k.fixed })
	if i < 0 {
		return func(f *frame, emit func([]any, *row) bool) bool { return emitAll(all(f), emit) }
	}
	cand := cands[i]
	return func(f *frame, emit func([]any, *row) bool) bool {
		v := cand.other(f)
		if v == nil {
			return true
		}
		kept, ok := f.run.cached(mapKey)
		if !ok {
			byKey := map[any][][]any{}
			for _, r := range all(f) {
				if r[cand.col] != nil {
					k := value.Key(r[cand.col])
					byKey[k] = append(byKey[k], r)
				}
			}
			kept = byKey
			f.run.keep(mapKey, byKey)
		}
		return emitAll(kept.(map[any][][]any)[value.Key(v)], emit) //nolint:forcetypeassert // stored above
	}
}

func (x *run) cached(k any) (any, bool) {
	v, ok := x.cache[k]
	return v, ok
}

func (x *run) keep(k, v any) {
	if x.cache == nil {
		x.cache = map[any]any{}
	}
	x.cache[k] = v
}

// baseScan reads a stored table, by the smallest bucket of an index where there is one.
func baseScan(src *source, cands []candidate) func(*frame, func([]any, *row) bool) bool {
	base, part := src.base, src.part
	// What every row is compared with anyway is worth an index only on columns that the schema says are looked up.
	cands = slices.DeleteFunc(slices.Clone(cands), func(k candidate) bool { return k.fixed && !base.indexed[k.col] })
	return func(f *frame, emit func([]any, *row) bool) bool {
		tx := f.run.tx
		t := tx.see(base)
		visit := func(rows []*row) bool {
			for _, r := range rows {
				v := r.seen(tx)
				if v == nil || part != nil && !part.holds(base, v) {
					continue
				}
				if !emit(v, r) {
					return false
				}
			}
			return true
		}
		if len(cands) == 0 {
			return visit(t.rows)
		}
		var best [][]*row
		size := -1
		for _, k := range cands {
			v := k.other(f)
			if v == nil {
				return true // equal to nothing
			}
			x := t.lookup(k.col)
			if !k.any {
				if bucket := x.rows[key{value.Key(v)}]; size < 0 || len(bucket) < size {
					best, size = append(best[:0], bucket), len(bucket)
				}
				continue
			}
			arr, ok := v.(*value.Array)
			if !ok || size >= 0 && size < len(arr.Items) {
				continue
			}
			var buckets [][]*row
			n := 0
			seen := make(map[any]bool, len(arr.Items))
			for _, item := range arr.Items {
				if k := value.Key(item); item != nil && !seen[k] {
					seen[k] = true
					bucket := x.rows[key{k}]
					buckets, n = append(buckets, bucket), n+len(bucket)
				}
			}
			if size < 0 || n < size {
				best, size = buckets, n
			}
		}
		for i, bucket := range best {
			// A row that changes its key stands in two buckets.
			if len(best) > 1 && i > 0 {
				bucket = slices.DeleteFunc(slices.Clone(bucket), func(r *row) bool {
					return r.changed && slices.ContainsFunc(best[:i], func(b []*row) bool { return slices.Contains(b, r) })
				})
			}
			if !visit(bucket) {
				return false
			}
		}
		return true
	}
}

// join binds the steps from k on, and calls emit for every combination.
func (l *level) join(f *frame, k int, emit func(*frame) bool) bool {
	if k == len(l.steps) {
		return emit(f)
	}
	step := l.steps[k]
	slot := step.src.slot
	matched := false
	more := step.scan(f, func(version []any, r *row) bool {
		f.rows[slot], f.refs[slot] = version, r
		for i := range step.on {
			if step.on[i].f(f) != true {
				return true
			}
		}
		matched = true
		for _, test := range step.post {
			if test(f) != true {
				return true
			}
		}
		return l.join(f, k+1, emit)
	})
	if !more {
		return false
	}
	if step.left && !matched {
		f.rows[slot], f.refs[slot] = step.src.none, nil
		for _, test := range step.post {
			if test(f) != true {
				return true
			}
		}
		return l.join(f, k+1, emit)
	}
	return true
}

// each makes the level's combined rows below a frame. The frame that emit gets is used again for the next one.
func (l *level) each(up *frame, emit func(*frame) bool) bool {
	f := &frame{rows: make([][]any, l.slots), refs: make([]*row, l.slots), up: up, run: up.run}
	for _, test := range l.pre {
		if test(f) != true {
			return true
		}
	}
	return l.join(f, 0, emit)
}

// copied is a frame that stays.
func (f *frame) copied() *frame {
	g := *f
	g.rows, g.refs = slices.Clone(f.rows), slices.Clone(f.refs)
	return &g
}
