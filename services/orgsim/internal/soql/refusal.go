package soql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is a refusal of a query, in the code and text of the query resource. Its HTTP status is 400.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Codes of refusals.
const (
	malformed      = "MALFORMED_QUERY"
	invalidField   = "INVALID_FIELD"
	invalidType    = "INVALID_TYPE"
	filterOperator = "INVALID_QUERY_FILTER_OPERATOR"
)

// excerpt is how many characters before and after the place of an error its message shows.
const excerpt = 60

// refuse makes an error that shows its place in the text as Salesforce does: the line, a caret under the place, row and
// column, then the message.
func refuse(text string, pos int, code, format string, args ...any) *Error {
	pos = min(max(pos, 0), len(text))
	row := strings.Count(text[:pos], "\n") + 1
	line := text[strings.LastIndexByte(text[:pos], '\n')+1:]
	before := line[:pos-(len(text)-len(line))]
	line, _, _ = strings.Cut(line, "\n")
	column := utf8.RuneCountInString(before)
	shown := []rune(line)
	from := max(0, column-excerpt)
	to := min(len(shown), column+excerpt)
	return &Error{code, fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n", string(shown[from:to]), strings.Repeat(" ", column-from), row, column+1) +
		plain(code, format, args...).Message}
}

// plain makes an error without a place.
func plain(code, format string, args ...any) *Error {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = shorten(text)
		}
	}
	return &Error{code, fmt.Sprintf(format, args...)}
}

// shorten cuts a text of a query to what a message may hold of it; no name of an org is as long.
func shorten(s string) string {
	if len(s) > 4*excerpt {
		return strings.ToValidUTF8(s[:4*excerpt], "") + "…"
	}
	return s
}

// tooComplicated is the answer to what is nested too deeply.
func tooComplicated() *Error {
	return plain("QUERY_TOO_COMPLICATED", "Query is either selecting too many fields or the filter conditions are too complicated.")
}
