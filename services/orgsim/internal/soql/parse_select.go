package soql

import "strings"

// aggregates are the functions that make one value of many.
var aggregates = map[string]bool{"COUNT": true, "COUNT_DISTINCT": true, "SUM": true, "AVG": true, "MIN": true, "MAX": true, "GROUPING": true}

// unknown are functions that orgs have and the simulator does not.
var unknown = map[string]bool{"FORMAT": true, "CONVERTCURRENCY": true, "DISTANCE": true, "GEOLOCATION": true, "CONVERTTIMEZONE": true}

// selection reads what stands between SELECT and FROM.
func (p *parser) selection(q *Query, level int) error {
	if p.take("COUNT", "(", ")") {
		q.count = true
		if p.is(",") {
			return p.unexpected()
		}
		return nil
	}
	subs := 0
	for first := true; first || p.take(","); first = false {
		it, err := p.item(level)
		if err != nil {
			return err
		}
		if it.sub != nil {
			if subs++; subs > maxSubs {
				return p.refuse(it.pos, "Maximum number of sub-queries is %d", maxSubs)
			}
		}
		q.items = append(q.items, it)
	}
	return nil
}

func (p *parser) item(level int) (it item, err error) {
	it.pos = p.now().pos
	switch {
	case p.is("(", "SELECT"):
		p.step()
		if level == maxLevels {
			return it, p.refuse(it.pos, "SOQL statements cannot query aggregate relationships more than %d levels away from the root entity object.", maxLevels-1)
		}
		if it.sub, err = p.query(level + 1); err != nil {
			return it, err
		}
		return it, p.need(")")
	case p.take("FIELDS", "("):
		which, err := p.name()
		if err != nil {
			return it, err
		}
		it.fields = strings.ToUpper(which.Path)
		if it.fields != "ALL" && it.fields != "STANDARD" && it.fields != "CUSTOM" {
			return it, p.refuse(which.pos, "unexpected token: '%s'", which.Path)
		}
		return it, p.need(")")
	case p.is("TYPEOF") && p.at+1 < len(p.tokens) && p.tokens[p.at+1].kind == word:
		p.step()
		it.typeOf, err = p.typeOf()
		return it, err
	}
	if p.is("FROM") { // it would be taken for a field, and the object for its alias
		return it, p.unexpected()
	}
	if it.operand, err = p.operand(); err != nil {
		return it, err
	}
	it.alias, _ = p.alias()
	return it, nil
}

// operand reads a field or a function of one.
func (p *parser) operand() (operand, error) {
	name, err := p.name()
	if err != nil {
		return operand{}, err
	}
	o := operand{field: name, pos: name.pos}
	if !p.is("(") {
		return o, nil
	}
	o.function = strings.ToUpper(name.Path)
	_, dated := dateFunctions[o.function]
	switch {
	case unknown[o.function]:
		return o, p.refuse(name.pos, "the simulator does not know the function %s", name.Path)
	case !aggregates[o.function] && !dated && o.function != "TOLABEL":
		return o, p.unexpected()
	}
	p.step()
	converts := dated && p.take("convertTimezone", "(") // to that of the user, which is UTC
	if o.field, err = p.name(); err != nil {
		return o, err
	}
	if converts {
		if err := p.need(")"); err != nil {
			return o, err
		}
	}
	return o, p.need(")")
}

// typeOf reads what follows the word TYPEOF.
func (p *parser) typeOf() (*typeOf, error) {
	var t typeOf
	var err error
	if t.relationship, err = p.name(); err != nil {
		return nil, err
	}
	for first := true; first || p.is("WHEN"); first = false {
		if err := p.need("WHEN"); err != nil {
			return nil, err
		}
		var w when
		if w.object, err = p.name(); err != nil {
			return nil, err
		}
		if err := p.need("THEN"); err != nil {
			return nil, err
		}
		if w.fields, err = p.names(); err != nil {
			return nil, err
		}
		t.when = append(t.when, w)
	}
	if p.take("ELSE") {
		if t.otherwise, err = p.names(); err != nil {
			return nil, err
		}
	}
	return &t, p.need("END")
}

func (p *parser) names() (list []Name, err error) {
	for first := true; first || p.take(","); first = false {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	return list, nil
}
