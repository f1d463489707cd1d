package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// modify compiles INSERT, UPDATE or DELETE. What it returns gives the rows of RETURNING; set says what they are, nil without.
func (c *compiler) modify(s syntax.Statement) (func(*run) [][]any, *querySet) {
	ctes := len(c.ctes)
	defer func() { c.ctes = c.ctes[:ctes] }()
	switch s := s.(type) {
	case *syntax.Insert:
		c.defineAll(s.With)
		return c.insert(s)
	case *syntax.Update:
		c.defineAll(s.With)
		return c.update(s)
	case *syntax.Delete:
		c.defineAll(s.With)
		return c.remove(s)
	}
	unsupported("the statement %T in WITH", s)
	return nil, nil
}

func (c *compiler) defineAll(with []syntax.CTE) {
	for _, d := range with {
		c.define(d)
	}
}

func (c *compiler) targetTable(t syntax.Table) *table {
	base := c.store.tables[t.Schema+"."+t.Name]
	if base == nil {
		panic(value.Error("42P01", "relation \"%s.%s\" does not exist", t.Schema, t.Name))
	}
	if c.wrote == nil {
		c.wrote = map[*table]bool{}
	}
	if c.wrote[base] {
		unsupported("a statement that changes %s twice", base.name)
	}
	c.wrote[base] = true
	return base
}

func tableItem(t syntax.Table, base *table, slot int) *source {
	src := &source{as: t.As, schema: t.Schema, table: t.Name, base: base, slot: slot, none: make([]any, len(base.cols))}
	if src.as == "" {
		src.as = t.Name
	}
	for _, col := range base.cols {
		src.names, src.types = append(src.names, col.name), append(src.types, col.typ)
	}
	return src
}

// returning compiles RETURNING in the scope of the changed row.
func (c *compiler) returning(sc *scope, targets []syntax.Target) (*coreBuilder, *querySet) {
	if targets == nil {
		return nil, nil
	}
	b := &coreBuilder{c: c, sc: sc}
	b.compileTargets(targets, nil)
	if b.sets {
		unsupported("functions that give several values in RETURNING")
	}
	set := &querySet{names: b.names()}
	for _, t := range b.targets {
		set.types = append(set.types, t.typ)
	}
	return b, set
}

type assignment struct {
	col int
	f   fn // nil = DEFAULT
}

func (c *compiler) assignments(sc *scope, base *table, set []syntax.Assign) []assignment {
	var out []assignment
	for _, a := range set {
		values := []syntax.Expr{a.X}
		if len(a.Columns) > 1 {
			r, ok := a.X.(*syntax.Row)
			if !ok || len(r.Items) != len(a.Columns) {
				unsupported("SET of several columns from anything but a row of as many")
			}
			values = r.Items
		}
		for i, name := range a.Columns {
			col := base.column(name)
			if col < 0 {
				panic(value.Error("42703", "column %q of relation %q does not exist", name, base.name))
			}
			if base.cols[col].always {
				panic(value.Error("428C9", "column %q can only be updated to DEFAULT", name))
			}
			if _, isDefault := values[i].(*syntax.Default); isDefault {
				out = append(out, assignment{col: col})
				continue
			}
			out = append(out, assignment{col, c.assign(c.expr(sc, values[i]), base.cols[col].typ, name)})
		}
	}
	return out
}

func (base *table) with(x *run, old []any, set []assignment, f *frame) []any {
	version := slices.Clone(old)
	for _, a := range set {
		if a.f == nil {
			version[a.col] = base.cols[a.col].defaultValue(x)
		} else {
			version[a.col] = a.f(f)
		}
	}
	return version
}

func (col *column) defaultValue(x *run) any {
	if col.def == nil {
		return nil
	}
	return col.def.on(x, nil)
}

