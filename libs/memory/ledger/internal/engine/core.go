package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// target is one output column.
type target struct {
	name string
	typ  value.Type
	f    fn
	set  func(*frame) []any // of a function that gives several values
}

// core compiles one SELECT with the ORDER BY, LIMIT and FOR UPDATE of its query.
type coreBuilder struct {
	c       *compiler
	sc      *scope
	level   *level
	targets []target
	order   []orderKey
	on      []fn // DISTINCT ON
	group   []fn
	having  fn
	grouped bool
	sets    bool
}

func (c *compiler) core(parent *scope, core *syntax.Core, q *syntax.Query, hidden bool, push []pushed, want []value.Type) *querySet {
	b := &coreBuilder{c: c, sc: &scope{parent: parent, hidden: hidden, named: core.Windows}}
	b.level = &level{sc: b.sc}
	for _, item := range core.From {
		c.from(b.level, item)
	}
	if core.Where != nil {
		b.level.where = append(b.level.where, c.conjuncts(b.sc, core.Where)...)
	}
	b.sc.agg, b.sc.window = &aggregates{}, &windows{}
	b.compileTargets(core.Targets, want)
	for _, p := range push {
		b.level.where = append(b.level.where, b.pushed(core.Targets, p))
	}
	names := b.names()
	for _, g := range core.GroupBy {
		b.group = append(b.group, b.groupKey(g, names))
	}
	for _, o := range q.OrderBy {
		b.order = append(b.order, orderKey{b.orderExpr(o.X, names), o.Desc, o.NullsFirst})
	}
	for _, d := range core.DistinctOn {
		b.on = append(b.on, b.orderExpr(d, names))
	}
	if core.Having != nil {
		b.having = c.truth(b.sc, core.Having)
	}
	b.grouped = len(b.group) > 0 || len(b.sc.agg.calls) > 0 || b.having != nil
	lim := c.limits(parent, q)
	lock := b.locker(q.Lock, core)
	c.planLevel(b.level)
	out := &querySet{names: names, outer: b.sc.depth > 0}
	for _, t := range b.targets {
		out.types = append(out.types, t.typ)
	}
	plain := !b.grouped && !core.Distinct && b.on == nil && len(b.sc.window.calls) == 0 && !b.sets
	out.pushable = plain
	switch {
	case plain && len(b.order) == 0 && lock == nil:
		out.each = func(up *frame, emit func([]any) bool) bool {
			offset, limit := lim(up)
			return limited(offset, limit, emit, func(e func([]any) bool) bool {
				return b.level.each(up, func(f *frame) bool { return e(b.project(f)) })
			})
		}
	default:
		out.each = func(up *frame, emit func([]any) bool) bool {
			offset, limit := lim(up)
			return limited(offset, limit, emit, func(e func([]any) bool) bool { return b.run(up, core.Distinct, lock, e) })
		}
	}
	return out
}

func (b *coreBuilder) names() []string {
	out := make([]string, len(b.targets))
	for i, t := range b.targets {
		out[i] = t.name
	}
	return out
}

func (b *coreBuilder) compileTargets(targets []syntax.Target, want []value.Type) {
	for _, t := range targets {
		if star, ok := t.X.(*syntax.Star); ok {
			b.star(star)
			continue
		}
		out := target{name: t.As}
		if out.name == "" {
			out.name = nameOf(t.X)
		}
		if call, ok := t.X.(*syntax.Call); ok && isSet(call.Name) {
			out.typ, out.set = b.c.setOf(b.sc, call)
			b.sets = true
		} else {
			x := b.c.expr(b.sc, t.X)
			if n := len(b.targets); n < len(want) && (x.lit != nil || x.param > 0 || x.null) {
				x = b.c.as(x, want[n])
			}
			x = b.c.settle(x)
			out.typ, out.f = x.typ, x.f
		}
		b.targets = append(b.targets, out)
	}
}

func (b *coreBuilder) star(s *syntax.Star) {
	found := false
	for _, item := range b.sc.items {
		if s.Table != "" && item.as != s.Table {
			continue
		}
		found = true
		touch(b.sc, 0, item.slot)
		for i, name := range item.names {
			if s.Table == "" && slices.Contains(item.merged, i) {
				continue
			}
			r := resolved{slot: item.slot, col: i}
			b.targets = append(b.targets, target{name: name, typ: item.types[i], f: r.fn()})
		}
	}
	if !found {
		panic(value.Error("42P01", "missing FROM-clause entry for %s.*", s.Table))
	}
}

