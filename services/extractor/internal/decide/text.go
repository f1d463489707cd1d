package decide

import "strings"

// Bounds of what a refusal says: names of members come from outside and may be as long as a record. The payload has them whole.
const (
	maxMessage = 4 << 10
	maxField   = 256
	maxFields  = 50
)

// shortText makes a text from outside fit for a column and a letter: valid UTF-8, without U+0000, at most n bytes long.
func shortText(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

func shortFields(fields []string) []string {
	out := make([]string, 0, min(len(fields), maxFields))
	for _, f := range fields[:min(len(fields), maxFields)] {
		out = append(out, shortText(f, maxField))
	}
	return out
}
