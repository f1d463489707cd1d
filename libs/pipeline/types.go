package pipeline

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"bulkhead/libs/record"
)

// convert checks a value that is neither absent nor null against a type and returns its cell. problem, unless "", says what is wrong with it,
// to stand behind the member's name. Texts are kept as they are but for their line ends ([lineFeeds]), and an id of 15 characters is given its suffix.
func convert(t Type, v value) (cell, problem string) {
	if v.kind == kindObject || v.kind == kindArray {
		return "", "is " + v.kind.String() + ", not " + describe(t)
	}
	switch t {
	case TypeString:
		if v.kind != kindString {
			return "", "is " + v.kind.String() + ", not a string: publish it in quotes"
		}
		return lineFeeds(v.text), ""
	case TypeNumber:
		return number(v)
	case TypeBoolean:
		if v.kind == kindBool || v.kind == kindString && (v.text == "true" || v.text == "false") {
			return v.text, ""
		}
	case TypeDate:
		if v.kind == kindString && isDate(v.text) {
			return v.text, ""
		}
	case TypeDateTime:
		if v.kind == kindString && isDateTime(v.text) {
			return v.text, ""
		}
	case TypeID:
		if v.kind == kindString {
			if id, ok := record.LongID(v.text); ok {
				return id, ""
			}
		}
	}
	return "", "is not " + describe(t)
}

// lineFeeds writes the line ends of Windows as those that jobs are declared to have. A job whose declared line end is LF fails whole when one of its
// values holds CRLF (fact sheet, section 9.1): the record could not be sent at all, and would take its chunk with it. A CR in front of a CRLF goes with
// it, since what is left must hold none.
func lineFeeds(s string) string {
	if !strings.Contains(s, "\r\n") {
		return s
	}
	return windowsLineEnd.ReplaceAllString(s, "\n")
}

var windowsLineEnd = regexp.MustCompile(`\r+\n`)

func describe(t Type) string {
	switch t {
	case TypeString:
		return "a string"
	case TypeNumber:
		return "a number that a double can hold"
	case TypeBoolean:
		return "true or false"
	case TypeDate:
		return "a date such as 2026-01-31, of the years 1700 to 4000"
	case TypeDateTime:
		return "a date and time with its zone such as 2026-01-31T09:30:00Z, of the years 1700 to 4000"
	case TypeID:
		return "a Salesforce id of 15 or 18 characters whose suffix fits"
	}
	return "of a known type"
}

// number keeps the text. Salesforce's number fields are doubles, so what exceeds one is refused; digits beyond its precision are not.
func number(v value) (cell, problem string) {
	text := v.text
	if v.kind != kindNumber && (v.kind != kindString || text == "" || numberLen([]byte(text)) != len(text)) {
		return "", "is not " + describe(TypeNumber)
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil { // for its range only
		return "", "is out of the range that Salesforce can hold"
	}
	return text, ""
}

// Salesforce's date fields hold the years 1700 to 4000.
const firstYear, lastYear = 1700, 4000

func isDate(s string) bool {
	if len(s) != len("2006-01-02") {
		return false
	}
	t, err := time.Parse("2006-01-02", s)
	return err == nil && t.Year() >= firstYear && t.Year() <= lastYear
}

// isDateTime accepts yyyy-MM-ddTHH:mm:ss[.fraction](Z|±HH:mm).
func isDateTime(s string) bool {
	const seconds = len("2006-01-02T15:04:05")
	if len(s) <= seconds || len(s) > seconds+len(".123456789+00:00") || s[10] != 'T' {
		return false
	}
	if c := s[seconds]; c != '.' && c != 'Z' && c != '+' && c != '-' {
		return false // time.Parse takes a comma as well
	}
	t, err := time.Parse(time.RFC3339, s)
	return err == nil && t.Year() >= firstYear && t.Year() <= lastYear
}
