package soql

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// condPlace is where a condition stands, which decides what may stand in it.
type condPlace struct {
	level  int  // of the query; 0 in a semi-join
	having bool // behind HAVING
}

// logical reads conditions that are joined by AND or by OR, or one behind NOT. Whoever mixes them needs parentheses
// (Salesforce: logical operators), so the other word is not read, and unexpected to who comes next.
func (p *parser) logical(place condPlace, depth int) (*condition, error) {
	if depth > maxDepth {
		return nil, tooComplicated()
	}
	if p.take("NOT") {
		part, err := p.simple(place, depth)
		return &condition{join: not, parts: []*condition{part}}, err
	}
	first, err := p.simple(place, depth)
	if err != nil {
		return nil, err
	}
	c := &condition{parts: []*condition{first}}
	connective := ""
	switch {
	case p.is("AND"):
		c.join, connective = and, "AND"
	case p.is("OR"):
		c.join, connective = or, "OR"
	default:
		return first, nil
	}
	for p.take(connective) {
		part, err := p.simple(place, depth)
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, part)
	}
	return c, nil
}

// simple reads a comparison, or conditions in parentheses.
func (p *parser) simple(place condPlace, depth int) (*condition, error) {
	if p.take("(") {
		c, err := p.logical(place, depth+1)
		if err != nil {
			return nil, err
		}
		return c, p.need(")")
	}
	if p.is("NOT") {
		return nil, p.unexpected()
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	if aggregates[left.function] && !place.having {
		return nil, p.refuse(left.pos, "Aggregate functions are not allowed in a WHERE clause: %s", left.function) // the words are a guess
	}
	c := &comparison{left: left, pos: p.now().pos}
	return &condition{comparison: c}, p.comparison(c, place)
}

// comparison reads the operator and what is behind it.
func (p *parser) comparison(c *comparison, place condPlace) error {
	for _, op := range []string{"=", "!=", "<>", "<", "<=", ">", ">=", "LIKE"} {
		if p.take(op) {
			if c.op = op; op == "<>" {
				c.op = "!="
			}
			v, err := p.literal(op == "LIKE")
			c.values = []literal{v}
			return err
		}
	}
	switch {
	case p.take("IN"):
		c.op = "IN"
	case p.take("NOT", "IN"):
		c.op = "NOT IN"
	case p.take("INCLUDES"):
		c.op = "INCLUDES"
	case p.take("EXCLUDES"):
		c.op = "EXCLUDES"
	default:
		return p.unexpected()
	}
	if (c.op == "IN" || c.op == "NOT IN") && p.is("(", "SELECT") {
		return p.semiJoin(c, place)
	}
	if err := p.need("("); err != nil {
		return err
	}
	for first := true; first || p.take(","); first = false {
		v, err := p.literal(false)
		if err != nil {
			return err
		}
		c.values = append(c.values, v)
	}
	return p.need(")")
}

// semiJoin reads the sub-query behind IN or NOT IN (Salesforce: considerations for semi-join and anti-join queries).
func (p *parser) semiJoin(c *comparison, place condPlace) (err error) {
	pos := p.step().pos
	switch {
	case place.having:
		return p.refuse(pos, "Semi join sub-selects are not allowed in a HAVING clause")
	case place.level == 0:
		return p.refuse(pos, "Nesting of semi join sub-selects is not supported")
	}
	if c.sub, err = p.query(0); err != nil {
		return err
	}
	switch s := c.sub; {
	case s.count || len(s.items) != 1 || s.items[0].operand.field.Path == "" || s.items[0].operand.function != "" || s.group != nil:
		return p.refuse(pos, "semi join sub-selects must select exactly one id field")
	case s.Order != nil || s.Limit != nil || s.Offset != nil:
		return p.refuse(pos, "ORDER BY, LIMIT and OFFSET are not allowed in semi join sub-selects")
	}
	return p.need(")")
}

// semiJoins refuses those of a condition that may not stand where they do: more than two, behind NOT or beside OR. It
// returns how many there are; beside is the word that stands around the condition, "" when there is none but AND.
func (p *parser) semiJoins(c *condition, beside string) (n int, err error) {
	if c.comparison != nil {
		switch {
		case c.comparison.sub == nil:
			return 0, nil
		case beside != "":
			return 0, p.refuse(c.comparison.pos, "Semi join sub-selects are not allowed with the '%s' operator", beside)
		}
		return 1, nil
	}
	switch c.join {
	case or:
		beside = "OR"
	case not:
		beside = "NOT"
	}
	for _, part := range c.parts {
		m, err := p.semiJoins(part, beside)
		if err != nil {
			return 0, err
		}
		if n += m; n > maxSemiJoins {
			return 0, p.refuse(c.parts[0].place(), "Maximum %d semi join sub-selects are allowed.", maxSemiJoins)
		}
	}
	return n, nil
}

// place is where the first comparison of a condition stands.
func (c *condition) place() int {
	for c.comparison == nil {
		c = c.parts[0]
	}
	return c.comparison.left.pos
}

// literal reads a value; like says whether it is a pattern.
func (p *parser) literal(like bool) (literal, error) {
	t := p.now()
	v := literal{text: t.text, pos: t.pos}
	switch t.kind {
	case quoted:
		text, ok := unquote(t.text, like)
		if !ok {
			return v, p.refuse(t.pos, "Invalid string literal %s. Illegal character sequence in string literal.", t.text)
		}
		if utf8.RuneCountInString(text) > MaxText {
			return v, p.refuse(t.pos, "a text in a WHERE clause cannot be longer than %d characters", MaxText) // the words are a guess
		}
		v.text = text
	case number:
		v.kind = numberLiteral
	case moment:
		v.kind = momentLiteral
	case word:
		v.text = strings.ToUpper(t.text)
		switch v.text {
		case "TRUE", "FALSE":
			v.kind, v.text = booleanLiteral, strings.ToLower(t.text)
		case "NULL":
			v.kind, v.text = nullLiteral, ""
		default:
			p.step()
			return v, p.period(&v)
		}
	default:
		return v, p.unexpected()
	}
	p.step()
	return v, nil
}

// period reads what follows the name of a period: a colon and a number behind those that count.
func (p *parser) period(v *literal) error {
	v.kind = periodLiteral
	unit, ok := periods[v.text]
	if !ok {
		p.at--
		return p.unexpected()
	}
	if !unit.counted {
		return nil
	}
	if err := p.need(":"); err != nil {
		return err
	}
	n, err := p.whole()
	if err != nil {
		return err
	}
	if *n > maxPeriod {
		return p.refuse(v.pos, "numeric value out of range: %d", *n)
	}
	v.n = *n
	return nil
}

// escapes are the letters behind a backslash (Salesforce: quoted string escape sequences).
var escapes = map[byte]string{
	'n': "\n", 'N': "\n", 'r': "\r", 'R': "\r", 't': "\t", 'T': "\t", 'b': "\b", 'B': "\b", 'f': "\f", 'F': "\f", '"': "\"", '\'': "'", '\\': `\`,
}

// unquote turns a literal in single quotes into its text; ok is false when a backslash stands before what it cannot
// escape. In a pattern every backslash is left before what has a meaning there: %, _ and itself.
func unquote(s string, pattern bool) (text string, ok bool) {
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i == len(s):
			return "", false
		case pattern && strings.IndexByte(`%_\`, s[i]) >= 0:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		case s[i] == 'u':
			if i+5 > len(s) {
				return "", false
			}
			code, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil || utf16.IsSurrogate(rune(code)) {
				return "", false
			}
			b.WriteRune(rune(code))
			i += 4
		default:
			text, known := escapes[s[i]]
			if !known {
				return "", false
			}
			b.WriteString(text)
		}
	}
	return b.String(), true
}
