package syntax

import (
	"errors"
	"strings"
)

// Parse reads the statements of a text; between them stand semicolons.
func Parse(src string) (statements []Statement, err error) {
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, tokens: tokens}
	// The descent is deep and every level could fail: it leaves by a panic of its own type, which does not leave this function.
	defer func() {
		if r := recover(); r != nil {
			bad, ok := r.(badSyntax)
			if !ok {
				panic(r)
			}
			statements, err = nil, bad.err
		}
	}()
	for {
		for p.skip(";") {
		}
		if p.peek().kind == end {
			return statements, nil
		}
		statements = append(statements, p.statement())
		if p.peek().kind != end {
			p.need(";")
		}
	}
}

type badSyntax struct{ err error }

// maxDepth bounds how deep expressions and queries may be nested: a text that is deeper is no statement of ours.
const maxDepth = 200

type parser struct {
	src    string
	tokens []token
	at     int
	depth  int
}

func (p *parser) fail(problem string) {
	panic(badSyntax{failure(p.src, min(p.peek().at, len(p.src)), problem)})
}

// deeper counts a level of nesting; the function that it returns ends it.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail("nested too deeply")
	}
	return func() { p.depth-- }
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAt(n int) token {
	return p.tokens[min(p.at+n, len(p.tokens)-1)]
}

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// is says whether the next tokens are these words or signs.
func (p *parser) is(words ...string) bool {
	for i, w := range words {
		t := p.peekAt(i)
		if (t.kind != word && t.kind != sign) || t.text != w {
			return false
		}
	}
	return true
}

func (p *parser) skip(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.at += len(words)
	return true
}

func (p *parser) need(words ...string) {
	if !p.skip(words...) {
		p.fail("expected " + strings.ToUpper(strings.Join(words, " ")))
	}
}

// reserved words end an expression or a name: they are no aliases.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`all and any array as asc between case cross desc distinct do else end except exists fetch filter for from full group having in inner
		intersect into is isnull join lateral left like ilike limit natural not notnull null nulls offset on or order outer over partition returning right select set
		then union unique using values when where window with`) {
		m[w] = true
	}
	return m
}()

// name reads an identifier.
func (p *parser) name() string {
	t := p.peek()
	if t.kind == quoted || t.kind == word {
		p.at++
		return t.text
	}
	p.fail("expected a name")
	return ""
}

// label reads an optional alias.
func (p *parser) label() string {
	if p.skip("as") {
		return p.name()
	}
	if t := p.peek(); t.kind == quoted || t.kind == word && !reserved[t.text] {
		p.at++
		return t.text
	}
	return ""
}

// qualified reads schema.name or name.
func (p *parser) qualified() (schema, name string) {
	name = p.name()
	if p.skip(".") {
		return name, p.name()
	}
	return "", name
}

func (p *parser) names() []string {
	var out []string
	p.need("(")
	for {
		out = append(out, p.name())
		if !p.skip(",") {
			break
		}
	}
	p.need(")")
	return out
}

// typeName reads a type with its modifiers; modifiers have no meaning in this dialect (timestamp(3), varchar(10) are not used).
func (p *parser) typeName() TypeName {
	name := p.name()
	if p.skip(".") {
		name = p.name()
	}
	switch {
	case name == "double" && p.skip("precision"):
		name = "double precision"
	case name == "timestamp" && p.skip("with", "time", "zone"):
		name = "timestamptz"
	case name == "character" && p.skip("varying"):
		name = "text"
	}
	t := TypeName{Name: name}
	for p.skip("[") {
		p.need("]")
		t.Array = true
	}
	return t
}

// ErrDialect says that a text is outside of the dialect; errors of Parse wrap it.
var ErrDialect = errors.New("not in the dialect")

// Unwrap makes every Error an ErrDialect.
func (e *Error) Unwrap() error { return ErrDialect }
