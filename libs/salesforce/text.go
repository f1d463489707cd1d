package salesforce

import (
	"bytes"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxNameRunes    = 80  // of a name or host quoted in an error
	maxMessageRunes = 300 // of a text from Salesforce in an error; enough for every documented one, little for stray row values
)

// clip makes a text from outside fit for one line of a log: control and other unprintable characters escaped, invalid UTF-8 shown
// as such, cut at limit runes.
func clip(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			b.WriteString("…")
			break
		}
		n++
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// readable puts U+FFFD in the place of a NUL and of bytes that are no UTF-8.
func readable(text []byte) []byte {
	if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ToValidUTF8(text, replacement), []byte{0}, replacement)
}

var replacement = []byte("\uFFFD")

// minSecretBytes is the length from which a text is taken for a secret: shorter ones stand in any sentence by accident.
const minSecretBytes = 8

// withoutSecrets removes secrets that a reply repeats, as they are and as URLs and forms write them.
func withoutSecrets(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) < minSecretBytes {
			continue
		}
		for _, written := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			text = strings.ReplaceAll(text, written, redacted)
		}
	}
	return text
}

// soqlLiteral matches a quoted literal of a query, also one that the message cuts off. A literal is data of somebody's record.
var soqlLiteral = regexp.MustCompile(`'(?:\\.|[^'\\])*(?:'|$)`)

// withoutLiterals removes what an error of the query resource repeats of the query's values.
func withoutLiterals(message string) string {
	return soqlLiteral.ReplaceAllString(message, "'…'")
}