// nameOf is the name that PostgreSQL gives a column without an alias.
func nameOf(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Column:
		return e.Parts[len(e.Parts)-1]
	case *syntax.Call:
		return e.Name
	case *syntax.Cast:
		if n := nameOf(e.X); n != "?column?" {
			return n
		}
		return e.Type.Name
	case *syntax.Case:
		return "case"
	case *syntax.Exists:
		return "exists"
	case *syntax.ArraySub, *syntax.Array:
		return "array"
	case *syntax.Index:
		return nameOf(e.X)
	case *syntax.Scalar:
		if core, ok := e.Sub.Body.(*syntax.Core); ok && len(core.Targets) == 1 {
			if core.Targets[0].As != "" {
				return core.Targets[0].As
			}
			return nameOf(core.Targets[0].X)
		}
	}
	return "?column?"
}

// pushed compiles a condition from outside: an output column equals a value of the level around.
func (b *coreBuilder) pushed(targets []syntax.Target, p pushed) conjunct {
	outside := func(f *frame) any { return p.f(f.up) }
	if !p.fixed {
		b.sc.depth = max(b.sc.depth, 1)
	}
	k := conjunct{}
	if len(targets) == len(b.targets) { // no star among them
		if col, ok := targets[p.col].X.(*syntax.Column); ok {
			agg, win := b.sc.agg, b.sc.window
			k.cands = b.c.candidate(b.sc, col, b.targets[p.col].typ, cexpr{f: outside, typ: p.typ, fixed: p.fixed}, 0, p.any)
			b.sc.agg, b.sc.window = agg, win
		}
	}
	// What the target itself needs is found by compiling it again: it asks nothing else.
	f := b.targets[p.col].f
	for i := range b.sc.items {
		k.needs |= 1 << i
	}
	if len(k.cands) == 1 {
		k.needs = 1 << k.cands[0].slot
	}
	k.f = func(fr *frame) any {
		v := f(fr)
		w := outside(fr)
		if v == nil || w == nil {
			return nil
		}
		if !p.any {
			return value.Equal(v, w)
		}
		arr, ok := w.(*value.Array)
		return ok && slices.ContainsFunc(arr.Items, func(item any) bool { return item != nil && value.Equal(v, item) })
	}
	return k
}

// groupKey compiles an item of GROUP BY: a number, a column of the input, or the name of an output.
func (b *coreBuilder) groupKey(e syntax.Expr, names []string) fn {
	at := outputOf(e, names)
	if col, ok := e.(*syntax.Column); ok {
		touched := b.sc.touch
		_, found := b.c.find(b.sc, col.Parts)
		b.sc.touch = touched
		if found {
			at = -1
		}
	}
	if at >= 0 {
		return b.targets[at].f
	}
	return b.c.whole(b.sc, e).f
}

// orderExpr compiles an item of ORDER BY: a number or the name of an output first.
func (b *coreBuilder) orderExpr(e syntax.Expr, names []string) fn {
	if at := outputOf(e, names); at >= 0 && b.targets[at].f != nil {
		return b.targets[at].f
	} else if at >= 0 {
		unsupported("ORDER BY of a function that gives several values")
	}
	return b.c.whole(b.sc, e).f
}

func (b *coreBuilder) project(f *frame) []any {
	out := make([]any, len(b.targets))
	for i := range b.targets {
		out[i] = b.targets[i].f(f)
	}
	return out
}

type sorted struct {
	f    *frame
	keys []any
}

// run makes the rows of a SELECT that cannot be passed on one by one.
func (b *coreBuilder) run(up *frame, distinct bool, lock func(*frame) bool, emit func([]any) bool) bool {
	var frames []*frame
	if b.grouped {
		frames = b.groups(up)
	} else {
		b.level.each(up, func(f *frame) bool { frames = append(frames, f.copied()); return true })
	}
	if n := len(b.sc.window.calls); n > 0 {
		for _, f := range frames {
			f.wins = make([]any, n)
		}
		for i, w := range b.sc.window.calls {
			w.fill(i, frames)
		}
	}
	rows := make([]sorted, len(frames))
	for i, f := range frames {
		rows[i] = sorted{f: f, keys: keysOf(b.order, f)}
	}
	if len(b.order) > 0 {
		slices.SortStableFunc(rows, func(p, q sorted) int { return compareKeys(b.order, p.keys, q.keys) })
	}
	seen := map[string]bool{}
	once := func(vs []any) bool {
		k := tupleKey(vs)
		if seen[k] {
			return false
		}
		seen[k] = true
		return true
	}
	for _, r := range rows {
		if b.on != nil {
			vs := make([]any, len(b.on))
			for i, f := range b.on {
				vs[i] = f(r.f)
			}
			if !once(vs) {
				continue
			}
		}
		if lock != nil && !lock(r.f) {
			continue
		}
		for _, out := range b.outputs(r.f) {
			if distinct && !once(out) {
				continue
			}
			if !emit(out) {
				return false
			}
		}
	}
	return true
}

