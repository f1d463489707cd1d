package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// statement compiles any statement.
func (c *compiler) statement(s syntax.Statement) step {
	switch s := s.(type) {
	case *syntax.Query:
		set := c.query(nil, s, false, nil, nil)
		c.apart()
		return step{tag: "SELECT", shape: set, run: func(x *run) {
			c.before(x)
			x.result.Rows = set.all(&frame{run: x})
			x.result.N = int64(len(x.result.Rows))
		}}
	case *syntax.Insert, *syntax.Update, *syntax.Delete:
		modify, shape := c.modify(s)
		c.apart()
		tag := ""
		switch s.(type) {
		case *syntax.Insert:
			tag = "INSERT 0"
		case *syntax.Update:
			tag = "UPDATE"
		default:
			tag = "DELETE"
		}
		return step{tag: tag, shape: shape, run: func(x *run) {
			c.before(x)
			x.result.Rows = modify(x)
		}}
	case *syntax.Nothing:
		return step{tag: "GRANT", run: func(*run) {}}
	case *syntax.Set:
		return c.setting(s)
	case *syntax.Truncate:
		return step{tag: "TRUNCATE TABLE", run: func(x *run) { x.store.truncate(x, s.Tables) }}
	case *syntax.LockTable:
		return step{tag: "LOCK TABLE", run: func(x *run) { x.store.lockTables(x, s.Tables) }}
	}
	return step{tag: "CREATE", ddl: true, run: func(x *run) { c.definition(x, s) }}
}

func (c *compiler) before(x *run) {
	for _, f := range c.first {
		f(x)
		x.result.N = 0
	}
}

// apart refuses statements whose parts would see each other's changes, which they must not.
func (c *compiler) apart() {
	if len(c.first) == 0 {
		return
	}
	for t := range c.wrote {
		if c.read[t] {
			unsupported("a statement that changes %s in WITH and reads it", t.name)
		}
	}
}

func (c *compiler) setting(s *syntax.Set) step {
	if s.Show {
		return step{tag: "SHOW", shape: &querySet{names: []string{s.Name}, types: []value.Type{value.Text}}, run: func(x *run) {
			x.result.Rows = [][]any{{setting(x, []any{s.Name})}}
		}}
	}
	return step{tag: "SET", run: func(x *run) { x.tx.set(s.Name, s.Value) }}
}

func (s *Store) truncate(x *run, tables []syntax.Table) {
	x.tx.mayWrite()
	for _, name := range tables {
		t := s.tables[name.Schema+"."+name.Name]
		if t == nil {
			panic(value.Error("42P01", "relation \"%s.%s\" does not exist", name.Schema, name.Name))
		}
		for _, r := range t.rows {
			if r.seen(x.tx) != nil || r.changed {
				x.tx.write(t, r, nil)
			}
		}
	}
}

// lockTables takes every row that is there. What is inserted meanwhile is not kept back.
func (s *Store) lockTables(x *run, tables []syntax.Table) {
	for _, name := range tables {
		t := s.tables[name.Schema+"."+name.Name]
		if t == nil {
			panic(value.Error("42P01", "relation \"%s.%s\" does not exist", name.Schema, name.Name))
		}
		for _, r := range t.rows {
			if r.seen(x.tx) != nil || r.changed {
				x.tx.hold(t, r)
			}
		}
	}
}

// definition runs DDL. It is not undone with its transaction: migrations either run whole or the store is thrown away.
func (c *compiler) definition(x *run, s syntax.Statement) {
	switch s := s.(type) {
	case *syntax.CreateSchema:
		c.store.schemas[s.Name] = true
	case *syntax.CreateTable:
		c.createTable(x, s)
	case *syntax.CreateIndex:
		c.createIndex(s)
	case *syntax.DropIndex:
		c.dropIndex(s)
	case *syntax.CreateView:
		set := c.query(nil, s.Query, false, nil, nil)
		c.store.views[s.Schema+"."+s.Name] = &view{schema: s.Schema, name: s.Name, query: s.Query, names: set.names}
	case *syntax.CreateFunction:
		if _, ok := functions[s.Schema+"."+s.Name]; !ok {
			unsupported("the function %s.%s", s.Schema, s.Name)
		}
		c.store.functions[s.Schema+"."+s.Name] = true
	case *syntax.AlterTable:
		c.alterTable(x, s)
	default:
		unsupported("the statement %T", s)
	}
}