// validate is NOT NULL and CHECK.
func (base *table) validate(x *run, version []any) {
	for i := range base.cols {
		if base.cols[i].notNull && version[i] == nil {
			e := value.Error("23502", "null value in column %q of relation %q violates not-null constraint", base.cols[i].name, base.name)
			e.SchemaName, e.TableName, e.ColumnName = base.schema, base.name, base.cols[i].name
			panic(e)
		}
	}
	for _, k := range base.checks {
		if k.test.on(x, version) == false {
			e := value.Error("23514", "new row for relation %q violates check constraint %q", base.name, k.name)
			e.SchemaName, e.TableName, e.ConstraintName = base.schema, base.name, k.name
			panic(e)
		}
	}
}

// conflict finds a row that keeps this version from being stored, and the constraint. It leaves to wait where another transaction decides it.
func (base *table) conflict(x *run, version []any, self *row, only *unique) (*row, *unique) {
	for _, u := range base.uniques {
		if only != nil && u != only || u.where != nil && u.where.on(x, version) != true {
			continue
		}
		k, ok := u.index.keyOf(version)
		if !ok {
			continue
		}
		for _, r := range u.index.rows[k] {
			if r == self {
				continue
			}
			has := func(v []any) bool {
				other, ok := u.index.keyOf(v)
				return ok && other == k && (u.where == nil || u.where.on(x, v) == true)
			}
			if r.owner != nil && r.owner != x.tx && r.changed && (has(r.committed) || has(r.pending)) {
				panic(mustWait{r.owner})
			}
			if has(r.seen(x.tx)) {
				return r, u
			}
		}
	}
	return nil, nil
}

func (base *table) violates(u *unique) {
	e := value.Error("23505", "duplicate key value violates unique constraint %q", u.name)
	e.SchemaName, e.TableName, e.ConstraintName = base.schema, base.name, u.name
	panic(e)
}

// changes compiles the part of UPDATE and DELETE that finds rows: the target is in slot 0.
func (c *compiler) changes(t syntax.Table, base *table, from []syntax.From, where syntax.Expr) (*level, *scope) {
	sc := &scope{}
	l := &level{sc: sc}
	c.addSource(l, tableItem(t, base, 0))
	for _, item := range from {
		c.from(l, item)
	}
	if where != nil {
		l.where = append(l.where, c.conjuncts(sc, where)...)
	}
	return l, sc
}

type changed struct {
	r       *row
	version []any
	f       *frame
}

// targets gathers the rows to change, each once.
func (l *level) targets(x *run, makeVersion func(*frame) []any) []changed {
	var out []changed
	seen := map[*row]bool{}
	l.each(&frame{run: x}, func(f *frame) bool {
		r := f.refs[0]
		if seen[r] {
			return true
		}
		seen[r] = true
		out = append(out, changed{r, makeVersion(f), f.copied()})
		return true
	})
	return out
}

func (c *compiler) update(s *syntax.Update) (func(*run) [][]any, *querySet) {
	base := c.targetTable(s.Table)
	l, sc := c.changes(s.Table, base, s.From, s.Where)
	set := c.assignments(sc, base, s.Set)
	ret, shape := c.returning(sc, s.Returning)
	c.planLevel(l)
	return func(x *run) [][]any {
		x.tx.mayWrite()
		var out [][]any
		rows := l.targets(x, func(f *frame) []any { return base.with(x, f.rows[0], set, f) })
		for _, ch := range rows {
			x.tx.hold(base, ch.r)
			base.validate(x, ch.version)
			if _, u := base.conflict(x, ch.version, ch.r, nil); u != nil {
				base.violates(u)
			}
			x.tx.write(base, ch.r, ch.version)
			if ret != nil {
				ch.f.rows[0] = ch.version
				out = append(out, ret.project(ch.f))
			}
		}
		x.result.N = int64(len(rows))
		return out
	}, shape
}

