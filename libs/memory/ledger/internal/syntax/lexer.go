package syntax

import (
	"fmt"
	"strings"
)

type kind uint8

const (
	end    kind = iota
	word        // an identifier or keyword, folded
	quoted      // an identifier in double quotes: never a keyword
	number
	text  // a string constant, unescaped
	param // $n
	sign  // an operator or punctuation
)

type token struct {
	kind kind
	text string
	at   int
}

// signs of more than one character, longest first.
var signs = []string{"->>", "#>>", "::", "->", "<>", "!=", "<=", ">=", "||", ":=", "=>", "@>", "<@", "&&", "<<", ">>", "#>", "!~", "~*"}

// lex cuts a text into tokens; the last one is of kind end.
func lex(src string) ([]token, error) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.HasPrefix(src[i:], "--"):
			n := strings.IndexByte(src[i:], '\n')
			if n < 0 {
				n = len(src) - i
			}
			i += n
		case strings.HasPrefix(src[i:], "/*"):
			n := strings.Index(src[i+2:], "*/")
			if n < 0 {
				return nil, failure(src, i, "a comment that does not end")
			}
			i += n + 4
		case c == '\'' || (c == 'E' || c == 'e') && i+1 < len(src) && src[i+1] == '\'':
			escapes := c != '\''
			start := i
			if escapes {
				i++
			}
			s, n, ok := stringConstant(src[i+1:], escapes)
			if !ok {
				return nil, failure(src, start, "a string that does not end")
			}
			out = append(out, token{text, s, start})
			i += n + 1
		case c == '"':
			n := strings.IndexByte(src[i+1:], '"')
			if n < 0 {
				return nil, failure(src, i, "a quoted name that does not end")
			}
			out = append(out, token{quoted, src[i+1 : i+1+n], i})
			i += n + 2
		case c == '$' && i+1 < len(src) && isDigit(src[i+1]):
			j := i + 1
			for j < len(src) && isDigit(src[j]) {
				j++
			}
			out = append(out, token{param, src[i+1 : j], i})
			i = j
		case c == '$':
			tag := strings.IndexByte(src[i+1:], '$')
			if tag < 0 {
				return nil, failure(src, i, "a dollar that opens nothing")
			}
			mark := src[i : i+tag+2]
			n := strings.Index(src[i+len(mark):], mark)
			if n < 0 {
				return nil, failure(src, i, "a string that does not end")
			}
			out = append(out, token{text, src[i+len(mark) : i+len(mark)+n], i})
			i += n + 2*len(mark)
		case isDigit(c) || c == '.' && i+1 < len(src) && isDigit(src[i+1]):
			j := numberEnd(src, i)
			out = append(out, token{number, src[i:j], i})
			i = j
		case isLetter(c):
			j := i
			for j < len(src) && (isLetter(src[j]) || isDigit(src[j]) || src[j] == '$') {
				j++
			}
			out = append(out, token{word, strings.ToLower(src[i:j]), i})
			i = j
		default:
			s := signAt(src[i:])
			if s == "" {
				return nil, failure(src, i, fmt.Sprintf("the character %q", c))
			}
			out = append(out, token{sign, s, i})
			i += len(s)
		}
	}
	return append(out, token{end, "", len(src)}), nil
}

// stringConstant reads up to the closing quote and says how many bytes it took, the quote included.
func stringConstant(src string, escapes bool) (string, int, bool) {
	var b strings.Builder
	for i := 0; i < len(src); i++ {
		switch {
		case src[i] == '\'' && i+1 < len(src) && src[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case src[i] == '\'':
			return b.String(), i + 1, true
		case escapes && src[i] == '\\' && i+1 < len(src):
			i++
			switch src[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			default:
				b.WriteByte(src[i])
			}
		default:
			b.WriteByte(src[i])
		}
	}
	return "", 0, false
}

func numberEnd(src string, i int) int {
	seen := false
	for ; i < len(src); i++ {
		switch {
		case isDigit(src[i]):
		case src[i] == '.' && !seen:
			seen = true
		case (src[i] == 'e' || src[i] == 'E') && i+1 < len(src) && (isDigit(src[i+1]) || (src[i+1] == '-' || src[i+1] == '+') && i+2 < len(src) && isDigit(src[i+2])):
			seen = true
			i++
		default:
			return i
		}
	}
	return i
}

func signAt(src string) string {
	for _, s := range signs {
		if strings.HasPrefix(src, s) {
			return s
		}
	}
	if strings.IndexByte("+-*/%<>=()[],;.:~!", src[0]) >= 0 {
		return src[:1]
	}
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// Error says where a text cannot be read.
type Error struct {
	Line, Column int    // from 1
	Near         string // what stands there
	Problem      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d, near %q: %s", e.Line, e.Column, e.Near, e.Problem)
}

func failure(src string, at int, problem string) error {
	line := 1 + strings.Count(src[:at], "\n")
	column := at - strings.LastIndexByte(src[:at], '\n')
	near := src[at:]
	if n := strings.IndexByte(near, '\n'); n >= 0 {
		near = near[:n]
	}
	return &Error{Line: line, Column: column, Near: near[:min(len(near), 40)], Problem: problem}
}