func (c *compiler) createTable(x *run, s *syntax.CreateTable) {
	full := s.Schema + "." + s.Name
	if s.Of != nil {
		c.createPartition(x, s)
		return
	}
	if c.store.tables[full] != nil {
		if s.IfNotExists {
			return
		}
		panic(value.Error("42P07", "relation %q already exists", full))
	}
	if !c.store.schemas[s.Schema] {
		panic(value.Error("3F000", "schema %q does not exist", s.Schema))
	}
	t := &table{schema: s.Schema, name: s.Name, indexed: map[int]bool{}, partitionBy: -1}
	for i := range s.Columns {
		c.addColumn(x, t, &s.Columns[i])
	}
	constraints := slices.Clip(s.Constraints) // a tree is never changed
	for _, def := range s.Columns {
		constraints = append(constraints, def.Constraints...)
	}
	for _, k := range constraints {
		c.addConstraint(t, k)
	}
	if s.PartitionKey != "" {
		t.partitionBy = t.column(s.PartitionKey)
	}
	c.store.tables[full] = t
}

func (c *compiler) addColumn(x *run, t *table, def *syntax.ColumnDef) {
	if t.column(def.Name) >= 0 {
		panic(value.Error("42701", "column %q of relation %q already exists", def.Name, t.name))
	}
	col := column{name: def.Name, typ: c.typeOf(def.Type), notNull: def.NotNull, identity: def.Identity, always: def.Always}
	if def.Default != nil {
		col.def = &plain{c.assign(c.expr(&scope{}, def.Default), col.typ, def.Name)}
	}
	t.cols = append(t.cols, col)
	if len(t.rows) == 0 {
		return
	}
	v := col.defaultValue(x)
	if v == nil && col.notNull {
		panic(value.Error("23502", "column %q of relation %q contains null values", def.Name, t.name))
	}
	for _, r := range t.rows {
		for _, version := range []*[]any{&r.committed, &r.pending} {
			if *version != nil {
				*version = append(slices.Clip(*version), v)
			}
		}
	}
}

func (c *compiler) addConstraint(t *table, k syntax.Constraint) {
	if k.Kind == "CHECK" {
		sc := &scope{items: []*source{tableItem(syntax.Table{Schema: t.schema, Name: t.name}, t, 0)}}
		name := k.Name
		if name == "" {
			// As PostgreSQL names it: after the column, where it is of one.
			name = t.name + "_check"
			if len(k.Columns) == 1 {
				name = t.name + "_" + k.Columns[0] + "_check"
			}
			for i := 1; slices.ContainsFunc(t.checks, func(o check) bool { return o.name == name }); i++ {
				name = fmt.Sprintf("%s_check%d", t.name, i)
			}
		}
		t.checks = append(t.checks, check{name, &plain{c.truth(sc, k.Check)}})
		return
	}
	name := k.Name
	switch {
	case name != "":
	case k.Kind == "PRIMARY":
		name = t.name + "_pkey"
	default:
		name = t.name + "_" + strings.Join(k.Columns, "_") + "_key"
	}
	c.addUnique(t, name, k.Columns, nil)
	if k.Kind == "PRIMARY" {
		for _, name := range k.Columns {
			t.cols[t.column(name)].notNull = true
		}
	}
}

func (c *compiler) addUnique(t *table, name string, columns []string, where *plain) {
	if len(columns) > maxKey {
		unsupported("a unique key of more than %d columns", maxKey)
	}
	u := &unique{name: name, where: where}
	for _, column := range columns {
		i := t.column(column)
		if i < 0 {
			panic(value.Error("42703", "column %q does not exist", column))
		}
		u.cols = append(u.cols, i)
		t.indexed[i] = true
	}
	u.index = t.newIndex(u.cols)
	t.uniques = append(t.uniques, u)
}

func (c *compiler) createIndex(s *syntax.CreateIndex) {
	t := c.store.tables[s.Schema+"."+s.Table]
	if t == nil {
		panic(value.Error("42P01", "relation \"%s.%s\" does not exist", s.Schema, s.Table))
	}
	c.store.indexes[s.Schema+"."+s.Name] = t
	if s.Unique {
		var where *plain
		if s.Where != nil {
			sc := &scope{items: []*source{tableItem(syntax.Table{Schema: t.schema, Name: t.name}, t, 0)}}
			where = &plain{c.truth(sc, s.Where)}
		}
		if slices.Contains(s.Columns, "") {
			unsupported("a unique index over an expression")
		}
		c.addUnique(t, s.Name, s.Columns, where)
		return
	}
	for _, name := range s.Columns {
		if i := t.column(name); i >= 0 {
			t.indexed[i] = true
		}
	}
}