func (c *compiler) remove(s *syntax.Delete) (func(*run) [][]any, *querySet) {
	base := c.targetTable(s.Table)
	l, sc := c.changes(s.Table, base, s.Using, s.Where)
	ret, shape := c.returning(sc, s.Returning)
	c.planLevel(l)
	return func(x *run) [][]any {
		x.tx.mayWrite()
		var out [][]any
		rows := l.targets(x, func(*frame) []any { return nil })
		for _, ch := range rows {
			x.tx.write(base, ch.r, nil)
			if ret != nil {
				out = append(out, ret.project(ch.f))
			}
		}
		x.result.N = int64(len(rows))
		return out
	}, shape
}

type inserter struct {
	base      *table
	cols      []int
	conv      []fn // nil = DEFAULT everywhere in the column
	source    *querySet
	isDefault [][]bool // of VALUES: which cells are DEFAULT
	conflict  *onConflict
	ret       *coreBuilder
}

type onConflict struct {
	only  *unique
	set   []assignment // nil = DO NOTHING
	where fn
}

func (c *compiler) insert(s *syntax.Insert) (func(*run) [][]any, *querySet) {
	base := c.targetTable(s.Table)
	in := &inserter{base: base}
	names := s.Columns
	if names == nil {
		for _, col := range base.cols {
			names = append(names, col.name)
		}
	}
	if s.Source == nil {
		names = nil
	}
	var want []value.Type
	for _, name := range names {
		col := base.column(name)
		if col < 0 {
			panic(value.Error("42703", "column %q of relation %q does not exist", name, base.name))
		}
		if slices.Contains(in.cols, col) {
			panic(value.Error("42701", "column %q specified more than once", name))
		}
		in.cols, want = append(in.cols, col), append(want, base.cols[col].typ)
	}
	if s.Source != nil {
		in.prepare(c, s, want)
	}
	item := tableItem(s.Table, base, 0)
	if s.OnConflict != nil {
		in.conflict = c.onConflict(base, item, s.OnConflict)
	}
	ret, shape := c.returning(&scope{items: []*source{item}}, s.Returning)
	in.ret = ret
	return in.run, shape
}

// prepare compiles what is inserted.
func (in *inserter) prepare(c *compiler, s *syntax.Insert, want []value.Type) {
	source := s.Source
	if v, ok := source.Body.(*syntax.Values); ok {
		source, in.isDefault = withoutDefaults(source, v)
	}
	in.source = c.query(nil, source, false, nil, want)
	if len(in.source.types) > len(in.cols) || s.Columns != nil && len(in.source.types) != len(in.cols) {
		panic(value.Error("42601", "INSERT has %d expressions for %d columns", len(in.source.types), len(in.cols)))
	}
	in.cols = in.cols[:len(in.source.types)]
	for i, t := range in.source.types {
		col := &in.base.cols[in.cols[i]]
		explicit := in.isDefault == nil || slices.ContainsFunc(in.isDefault, func(r []bool) bool { return !r[i] })
		if col.always && explicit && !s.Overriding {
			panic(value.Error("428C9", "cannot insert a non-DEFAULT value into column %q", col.name))
		}
		if !explicit {
			in.conv = append(in.conv, func(*frame) any { return nil })
			continue
		}
		in.conv = append(in.conv, c.assign(cexpr{f: func(f *frame) any { return f.rows[0][i] }, typ: t}, col.typ, col.name))
	}
}

// withoutDefaults puts NULL where VALUES says DEFAULT, and says where that was.
func withoutDefaults(q *syntax.Query, v *syntax.Values) (*syntax.Query, [][]bool) {
	out := &syntax.Values{}
	var marks [][]bool
	for _, r := range v.Rows {
		cells, mark := slices.Clone(r), make([]bool, len(r))
		for i, e := range cells {
			if _, ok := e.(*syntax.Default); ok {
				cells[i], mark[i] = &syntax.Const{Kind: syntax.Null}, true
			}
		}
		out.Rows, marks = append(out.Rows, cells), append(marks, mark)
	}
	copied := *q
	copied.Body = out
	return &copied, marks
}

