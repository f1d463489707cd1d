package soql

import (
	"slices"
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
