package syntax

import (
	"slices"
	"strconv"
)

func (p *parser) expr() Expr {
	defer p.deeper()()
	return p.or()
}

func (p *parser) or() Expr {
	x := p.and()
	for p.skip("or") {
		x = &Binary{"OR", x, p.and()}
	}
	return x
}

func (p *parser) and() Expr {
	x := p.not()
	for p.skip("and") {
		x = &Binary{"AND", x, p.not()}
	}
	return x
}

func (p *parser) not() Expr {
	if p.skip("not") {
		return &Unary{"NOT", p.not()}
	}
	return p.isTest()
}

// isTest reads IS tests, which bind looser than comparisons.
func (p *parser) isTest() Expr {
	x := p.comparison()
	for p.skip("is") {
		not := p.skip("not")
		switch {
		case p.skip("distinct", "from"):
			op := "IS DISTINCT FROM"
			if not {
				op = "IS NOT DISTINCT FROM"
			}
			x = &Binary{op, x, p.comparison()}
		case p.skip("null"):
			x = &Is{x, "NULL", not}
		case p.skip("true"):
			x = &Is{x, "TRUE", not}
		case p.skip("false"):
			x = &Is{x, "FALSE", not}
		default:
			p.fail("expected NULL, TRUE, FALSE or DISTINCT FROM")
		}
	}
	return x
}

var comparisons = []string{"=", "<>", "!=", "<", ">", "<=", ">="}

func (p *parser) comparison() Expr {
	x := p.predicate()
	for p.peek().kind == sign && slices.Contains(comparisons, p.peek().text) {
		op := p.next().text
		if op == "!=" {
			op = "<>"
		}
		if p.is("any", "(") || p.is("all", "(") || p.is("some", "(") {
			q := &Quantified{X: x, Op: op, All: p.next().text == "all"}
			p.need("(")
			if p.startsQuery() {
				q.Sub = p.query()
			} else {
				q.Arr = p.expr()
			}
			p.need(")")
			x = q
			continue
		}
		x = &Binary{op, x, p.predicate()}
	}
	return x
}

// predicate reads BETWEEN, IN and LIKE, which bind tighter than comparisons.
func (p *parser) predicate() Expr {
	x := p.other()
	for {
		at := p.at
		not := p.skip("not")
		switch {
		case p.skip("between"):
			lo := p.other()
			p.need("and")
			x = &Between{x, lo, p.other(), not}
		case p.skip("in"):
			in := &In{X: x, Not: not}
			p.need("(")
			if p.startsQuery() {
				in.Sub = p.query()
			} else {
				in.List = p.exprs()
			}
			p.need(")")
			x = in
		case p.is("like"), p.is("ilike"):
			op := map[string]string{"like": "LIKE", "ilike": "ILIKE"}[p.next().text]
			if not {
				op = "NOT " + op
			}
			x = &Binary{op, x, p.other()}
		default:
			p.at = at
			return x
		}
	}
}

var others = []string{"||", "->", "->>", "#>", "#>>", "@>", "<@", "&&", "~", "<<", ">>"}

// other reads operators without a level of their own.
func (p *parser) other() Expr {
	x := p.sum()
	for p.peek().kind == sign && slices.Contains(others, p.peek().text) {
		op := p.next().text
		x = &Binary{op, x, p.sum()}
	}
	return x
}

func (p *parser) sum() Expr {
	x := p.product()
	for p.is("+") || p.is("-") {
		op := p.next().text
		x = &Binary{op, x, p.product()}
	}
	return x
}

func (p *parser) product() Expr {
	x := p.signed()
	for p.is("*") || p.is("/") || p.is("%") {
		op := p.next().text
		x = &Binary{op, x, p.signed()}
	}
	return x
}

func (p *parser) signed() Expr {
	defer p.deeper()()
	if p.is("-") || p.is("+") {
		op := p.next().text
		x := p.signed()
		if c, ok := x.(*Const); ok && c.Kind == Number && op == "-" {
			return &Const{Number, "-" + c.Text}
		}
		if op == "+" {
			return x
		}
		return &Unary{op, x}
	}
	return p.postfix()
}

func (p *parser) postfix() Expr {
	x := p.primary()
	for {
		switch {
		case p.skip("::"):
			x = &Cast{x, p.typeName()}
		case p.skip("["):
			index := &Index{X: x}
			if !p.is(":") {
				index.At = p.expr()
			}
			if p.skip(":") {
				index.Slice, index.Lo, index.At = true, index.At, nil
				if !p.is("]") {
					index.Hi = p.expr()
				}
			}
			p.need("]")
			x = index
		case p.skip("at", "time", "zone"):
			zone := p.primary()
			x = &Call{Name: "timezone", Args: []Expr{zone, x}}
		default:
			return x
		}
	}
}

func (p *parser) primary() Expr {
	t := p.peek()
	switch t.kind {
	case number:
		p.at++
		return &Const{Number, t.text}
	case text:
		p.at++
		return &Const{String, t.text}
	case param:
		p.at++
		n, err := strconv.Atoi(t.text)
		if err != nil || n < 1 || n > 65535 {
			p.fail("a parameter beyond $65535")
		}
		return &Param{n}
	case sign:
		if p.skip("(") {
			return p.parenthesised()
		}
		if p.skip("*") {
			return &Star{}
		}
	case quoted:
		return p.column()
	case word:
		return p.wordExpr(t)
	case end:
	}
	p.fail("expected an expression")
	return nil
}

