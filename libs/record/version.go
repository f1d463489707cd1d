package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Version says which of two records of an entity is newer, in a form whose order as bytes is the order of versions, so that SQL compares it as well:
// a bytea sorts alike. nil = the record names none.
//
// Numbers compare by their exact decimal value, date-times as instants, and a number is older than any date-time: an entity whose versions
// change from one to the other moves on once. Its bytes never change their meaning, since stored ones are compared with new ones.
type Version []byte

// Compare orders versions: negative when v is older than o, 0 when they are equal. No version is older than any.
func (v Version) Compare(o Version) int { return bytes.Compare(v, o) }

// VersionKind says what a version was written as.
type VersionKind uint8

// The kinds of a version.
const (
	// VersionNumber: a number as JSON writes it.
	VersionNumber VersionKind = iota
	// VersionText: a string that holds an RFC 3339 date-time, or a number as a number is written.
	VersionText
)

// Bounds of a version: it stands in a row of every record.
const (
	// MaxVersionText is the length of a version as written, in bytes.
	MaxVersionText = 1024
	// maxVersionExponent bounds the power of ten of a number.
	maxVersionExponent = 1_000_000_000
)

// The first byte of a version, and the second one of a number. Gaps leave room.
const (
	versionNumber = 0x10
	versionTime   = 0x20

	numberNegative = 0x10
	numberZero     = 0x20
	numberPositive = 0x30
)

var errNoVersion = errors.New("is neither a number nor a date and time with its zone such as 2026-01-31T09:30:00Z")

// ParseVersion reads a version. The error says what is wrong with the text, to stand behind the member's name.
func ParseVersion(kind VersionKind, text string) (Version, error) {
	if len(text) > MaxVersionText {
		return nil, fmt.Errorf("has %d bytes, a version has at most %d", len(text), MaxVersionText)
	}
	if d, ok := splitNumber(text); ok {
		return d.version()
	}
	if kind == VersionNumber {
		return nil, errors.New("is no number")
	}
	return timeVersion(text)
}

// decimal is a number as it is written: [-]whole[.fraction][e[±]exponent].
type decimal struct {
	negative        bool
	whole, fraction string
	exponent        string
}

// splitNumber takes a number of JSON's grammar apart; false = the text is none.
func splitNumber(s string) (decimal, bool) {
	var d decimal
	s, d.negative = strings.CutPrefix(s, "-")
	mantissa := s
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		mantissa, d.exponent = s[:at], s[at+1:]
		if !consistsOf(strings.TrimLeft(d.exponent, "+-"), digits) || len(strings.TrimLeft(d.exponent, "+-")) < len(d.exponent)-1 {
			return d, false
		}
	}
	var point bool
	d.whole, d.fraction, point = strings.Cut(mantissa, ".")
	if !consistsOf(d.whole, digits) || point && !consistsOf(d.fraction, digits) || len(d.whole) > 1 && d.whole[0] == '0' {
		return d, false
	}
	return d, true
}

const digits = "0123456789"

// version writes sign, power of ten of the first digit and digits, so that bytes compare as the numbers do; those of a negative number are turned over.
func (d decimal) version() (Version, error) {
	all := d.whole + d.fraction
	significant := strings.TrimLeft(all, "0")
	power := int64(len(d.whole) - (len(all) - len(significant)) - 1)
	significant = strings.TrimRight(significant, "0")
	if significant == "" {
		return Version{versionNumber, numberZero}, nil
	}
	exponent, ok := smallExponent(d.exponent)
	if !ok {
		return nil, fmt.Errorf("is out of range: its exponent must be between -%d and %d", maxVersionExponent, maxVersionExponent)
	}
	v := make(Version, 0, 7+len(significant)/2)
	v = append(v, versionNumber, numberPositive)
	v = binary.BigEndian.AppendUint32(v, uint32(power+exponent+1<<31)) //nolint:gosec // both are far below 2^31
	v = appendDigits(v, significant)
	if d.negative {
		v[1] = numberNegative
		for i := 2; i < len(v); i++ {
			v[i] = ^v[i]
		}
		// More digits make a negative number smaller: the shorter one must end above any further digit.
		v = append(v, 0xff)
	}
	return v, nil
}

// smallExponent reads an exponent such as +12; "" is 0.
func smallExponent(s string) (int64, bool) {
	text, negative := strings.CutPrefix(s, "-")
	text = strings.TrimLeft(strings.TrimPrefix(text, "+"), "0")
	if len(text) > len("1000000000") {
		return 0, false
	}
	var n int64
	for i := range len(text) {
		n = n*10 + int64(text[i]-'0')
	}
	if n > maxVersionExponent {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// appendDigits packs two digits a byte, from 1 to 100, so that a longer text of digits is the greater one. They must not end in 0.
func appendDigits(v Version, s string) Version {
	for i := 0; i < len(s); i += 2 {
		pair := 1 + 10*(s[i]-'0')
		if i+1 < len(s) {
			pair += s[i+1] - '0'
		}
		v = append(v, pair)
	}
	return v
}

// timeVersion reads an RFC 3339 date-time: seconds since 1970, then the digits of the fraction, however many.
func timeVersion(text string) (Version, error) {
	const seconds = len("2006-01-02T15:04:05")
	if len(text) <= seconds {
		return nil, errNoVersion
	}
	main, zone := text[:seconds], text[seconds:]
	fraction := ""
	if rest, ok := strings.CutPrefix(zone, "."); ok {
		zone = strings.TrimLeft(rest, digits)
		if fraction = rest[:len(rest)-len(zone)]; fraction == "" {
			return nil, errNoVersion
		}
	}
	if zone == "" || !strings.Contains("Z+-", zone[:1]) {
		return nil, errNoVersion // time.Parse would take a comma for a point
	}
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", main+zone)
	if err != nil {
		return nil, errNoVersion
	}
	v := binary.BigEndian.AppendUint64(Version{versionTime}, uint64(at.Unix())^1<<63)
	return appendDigits(v, strings.TrimRight(fraction, "0")), nil
}
