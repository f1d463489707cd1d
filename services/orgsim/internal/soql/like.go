package soql

import "unicode/utf8"

// pattern is what LIKE compares with, as a list of runes: anyText for %, anyRune for _, and characters.
type pattern []rune

const (
	anyText rune = -1 // %: any text, none too
	anyRune rune = -2 // _: exactly one character
)

// newPattern reads a pattern as literal left it, with a backslash before what stands for itself. fold is what both sides
// go through.
func newPattern(text string, fold func(string) string) pattern {
	var p pattern
	escaped := false
	for _, r := range fold(text) {
		switch {
		case escaped:
			p, escaped = append(p, r), false
		case r == '\\':
			escaped = true
		case r == '%':
			if len(p) == 0 || p[len(p)-1] != anyText { // several mean no more than one
				p = append(p, anyText)
			}
		case r == '_':
			p = append(p, anyRune)
		default:
			p = append(p, r)
		}
	}
	return p
}

// matches says whether the pattern fits the whole of a text. It goes back to the last % only, which is enough because an
// earlier one could not do better, so the time is at most the product of both lengths.
func (p pattern) matches(text string) bool {
	at, star, mark := 0, -1, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case at < len(p) && p[at] == anyText:
			star, mark = at, i
			at++
		case at < len(p) && (p[at] == anyRune || p[at] == r):
			at++
			i += size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(text[mark:])
			mark += size
			i, at = mark, star+1
		default:
			return false
		}
	}
	for at < len(p) && p[at] == anyText {
		at++
	}
	return at == len(p)
}