func (c *compiler) onConflict(base *table, item *source, s *syntax.Conflict) *onConflict {
	out := &onConflict{}
	if len(s.Columns) > 0 {
		var cols []int
		for _, name := range s.Columns {
			cols = append(cols, base.column(name))
		}
		slices.Sort(cols)
		for _, u := range base.uniques {
			have := slices.Clone(u.cols)
			slices.Sort(have)
			if u.where == nil && slices.Equal(have, cols) {
				out.only = u
			}
		}
		if out.only == nil {
			panic(value.Error("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification"))
		}
	} else if s.Set != nil {
		panic(value.Error("42601", "ON CONFLICT DO UPDATE requires inference specification or constraint name"))
	}
	if s.Set == nil {
		return out
	}
	excluded := *item
	excluded.as, excluded.slot, excluded.schema = "excluded", 1, ""
	// An unqualified name means the row that is there.
	for i := range excluded.names {
		excluded.merged = append(excluded.merged, i)
	}
	sc := &scope{items: []*source{item, &excluded}}
	out.set = c.assignments(sc, base, s.Set)
	if s.Where != nil {
		out.where = c.truth(sc, s.Where)
	}
	return out
}

func (in *inserter) run(x *run) [][]any {
	x.tx.mayWrite()
	base := in.base
	var rows [][]any
	if in.source == nil {
		rows = [][]any{nil}
	} else {
		rows = in.source.all(&frame{run: x})
	}
	var out [][]any
	mine := map[*row]bool{} // written by this statement
	n := int64(0)
	for i, values := range rows {
		version := in.version(x, i, values)
		base.validate(x, version)
		stored, r := in.store(x, version, mine)
		if stored == nil {
			continue
		}
		mine[r] = true
		n++
		if in.ret != nil {
			out = append(out, in.ret.project(&frame{rows: [][]any{stored}, refs: []*row{r}, run: x}))
		}
	}
	x.result.N = n
	return out
}

// version fills in what the source does not give.
func (in *inserter) version(x *run, n int, values []any) []any {
	base := in.base
	version := make([]any, len(base.cols))
	given := make([]bool, len(base.cols))
	f := &frame{rows: [][]any{values}, run: x}
	for i, col := range in.cols {
		if in.isDefault != nil && in.isDefault[n][i] {
			continue
		}
		version[col], given[col] = in.conv[i](f), true
	}
	for i := range base.cols {
		if given[i] {
			continue
		}
		col := &base.cols[i]
		if col.identity {
			// A number is used up whatever becomes of the row.
			col.next++
			version[i] = col.next
			continue
		}
		version[i] = col.defaultValue(x)
	}
	return version
}

// store puts the row into the table, or does what ON CONFLICT says; nothing is returned where nothing was done.
func (in *inserter) store(x *run, version []any, mine map[*row]bool) ([]any, *row) {
	base := in.base
	if in.conflict != nil {
		if r, _ := base.conflict(x, version, nil, in.conflict.only); r != nil {
			if in.conflict.set == nil {
				return nil, nil
			}
			if mine[r] {
				panic(value.Error("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time"))
			}
			return in.overwrite(x, r, version)
		}
	}
	if _, u := base.conflict(x, version, nil, nil); u != nil {
		base.violates(u)
	}
	return version, base.add(x.tx, version)
}

func (in *inserter) overwrite(x *run, r *row, version []any) ([]any, *row) {
	base := in.base
	x.tx.hold(base, r)
	old := r.seen(x.tx)
	f := &frame{rows: [][]any{old, version}, refs: []*row{r, nil}, run: x}
	if in.conflict.where != nil && in.conflict.where(f) != true {
		return nil, nil
	}
	next := base.with(x, old, in.conflict.set, f)
	base.validate(x, next)
	if _, u := base.conflict(x, next, r, nil); u != nil {
		base.violates(u)
	}
	x.tx.write(base, r, next)
	return next, r
}
