package page

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"

	"bulkhead/services/orgsim/internal/settings"
)

// functions are what templates can call.
var functions = template.FuncMap{
	"time": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") },
	"number": func(n any) string {
		text := fmt.Sprint(n)
		for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	},
	"took": func(d settings.Duration) string { return time.Duration(d).Round(10 * time.Microsecond).String() },
	"short": func(s string) string {
		const most = 80
		if r := []rune(s); len(r) > most {
			s = string(r[:most]) + "…"
		}
		return visible(s)
	},
	"visible": visible,
	"join":    strings.Join,
}

// visible is a text whose characters that show nothing, or turn round what stands beside them, are shown by a sign: the
// control pictures of Unicode where there is one. Line breaks and tabs stay.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ':
			return '\u2400' + r
		case r == '\x7f':
			return '\u2421'
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		default:
			return r
		}
	}, s)
}