func (p *parser) parenthesised() Expr {
	// Inside of further parentheses an expression is meant: ((SELECT 1) + (SELECT 2)).
	if p.is("select") || p.is("values") || p.is("with") {
		q := p.query()
		p.need(")")
		return &Scalar{q}
	}
	items := p.exprs()
	p.need(")")
	if len(items) == 1 {
		return items[0]
	}
	return &Row{items}
}

func (p *parser) wordExpr(t token) Expr {
	switch t.text {
	case "null":
		p.at++
		return &Const{Kind: Null}
	case "true", "false":
		p.at++
		return &Const{Bool, t.text}
	case "case":
		p.at++
		return p.caseExpr()
	case "default":
		p.at++
		return &Default{}
	case "exists":
		p.at++
		p.need("(")
		q := p.query()
		p.need(")")
		return &Exists{q}
	case "array":
		p.at++
		return p.array()
	case "row":
		if p.peekAt(1).text == "(" && p.peekAt(1).kind == sign {
			p.at += 2
			items := p.exprs()
			p.need(")")
			return &Row{items}
		}
	case "cast":
		if p.skip("cast", "(") {
			x := p.expr()
			p.need("as")
			c := &Cast{x, p.typeName()}
			p.need(")")
			return c
		}
	case "interval", "timestamptz", "date", "uuid", "bytea":
		// A constant with its type in front.
		if p.peekAt(1).kind == text {
			p.at++
			return &Cast{&Const{String, p.next().text}, TypeName{Name: t.text}}
		}
	}
	if reserved[t.text] && t.text != "left" && t.text != "right" {
		p.fail("expected an expression")
	}
	return p.column()
}

func (p *parser) array() Expr {
	if p.skip("(") {
		q := p.query()
		p.need(")")
		return &ArraySub{q}
	}
	p.need("[")
	a := &Array{}
	if !p.is("]") {
		a.Items = p.exprs()
	}
	p.need("]")
	return a
}

func (p *parser) caseExpr() Expr {
	c := &Case{}
	if !p.is("when") {
		c.Arg = p.expr()
	}
	for p.skip("when") {
		w := When{If: p.expr()}
		p.need("then")
		w.Then = p.expr()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.fail("expected WHEN")
	}
	if p.skip("else") {
		c.Else = p.expr()
	}
	p.need("end")
	return c
}

// column reads a name with its qualifiers, table.*, or a call.
func (p *parser) column() Expr {
	parts := []string{p.name()}
	for p.is(".") {
		p.at++
		if p.skip("*") {
			return &Star{Table: parts[len(parts)-1]}
		}
		parts = append(parts, p.name())
	}
	if p.is("(") && len(parts) <= 2 {
		name := parts[0]
		if len(parts) == 2 && parts[0] != "pg_catalog" {
			name = parts[0] + "." + parts[1]
		} else if len(parts) == 2 {
			name = parts[1]
		}
		return p.call(name)
	}
	if len(parts) > 3 {
		p.fail("a name of more than three parts")
	}
	return &Column{parts}
}

func (p *parser) exprs() []Expr {
	out := []Expr{p.expr()}
	for p.skip(",") {
		out = append(out, p.expr())
	}
	return out
}

// call reads what follows a function's name.
func (p *parser) call(name string) Expr {
	defer p.deeper()()
	c := &Call{Name: name}
	p.need("(")
	switch {
	case name == "extract" && p.peek().kind == word && p.peekAt(1).text == "from":
		field := p.name()
		p.need("from")
		c.Args = []Expr{&Const{String, field}, p.expr()}
	case name == "position":
		needle := p.sum()
		p.need("in")
		c.Args = []Expr{needle, p.expr()}
	case name == "substring":
		c.Args = []Expr{p.expr()}
		switch {
		case p.skip("from"):
			c.Args = append(c.Args, p.expr())
			if p.skip("for") {
				c.Args = append(c.Args, p.expr())
			}
		default:
			for p.skip(",") {
				c.Args = append(c.Args, p.expr())
			}
		}
	case p.skip("*"):
		c.Star = true
	default:
		p.arguments(c)
	}
	p.need(")")
	if p.skip("filter") {
		p.need("(", "where")
		c.Filter = p.expr()
		p.need(")")
	}
	if p.skip("over") {
		if p.is("(") {
			c.Over = p.window()
		} else {
			c.OverName = p.name()
		}
	}
	return c
}

func (p *parser) arguments(c *Call) {
	if p.is(")") {
		return
	}
	c.Distinct = p.skip("distinct")
	for {
		name := ""
		if p.peek().kind == word && (p.peekAt(1).text == "=>" || p.peekAt(1).text == ":=") && p.peekAt(1).kind == sign {
			name = p.name()
			p.at++
		}
		c.Args, c.Names = append(c.Args, p.expr()), append(c.Names, name)
		if !p.skip(",") {
			break
		}
	}
	if p.is("order", "by") {
		c.OrderBy = p.orderBy()
	}
}

func (p *parser) window() *Window {
	w := &Window{}
	p.need("(")
	if p.skip("partition", "by") {
		w.PartitionBy = p.exprs()
	}
	if p.is("order", "by") {
		w.OrderBy = p.orderBy()
	}
	p.need(")")
	return w
}

func (p *parser) orderBy() []Order {
	if !p.skip("order", "by") {
		return nil
	}
	var out []Order
	for {
		o := Order{X: p.expr()}
		if o.Desc = p.skip("desc"); !o.Desc {
			p.skip("asc")
		}
		o.NullsFirst = o.Desc
		if p.skip("nulls", "first") {
			o.NullsFirst = true
		} else if p.skip("nulls", "last") {
			o.NullsFirst = false
		}
		out = append(out, o)
		if !p.skip(",") {
			return out
		}
	}
}
