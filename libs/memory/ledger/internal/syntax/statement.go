package syntax

import "strings"

func (p *parser) statement() Statement {
	with := p.with()
	switch {
	case p.is("select"), p.is("values"), p.is("("):
		return p.queryAfter(with)
	case p.skip("insert", "into"):
		return p.insert(with)
	case p.skip("update"):
		return p.update(with)
	case p.skip("delete", "from"):
		return p.delete(with)
	case with != nil:
		p.fail("expected SELECT, INSERT, UPDATE or DELETE")
	case p.skip("create"):
		return p.create()
	case p.skip("alter", "table"):
		return p.alterTable()
	case p.skip("drop", "index"):
		schema, name := p.qualified()
		return &DropIndex{Schema: schema, Name: name}
	case p.skip("grant"), p.skip("revoke"), p.skip("comment"):
		p.toEnd()
		return &Nothing{}
	case p.skip("truncate"):
		p.skip("table")
		return &Truncate{p.tables()}
	case p.skip("lock"):
		p.skip("table")
		l := &LockTable{p.tables()}
		if p.skip("in") {
			p.toEnd()
		}
		return l
	case p.skip("show"):
		return &Set{Name: p.settingName(), Show: true}
	case p.skip("reset"):
		return &Set{Name: p.settingName()}
	case p.skip("set"):
		p.skip("local")
		s := &Set{Name: p.settingName()}
		if !p.skip("=") {
			p.need("to")
		}
		s.Value = p.next().text
		return s
	}
	p.fail("expected a statement")
	return nil
}

func (p *parser) settingName() string {
	schema, name := p.qualified()
	if schema != "" {
		return schema + "." + name
	}
	return name
}

// toEnd reads over the rest of a statement that has no meaning here.
func (p *parser) toEnd() {
	for p.peek().kind != end && !p.is(";") {
		p.at++
	}
}

func (p *parser) tables() []Table {
	var out []Table
	for {
		schema, name := p.qualified()
		out = append(out, Table{Schema: schema, Name: name})
		if !p.skip(",") {
			return out
		}
	}
}

func (p *parser) target() Table {
	schema, name := p.qualified()
	t := Table{Schema: schema, Name: name}
	t.As = p.label()
	return t
}

func (p *parser) returning() []Target {
	if p.skip("returning") {
		return p.targets()
	}
	return nil
}

