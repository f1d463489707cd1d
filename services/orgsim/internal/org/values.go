package org

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Null is the CSV text that clears a field. An empty cell leaves the field alone instead.
const Null = "#N/A"

// MaxFieldLength is the largest number of characters in one CSV value (Salesforce: limits of CSV data).
const MaxFieldLength = 131_072

// Stamp is the form of date-times in JSON replies and in stored datetime values. Salesforce keeps whole seconds, so the
// thousandths are always zero.
const Stamp = "2006-01-02T15:04:05.000-0700"

// FormatStamp writes a date-time in the form Stamp.
func FormatStamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(Stamp) }

// timeForms are the date-time texts that the CSV rules allow.
var timeForms = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999Z07:00", "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05.999-0700"}

// parse turns the text of a CSV cell at column col (0-based) into the stored form of the field. The second result is
// the row error, nil when the value is good. The value must be neither empty nor Null.
func (f *Field) parse(v string, col int) (string, *RowError) {
	if !utf8.ValidString(v) {
		return "", rowError("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", f.Label+": text is not valid UTF-8", f.Name)
	}
	switch f.Type {
	case TypeBoolean:
		switch strings.ToLower(v) {
		case "true", "1":
			return "true", nil
		case "false", "0":
			return "false", nil
		}
		return "", f.badType(v, col, "boolean")
	case TypeInt:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return "", f.badType(v, col, "int")
		}
		if n < -1<<31 || n > 1<<31-1 {
			return "", f.outOfRange(v)
		}
		return strconv.FormatInt(n, 10), nil
	case TypeDouble, TypeCurrency, TypePercent:
		return f.parseNumber(v, col)
	case TypeDate:
		d, err := time.Parse("2006-01-02", v)
		if err != nil {
			return "", f.badType(v, col, "date")
		}
		return v, f.datable(d, v)
	case TypeDateTime:
		for _, form := range timeForms {
			if t, err := time.Parse(form, v); err == nil {
				return FormatStamp(t), f.datable(t, v)
			}
		}
		return "", f.badType(v, col, "dateTime")
	case TypeReference:
		return v, nil // the store looks the parent up
	default:
		return f.parseText(v)
	}
}

func (f *Field) parseText(v string) (string, *RowError) {
	if len(v) > f.Length && utf8.RuneCountInString(v) > f.Length {
		return "", rowError("STRING_TOO_LONG",
			fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.Label, v, f.Length), f.Name)
	}
	switch f.Type {
	case TypeEmail:
		if !validEmail(v) {
			return "", rowError("INVALID_EMAIL_ADDRESS", f.Label+": invalid email address: "+v, f.Name)
		}
	case TypePicklist:
		if f.Restricted && !f.allows(v) {
			return "", rowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				f.Label+": bad value for restricted picklist field: "+v, f.Name)
		}
	}
	return v, nil
}

func (f *Field) allows(v string) bool {
	for _, allowed := range f.Values {
		if v == allowed {
			return true
		}
	}
	return false
}

// datable refuses days outside the range that Salesforce knows.
func (f *Field) datable(t time.Time, v string) *RowError {
	if t.UTC().Year() < 1700 || t.UTC().Year() > 4000 {
		return rowError("DATE_OUT_OF_RANGE", f.Label+": date out of range: "+v, f.Name)
	}
	return nil
}

// validNumber says whether a text is an xsd:double as the CSV rules allow it: digits with an optional sign, point and
// exponent, of at most three digits. Infinity and NaN are none.
func validNumber(v string) bool {
	sign := func() {
		if v != "" && (v[0] == '+' || v[0] == '-') {
			v = v[1:]
		}
	}
	digits := func() (n int) {
		for n < len(v) && v[n] >= '0' && v[n] <= '9' {
			n++
		}
		v = v[n:]
		return n
	}
	sign()
	n := digits()
	if v != "" && v[0] == '.' {
		v = v[1:]
		n += digits()
	}
	if n == 0 {
		return false
	}
	if v != "" && v[0]|0x20 == 'e' {
		v = v[1:]
		sign()
		if n = digits(); n < 1 || n > 3 {
			return false
		}
	}
	return v == ""
}

func (f *Field) parseNumber(v string, col int) (string, *RowError) {
	if !validNumber(v) {
		return "", f.badType(v, col, "double")
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return "", f.outOfRange(v)
	}
	text := strconv.FormatFloat(n, 'f', f.Scale, 64)
	whole, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if len(whole) > f.Precision-f.Scale && whole != "0" {
		return "", f.outOfRange(v)
	}
	return text, nil
}

func (f *Field) outOfRange(v string) *RowError {
	return rowError("NUMBER_OUTSIDE_VALID_RANGE", f.Label+": value outside of valid range on numeric field: "+v, f.Name)
}

// badType is the recorded text for a value that its XML type does not allow. It ends in "--" after the field, with
// the type and the field in one breath, as real orgs write it.
func (f *Field) badType(v string, col int, xsd string) *RowError {
	return rowError("INVALID_FIELD",
		fmt.Sprintf("Failed to deserialize field at col %d. Due to, '%s' is not a valid value for the type xsd:%s", col, v, xsd), f.Name)
}