// outputs are the rows that one input row gives: one, unless functions among the targets give several values.
func (b *coreBuilder) outputs(f *frame) [][]any {
	if !b.sets {
		return [][]any{b.project(f)}
	}
	columns := make([][]any, len(b.targets))
	n := 0
	for i, t := range b.targets {
		if t.set != nil {
			columns[i] = t.set(f)
			n = max(n, len(columns[i]))
		}
	}
	out := make([][]any, n)
	for j := range out {
		out[j] = make([]any, len(b.targets))
		for i, t := range b.targets {
			switch {
			case t.set == nil:
				out[j][i] = t.f(f)
			case j < len(columns[i]):
				out[j][i] = columns[i][j]
			}
		}
	}
	return out
}

type groupOf struct {
	f       *frame
	tallies []*tally
}

// groups makes one frame a group: that of its first row, with the aggregates.
func (b *coreBuilder) groups(up *frame) []*frame {
	byKey := map[string]*groupOf{}
	var all []*groupOf
	begin := func(f *frame) *groupOf {
		g := &groupOf{f: f}
		for _, call := range b.sc.agg.calls {
			g.tallies = append(g.tallies, &tally{call: call})
		}
		all = append(all, g)
		return g
	}
	b.level.each(up, func(f *frame) bool {
		k := ""
		if len(b.group) > 0 {
			vs := make([]any, len(b.group))
			for i, g := range b.group {
				vs[i] = g(f)
			}
			k = tupleKey(vs)
		}
		g := byKey[k]
		if g == nil {
			g = begin(f.copied())
			byKey[k] = g
		}
		for _, t := range g.tallies {
			t.add(f)
		}
		return true
	})
	if len(all) == 0 && len(b.group) == 0 {
		f := &frame{rows: make([][]any, b.level.slots), refs: make([]*row, b.level.slots), up: up, run: up.run}
		for i, item := range b.sc.items {
			f.rows[i] = item.none
		}
		begin(f)
	}
	var out []*frame
	for _, g := range all {
		g.f.aggs = make([]any, len(g.tallies))
		for i, t := range g.tallies {
			g.f.aggs[i] = t.result()
		}
		if b.having == nil || b.having(g.f) == true {
			out = append(out, g.f)
		}
	}
	return out
}

// locker makes FOR UPDATE: it takes the rows behind a frame, and is false for one that is skipped.
func (b *coreBuilder) locker(l *syntax.Lock, core *syntax.Core) func(*frame) bool {
	if l == nil {
		return nil
	}
	if len(core.GroupBy) > 0 || core.Distinct || core.DistinctOn != nil {
		panic(value.Error("0A000", "FOR UPDATE is not allowed with GROUP BY or DISTINCT"))
	}
	var locked []*source
	for _, item := range b.sc.items {
		if len(l.Of) > 0 && !slices.Contains(l.Of, item.as) {
			continue
		}
		if item.base == nil {
			unsupported("FOR UPDATE of anything but a table: %s", item.as)
		}
		locked = append(locked, item)
	}
	return func(f *frame) bool {
		tx := f.run.tx
		tx.mayWrite()
		for _, item := range locked {
			r := f.refs[item.slot]
			if r == nil {
				continue
			}
			if r.owner != nil && r.owner != tx {
				if l.SkipLocked {
					return false
				}
				if l.NoWait {
					panic(value.Error("55P03", "could not obtain lock on row in relation %q", item.base.name))
				}
			}
			tx.hold(item.base, r)
		}
		return true
	}
}

func (tx *Tx) mayWrite() {
	if tx.readOnly {
		panic(value.Error("25006", "cannot execute the statement in a read-only transaction"))
	}
}
