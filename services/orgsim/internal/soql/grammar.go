// Package soql reads and runs the simple queries that the simulated org answers:
//
//	SELECT field, Parent.field, … | COUNT()
//	FROM Object
//	[WHERE condition [AND condition …]]
//	[ORDER BY field [ASC|DESC] [NULLS FIRST|LAST]]
//	[LIMIT n] [OFFSET n]
//
// where a condition is field = | != | < | <= | > | >= value, or field [NOT] IN (value, …), and a value is a text in
// single quotes, a number, true, false, null, a date or a date-time. Key words and names ignore case.
//
// Start with Parse, then Query.Run. What always holds: no text makes Parse panic, and errors carry the code and the
// form that the query resource answers with. Left to others: paging and JSON (package rest).
package soql

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

const (
	// MaxLength is the largest number of characters in a query (Salesforce: SOQL limits).
	MaxLength = 100_000
	// MaxText is the largest number of characters in a text that a condition compares with (Salesforce: SOQL limits).
	MaxText = 4_000
)

// Query is a parsed query.
type Query struct {
	Pos        lexer.Position
	Select     Select       `parser:"'SELECT' @@"`
	From       Name         `parser:"'FROM' @@"`
	Conditions []*Condition `parser:"( 'WHERE' @@ ( 'AND' @@ )* )?"`
	Order      *Order       `parser:"( 'ORDER' 'BY' @@ )?"`
	Limit      *int         `parser:"( 'LIMIT' @Number )?"`
	Offset     *int         `parser:"( 'OFFSET' @Number )?"`
}

// Select is what a query returns: rows of fields, or only their number.
type Select struct {
	Count  bool   `parser:"  @( 'COUNT' '(' ')' )"`
	Fields []Name `parser:"| @@ ( ',' @@ )*"`
}

// Name is a field, an object, or a field of a parent after a dot.
type Name struct {
	Pos  lexer.Position
	Path string `parser:"@Ident"`
}

// Condition is one comparison.
type Condition struct {
	Field    Name     `parser:"@@"`
	Operator string   `parser:"(  @( '!=' | '<>' | '<=' | '>=' | '=' | '<' | '>' )"`
	Value    *Value   `parser:"   @@"`
	Not      bool     `parser:" | @'NOT'? 'IN'"`
	List     []*Value `parser:"   '(' @@ ( ',' @@ )* ')' )"`
}

// Value is a literal.
type Value struct {
	Pos    lexer.Position
	Text   *string `parser:"  @String"`
	Moment *string `parser:"| @Moment"`
	Number *string `parser:"| @Number"`
	Word   *string `parser:"| @( 'TRUE' | 'FALSE' | 'NULL' )"`
}

// Order is the order of the rows.
type Order struct {
	Field Name `parser:"@@"`
	Desc  bool `parser:"( 'ASC' | @'DESC' )?"`
	Last  bool `parser:"( 'NULLS' ( 'FIRST' | @'LAST' ) )?"`
}

var grammar = participle.MustBuild[Query](
	participle.Lexer(lexer.MustSimple([]lexer.SimpleRule{
		{Name: "space", Pattern: `[ \t\r\n]+`},
		{Name: "String", Pattern: `'(?:[^'\\]|\\.)*'`},
		{Name: "Moment", Pattern: `\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))?`},
		{Name: "Number", Pattern: `[+-]?\d+(?:\.\d+)?`},
		{Name: "Ident", Pattern: `[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*`},
		{Name: "Operator", Pattern: `!=|<>|<=|>=|[=<>]`},
		{Name: "Mark", Pattern: `[(),]`},
	})),
	participle.CaseInsensitive("Ident"),
	participle.UseLookahead(3),
)

// Error is a refusal of a query, in the code and text of the query resource. Its HTTP status is 400.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Parse reads a query. Errors are of type *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxLength {
		return nil, &Error{"MALFORMED_QUERY", fmt.Sprintf("SOQL statements cannot be longer than %d characters.", MaxLength)}
	}
	q, err := grammar.ParseString("", text)
	if err == nil {
		return q, q.checkTexts(text)
	}
	message := err.Error()
	pos := lexer.Position{Line: 1, Column: 1}
	var perr participle.Error
	if errors.As(err, &perr) {
		message, pos = perr.Message(), perr.Position()
	}
	var unexpected *participle.UnexpectedTokenError
	if errors.As(err, &unexpected) {
		message = fmt.Sprintf("unexpected token: '%s'", unexpected.Unexpected.Value)
		if unexpected.Unexpected.EOF() {
			message = "unexpected token: '<EOF>'"
		}
	}
	return nil, &Error{"MALFORMED_QUERY", at(text, pos) + message}
}

// checkTexts refuses conditions with a text that is too long; the real words are not recorded.
func (q *Query) checkTexts(text string) error {
	for _, c := range q.Conditions {
		values := c.List
		if c.Value != nil {
			values = append(values, c.Value)
		}
		for _, v := range values {
			if v.Text != nil && utf8.RuneCountInString(unquote(*v.Text)) > MaxText {
				return &Error{"MALFORMED_QUERY", at(text, v.Pos) + fmt.Sprintf("a text in a WHERE clause cannot be longer than %d characters", MaxText)}
			}
		}
	}
	return nil
}

// at shows the place of an error as Salesforce does: the line, a caret under it, row and column.
func at(text string, pos lexer.Position) string {
	lines := strings.Split(text, "\n")
	line := lines[min(max(pos.Line-1, 0), len(lines)-1)]
	column := max(pos.Column, 1)
	return fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n", line, strings.Repeat(" ", column-1), max(pos.Line, 1), column)
}

// unquote turns a literal in single quotes into its text.
func unquote(s string) string {
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n', 'N':
			b.WriteByte('\n')
		case 'r', 'R':
			b.WriteByte('\r')
		case 't', 'T':
			b.WriteByte('\t')
		case 'b', 'B':
			b.WriteByte('\b')
		case 'f', 'F':
			b.WriteByte('\f')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