// dropIndex forgets an index by its name. What it found by is found all the same; what it forbade is allowed from now on.
func (c *compiler) dropIndex(s *syntax.DropIndex) {
	name := s.Schema + "." + s.Name
	t := c.store.indexes[name]
	if t == nil {
		panic(value.Error("42704", "index %q does not exist", name))
	}
	delete(c.store.indexes, name)
	t.uniques = slices.DeleteFunc(t.uniques, func(u *unique) bool { return u.name == s.Name })
}

func (c *compiler) alterTable(x *run, s *syntax.AlterTable) {
	t := c.store.tables[s.Schema+"."+s.Name]
	if t == nil {
		panic(value.Error("42P01", "relation \"%s.%s\" does not exist", s.Schema, s.Name))
	}
	for _, a := range s.Actions {
		switch {
		case a.Add != nil:
			c.addColumn(x, t, a.Add)
			for _, k := range a.Add.Constraints {
				c.addConstraint(t, k)
			}
		case a.Put != nil:
			c.addConstraint(t, *a.Put)
		default:
			n := len(t.checks) + len(t.uniques)
			t.checks = slices.DeleteFunc(t.checks, func(k check) bool { return k.name == a.Drop })
			t.uniques = slices.DeleteFunc(t.uniques, func(u *unique) bool { return u.name == a.Drop })
			if n == len(t.checks)+len(t.uniques) {
				panic(value.Error("42704", "constraint %q of relation %q does not exist", a.Drop, t.name))
			}
		}
	}
}

func (c *compiler) createPartition(x *run, s *syntax.CreateTable) {
	parent := c.store.tables[s.Of.Schema+"."+s.Of.Parent]
	if parent == nil || parent.partitionBy < 0 {
		panic(value.Error("42P17", "\"%s.%s\" is not partitioned", s.Of.Schema, s.Of.Parent))
	}
	p := &partition{schema: s.Schema, name: s.Name, isDefault: s.Of.From == nil}
	if !p.isDefault {
		bound := func(e syntax.Expr) value.Stamp {
			v, _ := c.typed(&scope{}, e, value.Timestamptz)(&frame{run: x}).(value.Stamp)
			return v
		}
		p.from, p.to = bound(s.Of.From), bound(s.Of.To)
	}
	parent.partitions = append(parent.partitions, p)
}

// partition finds a part of a table by its name.
func (s *Store) partition(schema, name string) (*table, *partition) {
	for _, t := range s.tables {
		for _, p := range t.partitions {
			if p.schema == schema && p.name == name {
				return t, p
			}
		}
	}
	return nil, nil
}

// holds says whether a row is in the partition.
func (p *partition) holds(t *table, version []any) bool {
	at, ok := version[t.partitionBy].(value.Stamp)
	if !ok {
		return p.isDefault
	}
	if !p.isDefault {
		return at >= p.from && at < p.to
	}
	return !slices.ContainsFunc(t.partitions, func(q *partition) bool { return !q.isDefault && at >= q.from && at < q.to })
}

// ensureMonth is what the function ensure_partition of the migrations does: a partition for the month of a day, unless it is there or the default one
// holds rows of that month already.
func (s *Store) ensureMonth(schema, name string, month any) {
	t := s.tables[schema+"."+name]
	d, ok := month.(value.Date)
	if t == nil || !ok {
		panic(value.Error("42P01", "relation \"%s.%s\" does not exist", schema, name))
	}
	first := time.Unix(int64(d)*86400, 0).UTC()
	first = time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC)
	p := &partition{schema: schema, name: name + "_" + first.Format("2006_01"), from: value.Of(first), to: value.Of(first.AddDate(0, 1, 0))}
	for _, q := range t.partitions {
		if q.name == p.name {
			return
		}
	}
	for _, r := range t.rows {
		for _, version := range [][]any{r.committed, r.pending} {
			if at, ok := stampOf(version, t.partitionBy); ok && at >= p.from && at < p.to {
				return
			}
		}
	}
	t.partitions = append(t.partitions, p) // plans look at the partitions when they run
}

func stampOf(version []any, col int) (value.Stamp, bool) {
	if version == nil {
		return 0, false
	}
	at, ok := version[col].(value.Stamp)
	return at, ok
}
