package syntax

// startsQuery says whether a query follows, maybe inside further parentheses.
func (p *parser) startsQuery() bool {
	i := 0
	for p.peekAt(i).kind == sign && p.peekAt(i).text == "(" {
		i++
	}
	t := p.peekAt(i)
	return t.kind == word && (t.text == "select" || t.text == "values" || t.text == "with")
}

func (p *parser) with() []CTE {
	if !p.skip("with") {
		return nil
	}
	var out []CTE
	for {
		c := CTE{Name: p.name()}
		if p.is("(") {
			c.Columns = p.names()
		}
		p.need("as")
		if p.skip("not") {
			p.need("materialized")
		} else {
			p.skip("materialized")
		}
		p.need("(")
		c.Statement = p.statement()
		p.need(")")
		out = append(out, c)
		if !p.skip(",") {
			return out
		}
	}
}

func (p *parser) query() *Query {
	defer p.deeper()()
	return p.queryAfter(p.with())
}

func (p *parser) queryAfter(with []CTE) *Query {
	q := &Query{With: with, Body: p.setOps()}
	q.OrderBy = p.orderBy()
	for {
		switch {
		case p.skip("limit"):
			if !p.skip("all") {
				q.Limit = p.expr()
			}
		case p.skip("offset"):
			q.Offset = p.expr()
			if !p.skip("rows") {
				p.skip("row")
			}
		case p.skip("for", "update"), p.skip("for", "no", "key", "update"):
			q.Lock = &Lock{}
			if p.skip("of") {
				for {
					q.Lock.Of = append(q.Lock.Of, p.name())
					if !p.skip(",") {
						break
					}
				}
			}
			q.Lock.SkipLocked = p.skip("skip", "locked")
			q.Lock.NoWait = p.skip("nowait")
		default:
			return q
		}
	}
}

func (p *parser) setOps() Body {
	left := p.intersections()
	for p.is("union") || p.is("except") {
		op := map[string]string{"union": "UNION", "except": "EXCEPT"}[p.next().text]
		all := p.skip("all")
		if !all {
			p.skip("distinct")
		}
		left = &SetOp{op, all, left, p.intersections()}
	}
	return left
}

func (p *parser) intersections() Body {
	left := p.body()
	for p.skip("intersect") {
		all := p.skip("all")
		left = &SetOp{"INTERSECT", all, left, p.body()}
	}
	return left
}

func (p *parser) body() Body {
	switch {
	case p.skip("("):
		q := p.query()
		p.need(")")
		return q
	case p.skip("values"):
		v := &Values{}
		for {
			p.need("(")
			v.Rows = append(v.Rows, p.exprs())
			p.need(")")
			if !p.skip(",") {
				return v
			}
		}
	}
	p.need("select")
	return p.core()
}

func (p *parser) core() *Core {
	c := &Core{}
	switch {
	case p.skip("distinct", "on"):
		p.need("(")
		c.DistinctOn = p.exprs()
		p.need(")")
	case p.skip("distinct"):
		c.Distinct = true
	default:
		p.skip("all")
	}
	if !p.targetsEnd() {
		c.Targets = p.targets()
	}
	if p.skip("from") {
		c.From = p.fromList()
	}
	if p.skip("where") {
		c.Where = p.expr()
	}
	if p.skip("group", "by") {
		c.GroupBy = p.exprs()
	}
	if p.skip("having") {
		c.Having = p.expr()
	}
	if p.skip("window") {
		c.Windows = map[string]*Window{}
		for {
			name := p.name()
			p.need("as")
			c.Windows[name] = p.window()
			if !p.skip(",") {
				break
			}
		}
	}
	return c
}

// targetsEnd says that SELECT has no targets, as in EXISTS (SELECT FROM t).
func (p *parser) targetsEnd() bool {
	t := p.peek()
	return t.kind == end || p.is(")") || p.is(";") || p.is("from") || p.is("where")
}

func (p *parser) targets() []Target {
	var out []Target
	for {
		out = append(out, Target{X: p.expr(), As: p.label()})
		if !p.skip(",") {
			return out
		}
	}
}

func (p *parser) fromList() []From {
	var out []From
	for {
		out = append(out, p.joined())
		if !p.skip(",") {
			return out
		}
	}
}

func (p *parser) joined() From {
	left := p.fromItem()
	for {
		j := &Join{L: left, Kind: "INNER"}
		switch {
		case p.skip("cross", "join"):
			j.Kind = "CROSS"
			j.R = p.fromItem()
			left = j
			continue
		case p.skip("left", "join"), p.skip("left", "outer", "join"):
			j.Kind = "LEFT"
		case p.skip("join"), p.skip("inner", "join"):
		default:
			return left
		}
		j.R = p.fromItem()
		switch {
		case p.skip("on"):
			j.On = p.expr()
		case p.skip("using"):
			j.Using = p.names()
		default:
			p.fail("expected ON or USING")
		}
		left = j
	}
}

func (p *parser) fromItem() From {
	defer p.deeper()()
	lateral := p.skip("lateral")
	if p.is("(") {
		if !p.startsQuery() {
			p.need("(")
			j := p.joined()
			p.need(")")
			return j
		}
		p.need("(")
		d := &Derived{Query: p.query(), Lateral: lateral}
		p.need(")")
		d.As, d.Columns = p.alias()
		return d
	}
	p.skip("only")
	schema, name := p.qualified()
	if p.is("(") {
		if schema != "" {
			name = schema + "." + name
		}
		return p.function(name)
	}
	t := &Table{Schema: schema, Name: name}
	t.As, t.Columns = p.alias()
	return t
}

func (p *parser) alias() (string, []string) {
	as := p.label()
	if as != "" && p.is("(") {
		return as, p.names()
	}
	return as, nil
}

func (p *parser) function(name string) From {
	call, ok := p.call(name).(*Call)
	if !ok {
		p.fail("expected a function")
	}
	f := &Functions{Call: call}
	f.Ordinality = p.skip("with", "ordinality")
	f.As = p.label()
	if !p.skip("(") {
		return f
	}
	for {
		f.Columns = append(f.Columns, p.name())
		if !p.is(",") && !p.is(")") {
			f.Types = append(f.Types, p.typeName())
		}
		if !p.skip(",") {
			break
		}
	}
	p.need(")")
	if len(f.Types) != 0 && len(f.Types) != len(f.Columns) {
		p.fail("some columns have a type and some have none")
	}
	return f
}