func (p *parser) insert(with []CTE) Statement {
	s := &Insert{With: with, Table: p.target()}
	if p.is("(") && !p.startsQuery() {
		s.Columns = p.names()
	}
	if p.skip("overriding") {
		p.need("system", "value")
		s.Overriding = true
	}
	if !p.skip("default", "values") {
		s.Source = p.query()
	}
	if p.skip("on", "conflict") {
		s.OnConflict = p.conflict()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) conflict() *Conflict {
	c := &Conflict{}
	if p.is("(") {
		c.Columns = p.names()
	}
	p.need("do")
	if p.skip("nothing") {
		return c
	}
	p.need("update", "set")
	c.Set = p.assigns()
	if p.skip("where") {
		c.Where = p.expr()
	}
	return c
}

func (p *parser) assigns() []Assign {
	var out []Assign
	for {
		a := Assign{}
		if p.is("(") {
			a.Columns = p.names()
		} else {
			a.Columns = []string{p.name()}
		}
		p.need("=")
		a.X = p.expr()
		out = append(out, a)
		if !p.skip(",") {
			return out
		}
	}
}

func (p *parser) update(with []CTE) Statement {
	s := &Update{With: with, Table: p.target()}
	p.need("set")
	s.Set = p.assigns()
	if p.skip("from") {
		s.From = p.fromList()
	}
	if p.skip("where") {
		s.Where = p.expr()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) delete(with []CTE) Statement {
	s := &Delete{With: with, Table: p.target()}
	if p.skip("using") {
		s.Using = p.fromList()
	}
	if p.skip("where") {
		s.Where = p.expr()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) create() Statement {
	replace := p.skip("or", "replace")
	switch {
	case p.skip("schema"):
		p.skip("if", "not", "exists")
		return &CreateSchema{p.name()}
	case p.skip("view"):
		v := &CreateView{}
		v.Schema, v.Name = p.qualified()
		p.need("as")
		v.Query = p.query()
		return v
	case p.skip("function"):
		f := &CreateFunction{}
		f.Schema, f.Name = p.qualified()
		p.toEnd()
		return f
	case replace:
		p.fail("expected VIEW or FUNCTION")
	case p.skip("table"):
		return p.createTable()
	case p.skip("unique", "index"):
		return p.createIndex(true)
	case p.skip("index"):
		return p.createIndex(false)
	}
	p.fail("expected SCHEMA, TABLE, INDEX, VIEW or FUNCTION")
	return nil
}

func (p *parser) createTable() Statement {
	t := &CreateTable{IfNotExists: p.skip("if", "not", "exists")}
	t.Schema, t.Name = p.qualified()
	if p.skip("partition", "of") {
		t.Of = &Partition{}
		t.Of.Schema, t.Of.Parent = p.qualified()
		if p.skip("default") {
			return t
		}
		p.need("for", "values", "from", "(")
		t.Of.From = p.expr()
		p.need(")", "to", "(")
		t.Of.To = p.expr()
		p.need(")")
		return t
	}
	p.need("(")
	for !p.is(")") {
		if c, ok := p.tableConstraint(); ok {
			t.Constraints = append(t.Constraints, c)
		} else {
			t.Columns = append(t.Columns, p.columnDef())
		}
		if !p.skip(",") {
			break
		}
	}
	p.need(")")
	if p.skip("partition", "by", "range") {
		t.PartitionKey = p.names()[0]
	}
	return t
}

func (p *parser) tableConstraint() (Constraint, bool) {
	c := Constraint{}
	if p.skip("constraint") {
		c.Name = p.name()
	}
	switch {
	case p.skip("primary", "key"):
		c.Kind, c.Columns = "PRIMARY", p.names()
	case p.is("unique", "("):
		p.at++
		c.Kind, c.Columns = "UNIQUE", p.names()
	case p.is("check", "("):
		p.at += 2
		c.Kind, c.Check = "CHECK", p.expr()
		p.need(")")
	default:
		if c.Name != "" {
			p.fail("expected PRIMARY KEY, UNIQUE or CHECK")
		}
		return c, false
	}
	return c, true
}

func (p *parser) columnDef() ColumnDef {
	c := ColumnDef{Name: p.name(), Type: p.typeName()}
	for {
		switch {
		case p.skip("not", "null"):
			c.NotNull = true
		case p.skip("null"):
		case p.skip("default"):
			c.Default = p.other()
		case p.skip("primary", "key"):
			c.NotNull = true
			c.Constraints = append(c.Constraints, Constraint{Kind: "PRIMARY", Columns: []string{c.Name}})
		case p.skip("unique"):
			c.Constraints = append(c.Constraints, Constraint{Kind: "UNIQUE", Columns: []string{c.Name}})
		case p.skip("check", "("):
			c.Constraints = append(c.Constraints, Constraint{Kind: "CHECK", Columns: []string{c.Name}, Check: p.expr()})
			p.need(")")
		case p.skip("generated"):
			c.Always = p.skip("always")
			if !c.Always {
				p.need("by", "default")
			}
			p.need("as", "identity")
			c.Identity, c.NotNull = true, true
		default:
			return c
		}
	}
}

func (p *parser) createIndex(unique bool) Statement {
	x := &CreateIndex{Unique: unique}
	p.skip("if", "not", "exists")
	x.Name = p.name()
	p.need("on")
	x.Schema, x.Table = p.qualified()
	if p.skip("using") {
		p.name()
	}
	p.need("(")
	for {
		item := p.expr()
		name := ""
		if c, ok := item.(*Column); ok && len(c.Parts) == 1 {
			name = c.Parts[0]
		}
		x.Columns = append(x.Columns, name)
		if t := p.peek(); t.kind == word && !strings.Contains("asc desc nulls", t.text) {
			p.at++ // an operator class, which changes no answer
		}
		if !p.skip("desc") {
			p.skip("asc")
		}
		if !p.skip(",") {
			break
		}
	}
	p.need(")")
	if p.skip("with", "(") {
		for !p.skip(")") {
			if p.next().kind == end {
				p.fail("expected )")
			}
		}
	}
	if p.skip("where") {
		x.Where = p.expr()
	}
	return x
}

func (p *parser) alterTable() Statement {
	a := &AlterTable{}
	a.Schema, a.Name = p.qualified()
	for {
		switch {
		case p.skip("drop", "constraint"):
			p.skip("if", "exists")
			a.Actions = append(a.Actions, Alter{Drop: p.name()})
		case p.skip("add", "column"):
			p.skip("if", "not", "exists")
			c := p.columnDef()
			a.Actions = append(a.Actions, Alter{Add: &c})
		case p.skip("alter", "column"): // how a column is stored and sampled means nothing here
			p.name()
			if !p.skip("set", "statistics") {
				p.need("set", "storage")
			}
			p.next()
		case p.skip("set", "("): // nor does how a table is looked after
			for !p.skip(")") {
				if p.next().kind == end {
					p.fail("expected )")
				}
			}
		case p.skip("add"):
			c, ok := p.tableConstraint()
			if !ok {
				p.fail("expected COLUMN or CONSTRAINT")
			}
			a.Actions = append(a.Actions, Alter{Put: &c})
		default:
			p.fail("expected ADD, DROP CONSTRAINT, ALTER COLUMN or SET")
		}
		if !p.skip(",") {
			return a
		}
	}
}
