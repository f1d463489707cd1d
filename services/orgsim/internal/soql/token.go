package soql

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// kind is the sort of a token.
type kind uint8

const (
	end    kind = iota // behind the last token
	word               // a key word, or a name with its dots: Account.Name
	quoted             // a text with its quotes
	moment             // a date or a date-time
	number
	symbol // an operator, a parenthesis, a comma, a colon
)

// token is a piece of a query.
type token struct {
	kind kind
	text string
	pos  int // bytes from the beginning
}

var (
	momentForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))?`)
	numberForm = regexp.MustCompile(`^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?`)
	wordForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*`)
)

// tokens takes a query apart; the last token is of kind end.
func tokens(text string) ([]token, error) {
	var list []token
	for at := 0; ; {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t\r\n\f"))
		if at == len(text) {
			return append(list, token{end, "<EOF>", at}), nil
		}
		t, err := tokenAt(text, at)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		at += len(t.text)
	}
}

// tokenAt reads the token that begins at a place.
func tokenAt(text string, at int) (token, error) {
	rest := text[at:]
	switch c := rest[0]; {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return token{word, wordForm.FindString(rest), at}, nil
	case c == '\'':
		n := quotedLength(rest)
		if n == 0 {
			return token{}, plain(malformed, "line 1:%d mismatched character '<EOF>' expecting '''", len(text))
		}
		return token{quoted, rest[:n], at}, nil
	case c >= '0' && c <= '9', c == '+', c == '-', c == '.':
		if m := momentForm.FindString(rest); m != "" {
			return token{moment, m, at}, nil
		}
		if n := numberForm.FindString(rest); n != "" {
			return token{number, n, at}, nil
		}
	case strings.IndexByte("(),:=", c) >= 0:
		return token{symbol, rest[:1], at}, nil
	case c == '<' || c == '>' || c == '!':
		for _, op := range []string{"<>", "<=", ">=", "!=", "<", ">"} {
			if strings.HasPrefix(rest, op) {
				return token{symbol, op, at}, nil
			}
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, plain(malformed, "line 1:%d no viable alternative at character '%c'", at, r)
}

// quotedLength is the length of the text in single quotes with which a text begins; 0 when it does not end.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return 0
}
