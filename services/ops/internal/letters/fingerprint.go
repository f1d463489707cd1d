package letters

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTemplate bounds a template in bytes: a longer message says nothing more about its cause.
const maxTemplate = 400

// hole stands where a value was cut out of a message.
const hole = "…"

// What differs between records of one cause, in the order in which it is cut out. Quoted texts first: whatever they hold is a value.
var variables = []*regexp.Regexp{
	regexp.MustCompile(`"[^"]*"`),
	regexp.MustCompile("`[^`]*`"),
	// An apostrophe inside a word (can't) opens no quotation.
	regexp.MustCompile(`(^|[\s(:=,\[])'[^']*'`),
	regexp.MustCompile(`https?://\S+`),
	regexp.MustCompile(`[^\s,;:<>()\[\]"']+@[^\s,;:<>()\[\]"']+`),
	// UUIDs and Salesforce ids (15 or 18 letters and digits with a digit among them; the key prefix begins most of them with one).
	regexp.MustCompile(`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b`),
	regexp.MustCompile(`\b[0-9][0-9A-Za-z]{14}(?:[0-9A-Za-z]{3})?\b`),
	regexp.MustCompile(`\b[0-9A-Za-z]*[0-9][0-9A-Za-z]{0,200}\b`),
}

var (
	spaces = regexp.MustCompile(`\s+`)
	holes  = regexp.MustCompile(`…(?:[\s,.:/-]*…)+`)
)

// Template is a message with its variable parts cut out: quoted values, ids, addresses and numbers. Messages of one cause have one
// template. It is for people and for [Fingerprint]; no decision rests on it.
func Template(message string) string {
	s := strings.ToValidUTF8(message, hole)
	if len(s) > 4*maxTemplate {
		s = s[:4*maxTemplate]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	for _, v := range variables {
		s = v.ReplaceAllString(s, "${1}"+hole)
	}
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	s = holes.ReplaceAllString(s, hole)
	if len(s) <= maxTemplate {
		return s
	}
	s = s[:maxTemplate]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// Fingerprint names the group of a letter: pipeline (and with it org, object and operation), stage, class, code, the fields named and the
// message's template. 16 hexadecimal digits.
func Fingerprint(pipeline, stage, class, code string, fields []string, message string) string {
	sorted := slices.Clone(fields)
	slices.Sort(sorted)
	h := sha256.New()
	for _, part := range []string{pipeline, stage, class, code, strings.Join(sorted, "\x01"), Template(message)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
