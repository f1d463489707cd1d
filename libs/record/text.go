package record

import (
	"strings"
	"unicode/utf8"
)

// Storable makes a foreign text storable (valid UTF-8 without zero bytes, which PostgreSQL refuses) and cuts it to n bytes.
func Storable(s string, n int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
