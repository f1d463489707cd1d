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

// variable is a text that differs between records of one cause.
type variable struct {
	pattern *regexp.Regexp
	with    string
}

// The variables, in the order in which they are cut out. First messages of Salesforce whose value stands bare and can be any text, then quoted
// texts (whatever they hold is a value), then what looks like an id, an address or a number.
var variables = []variable{
	{regexp.MustCompile(`(invalid email address: ).*`), "${1}" + hole},
	{regexp.MustCompile(`(bad value for restricted picklist field: ).*`), "${1}" + hole},
	{regexp.MustCompile(`(Foreign key external ID: ).*?( not found)`), "${1}" + hole + "${2}"},
	{regexp.MustCompile(`"[^"]*"`), hole},
	{regexp.MustCompile("`[^`]*`"), hole},
	// An apostrophe inside a word (can't) opens no quotation.
	{regexp.MustCompile(`(^|[\s(:=,\[])'[^']*'`), "${1}" + hole},
	{regexp.MustCompile(`https?://\S+`), hole},
	{regexp.MustCompile(`[^\s,;:<>()\[\]"']*@[^\s,;:<>()\[\]"']*`), hole},
	// Ids, numbers, dates, keys: a word with a digit in it.
	{regexp.MustCompile(`[^\s,;:<>()\[\]"'` + "`" + `]*[0-9][^\s,;:<>()\[\]"'` + "`" + `]*`), hole},
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
		s = v.pattern.ReplaceAllString(s, v.with)
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
