package soql

import (
	"strconv"
	"strings"
)

// from reads the object and its alias, and then aliases of parents: FROM Contact c, c.Account a.
func (p *parser) from(q *Query) error {
	if err := p.need("FROM"); err != nil {
		return err
	}
	for first := true; first || p.take(","); first = false {
		name, err := p.name()
		if err != nil {
			return err
		}
		alias, ok := p.alias()
		switch {
		case first:
			q.From = name
		case !strings.Contains(name.Path, "."):
			return p.refuse(name.pos, "a further object in FROM must be a parent: %s", name.Path)
		case strings.Count(name.Path, ".") > maxUp:
			return p.refuse(name.pos, "A relationship may be at most %d levels away: %s", maxUp, name.Path)
		}
		if ok {
			q.aliases[strings.ToLower(alias.Path)] = name
		}
	}
	return nil
}

// scope reads USING SCOPE; whose rows they are makes no difference to the integration user of a simulated org, who sees
// them all.
func (p *parser) scope(q *Query) error {
	if !p.take("USING") {
		return nil
	}
	if err := p.need("SCOPE"); err != nil {
		return err
	}
	scope, err := p.name()
	if err == nil && !strings.EqualFold(scope.Path, "everything") {
		err = p.refuse(scope.pos, "the simulator knows no scope but everything: %s", scope.Path)
	}
	return err
}

func (p *parser) conditions(q *Query, level int) (err error) {
	if !p.take("WHERE") {
		return nil
	}
	if q.where, err = p.logical(condPlace{level: level}, 0); err != nil {
		return err
	}
	_, err = p.semiJoins(q.where, "")
	return err
}

// mode reads WITH, which narrows a query to what its user may see: every query over the API is that already.
func (p *parser) mode(*Query) error {
	if !p.take("WITH") {
		return nil
	}
	if p.take("SECURITY_ENFORCED") || p.take("USER_MODE") || p.take("SYSTEM_MODE") {
		return nil
	}
	return p.unexpected()
}

func (p *parser) grouping(q *Query) error {
	if !p.take("GROUP") {
		return nil
	}
	if err := p.need("BY"); err != nil {
		return err
	}
	for _, totals := range []string{"ROLLUP", "CUBE"} {
		if p.take(totals, "(") {
			q.totals = totals
			break
		}
	}
	for first := true; first || p.take(","); first = false {
		by, err := p.operand()
		if err != nil {
			return err
		}
		q.group = append(q.group, by)
	}
	if q.totals != "" {
		if len(q.group) > maxTotals {
			return p.refuse(q.group[maxTotals].pos, "GROUP BY %s takes at most %d fields", q.totals, maxTotals)
		}
		if err := p.need(")"); err != nil {
			return err
		}
	}
	if !p.take("HAVING") {
		return nil
	}
	var err error
	q.having, err = p.logical(condPlace{having: true}, 0)
	return err
}

func (p *parser) order(q *Query) error {
	if !p.take("ORDER") {
		return nil
	}
	if err := p.need("BY"); err != nil {
		return err
	}
	for first := true; first || p.take(","); first = false {
		by, err := p.operand()
		if err != nil {
			return err
		}
		o := Order{by: by}
		if !p.take("ASC") {
			o.Desc = p.take("DESC")
		}
		if p.take("NULLS") {
			if o.Last = p.take("LAST"); !o.Last {
				if err := p.need("FIRST"); err != nil {
					return err
				}
			}
		}
		if q.Order = append(q.Order, o); len(q.Order) > maxOrder {
			return p.refuse(by.pos, "maximum %d fields are allowed to be used as Order By", maxOrder)
		}
	}
	return nil
}

// window reads LIMIT and OFFSET.
func (p *parser) window(q *Query) (err error) {
	if p.take("LIMIT") {
		if q.Limit, err = p.whole(); err != nil {
			return err
		}
	}
	if !p.take("OFFSET") {
		return nil
	}
	pos := p.now().pos
	if q.Offset, err = p.whole(); err != nil {
		return err
	}
	if *q.Offset > maxOffset {
		return refuse(p.text, pos, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is %d", maxOffset)
	}
	return nil
}

func (p *parser) whole() (*int, error) {
	t := p.now()
	if t.kind != number || strings.Trim(t.text, "0123456789") != "" {
		return nil, p.unexpected()
	}
	n, err := strconv.ParseInt(t.text, 10, 32)
	if err != nil {
		return nil, p.refuse(t.pos, "numeric value out of range: %s", t.text)
	}
	p.step()
	whole := int(n)
	return &whole, nil
}

// purpose reads what is to be done with the rows besides. It changes nothing here: what was viewed is not kept, and no
// row stays locked when the call is over.
func (p *parser) purpose(q *Query) error {
	for p.is("FOR") {
		switch {
		case p.take("FOR", "VIEW"), p.take("FOR", "REFERENCE"):
		case p.is("FOR", "UPDATE") && len(q.Order) > 0: // (Salesforce: FOR UPDATE)
			return p.refuse(p.now().pos, "ORDER BY is not allowed with FOR UPDATE")
		case p.take("FOR", "UPDATE"):
		default:
			p.step()
			return p.unexpected()
		}
	}
	if p.take("UPDATE") {
		for first := true; first || p.take(","); first = false {
			if !p.take("TRACKING") && !p.take("VIEWSTAT") {
				return p.unexpected()
			}
		}
	}
	if p.is("ALL", "ROWS") { // Apex alone may ask so; the API has queryAll
		return p.refuse(p.now().pos, "ALL ROWS not allowed in this context")
	}
	return nil
}
