package account

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"bulkhead/libs/record"
)

// fingerprint is that of a row: the sum modulo 2^128 of a hash of each cell that is not empty, with its column's name. As a sum it does
// not depend on the order of columns, and a column that is blank on one side is left out on the other by not adding it.
type fingerprint struct{ high, low uint64 }

func (p *fingerprint) add(o fingerprint) {
	var carry uint64
	p.low, carry = bits.Add64(p.low, o.low, 0)
	p.high, _ = bits.Add64(p.high, o.high, carry)
}

// compare orders fingerprints, for sorting only.
func (p fingerprint) compare(o fingerprint) int {
	switch {
	case p.high < o.high, p.high == o.high && p.low < o.low:
		return -1
	case p == o:
		return 0
	}
	return 1
}

func (p fingerprint) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, p.high), p.low)
}

// cellPrint hashes one cell; column is the number of the chunk's column. An empty cell is nothing.
func cellPrint(column int, value string) fingerprint {
	if value == "" {
		return fingerprint{}
	}
	var room [512]byte
	buf := binary.AppendUvarint(room[:0], uint64(column))
	buf = append(buf, value...)
	sum := sha256.Sum256(buf)
	return fingerprint{high: binary.BigEndian.Uint64(sum[:8]), low: binary.BigEndian.Uint64(sum[8:16])}
}

// strict is a value as it is compared first: as it is, but for line ends, which Salesforce may write its own way.
func strict(value string) string {
	if strings.IndexByte(value, '\r') < 0 {
		return value
	}
	return strings.ReplaceAll(value, "\r\n", "\n")
}

// nullValue is what clears a field in an upload; it comes back as it is, or as the empty value that it made.
const nullValue = "#N/A"

// relaxed is the form under which a value is the same after Salesforce stored it: without blanks at its ends, in one Unicode form, numbers
// without their scale, dates and date-times as moments, and "#N/A" as nothing.
func relaxed(value string) string {
	value = strings.TrimSpace(record.FoldExact(strict(value)))
	switch {
	case value == "" || value == nullValue:
		return ""
	case strings.EqualFold(value, "true"):
		return "true"
	case strings.EqualFold(value, "false"):
		return "false"
	}
	if c := value[0]; c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') {
		return value
	}
	if number, ok := plainNumber(value); ok {
		return "\x00n" + number
	}
	if at, ok := moment(value); ok {
		return "\x00t" + at
	}
	return value
}

// Bounds within which a text is taken for a number; a longer one is compared as the text that it is.
const (
	maxNumberLen = 64
	maxExponent  = 400
)

// plainNumber writes a decimal in one way: sign, digits without zeros at either end, and the power of ten.
func plainNumber(s string) (string, bool) {
	if len(s) > maxNumberLen {
		return "", false
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || n > maxExponent || n < -maxExponent {
			return "", false
		}
		mantissa, exponent = s[:i], n
	}
	sign := ""
	if rest, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", rest
	} else {
		mantissa = strings.TrimPrefix(mantissa, "+")
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", false
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	short := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(short)
	if short == "" {
		return "0", true
	}
	return sign + short + "e" + strconv.Itoa(exponent), true
}

// momentForms are the spellings of dates and date-times that Salesforce takes and gives.
var momentForms = []string{
	"2006-01-02", "2006-01-02Z07:00", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00",
	"2006-01-02 15:04:05",
}

// moment writes a date or date-time as seconds and nanoseconds since 1970 (a date as its midnight, UTC).
func moment(s string) (string, bool) {
	if len(s) < len("2006-01-02") || len(s) > 40 || s[4] != '-' {
		return "", false
	}
	for _, form := range momentForms {
		if at, err := time.Parse(form, s); err == nil {
			return strconv.FormatInt(at.Unix(), 10) + "." + strconv.Itoa(at.Nanosecond()), true
		}
	}
	return "", false
}
