package soql

import (
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxLength is the largest number of characters in a query (Salesforce: SOQL limits).
	MaxLength = 100_000
	// MaxText is the largest number of characters in a text that a condition compares with (Salesforce: SOQL limits).
	MaxText = 4_000
	// maxOffset is the largest OFFSET (Salesforce: OFFSET).
	maxOffset = 2_000
	// maxOrder is the largest number of fields in ORDER BY (Salesforce: SOQL limits).
	maxOrder = 32
	// maxSubs is the largest number of sub-queries in one SELECT, and maxLevels that of levels of a query with its
	// sub-queries (Salesforce: relationship query limits).
	maxSubs, maxLevels = 20, 5
	// maxSemiJoins is the largest number of sub-queries in one WHERE (Salesforce: semi-joins).
	maxSemiJoins = 2
	// maxDepth bounds how deeply conditions may be nested; no number of Salesforce is known.
	maxDepth = 200
)

// clauses are the words that cannot be an alias: they begin what comes behind a name.
var clauses = []string{
	"AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST", "LIKE", "LIMIT", "NOT", "NULL", "NULLS", "OR",
	"SELECT", "USING", "WHERE", "WITH", "ORDER", "OFFSET", "FOR", "UPDATE", "ALL",
}

// parser reads a query from its tokens.
type parser struct {
	text   string
	tokens []token
	at     int
}

// Parse reads a query. Errors are of type *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxLength {
		return nil, plain(malformed, "SOQL statements cannot be longer than %d characters.", MaxLength)
	}
	list, err := tokens(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: list}
	q, err := p.query(1)
	if err != nil {
		return nil, err
	}
	if p.now().kind != end {
		return nil, p.unexpected()
	}
	return q, nil
}

func (p *parser) now() token { return p.tokens[p.at] }

// step goes on to the next token, and returns the one before; it stays at the last.
func (p *parser) step() token {
	t := p.now()
	if t.kind != end {
		p.at++
	}
	return t
}

// is says whether the next tokens are these words or symbols, without regard to case.
func (p *parser) is(texts ...string) bool {
	for i, text := range texts {
		if p.at+i >= len(p.tokens) {
			return false
		}
		if t := p.tokens[p.at+i]; (t.kind != word && t.kind != symbol) || !strings.EqualFold(t.text, text) {
			return false
		}
	}
	return true
}

// take goes over these words or symbols if they are next.
func (p *parser) take(texts ...string) bool {
	if !p.is(texts...) {
		return false
	}
	p.at += len(texts)
	return true
}

// need goes over a word or symbol that has to be next.
func (p *parser) need(text string) error {
	if !p.take(text) {
		return p.unexpected()
	}
	return nil
}

func (p *parser) unexpected() error {
	t := p.now()
	if t.kind == symbol && t.text == ":" {
		return p.refuse(t.pos, "Bind variables only allowed in Apex code")
	}
	return p.refuse(t.pos, "unexpected token: '%s'", t.text)
}

func (p *parser) refuse(pos int, format string, args ...any) error {
	return refuse(p.text, pos, malformed, format, args...)
}

func (p *parser) name() (Name, error) {
	t := p.now()
	if t.kind != word {
		return Name{}, p.unexpected()
	}
	p.step()
	return Name{t.text, t.pos}, nil
}

// alias reads the name that may stand behind a field or an object.
func (p *parser) alias() (Name, bool) {
	t := p.now()
	if t.kind != word || slices.ContainsFunc(clauses, func(c string) bool { return strings.EqualFold(c, t.text) }) {
		return Name{}, false
	}
	p.step()
	return Name{t.text, t.pos}, true
}

// query reads from SELECT on; level is 1 for the query and one more for each sub-query around.
func (p *parser) query(level int) (*Query, error) {
	q := &Query{text: p.text, aliases: map[string]Name{}}
	if err := p.need("SELECT"); err != nil {
		return nil, err
	}
	for _, clause := range []func(*Query) error{
		func(q *Query) error { return p.selection(q, level) },
		p.from, p.scope, func(q *Query) error { return p.conditions(q, level) }, p.mode, p.grouping, p.order, p.window, p.purpose,
	} {
		if err := clause(q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

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
