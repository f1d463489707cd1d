package value

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parse reads the text of a value, as PostgreSQL reads a constant of the type.
func Parse(t Type, s string) (any, error) {
	v, err := parse(t, s)
	if err == errText { //nolint:errorlint // it is made here and not wrapped
		code := "22P02"
		if t == Timestamptz || t == DateType || t == IntervalType {
			code = "22007"
		}
		return nil, Error(code, "invalid input syntax for type %s: %q", t, s)
	}
	return v, err
}

func parse(t Type, s string) (any, error) {
	if t.IsArray() {
		return parseArray(t.Elem(), s)
	}
	switch t {
	case Unknown, Text, Record:
		return s, encoded(s)
	case Bool:
		return parseBool(s)
	case Int2, Int4, Int8:
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return nil, errText
		}
		return InRange(t, n)
	case Float8, Numeric:
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return nil, errText
		}
		return f, nil
	case Bytea:
		return parseBytes(s)
	case UUIDType:
		return parseUUID(s)
	case Timestamptz:
		return parseStamp(s)
	case DateType:
		d, err := time.Parse(time.DateOnly, strings.TrimSpace(s))
		if err != nil {
			return nil, errText
		}
		return Date(d.Unix() / 86400), nil
	case IntervalType:
		return parseInterval(s)
	case JSONB:
		return Normalise(s)
	case Void:
		return nil, nil //nolint:nilnil // void has no other value
	}
	return nil, errText
}

// encoded says whether a database in UTF-8 can hold the text, which NUL is not part of.
func encoded(s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return Error("22021", "invalid byte sequence for encoding \"UTF8\"")
	}
	return nil
}

// InRange is a whole number as one of the type.
func InRange(t Type, n int64) (any, error) {
	if t == Int2 && n != int64(int16(n)) || t == Int4 && n != int64(int32(n)) {
		return nil, Error("22003", "%s out of range", t)
	}
	return n, nil
}

func parseBool(s string) (any, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "t", "true", "yes", "on", "1":
		return true, nil
	case "f", "false", "no", "off", "0":
		return false, nil
	}
	return nil, errText
}

func parseBytes(s string) (any, error) {
	if h, ok := strings.CutPrefix(s, `\x`); ok {
		b, err := hex.DecodeString(h)
		if err != nil {
			return nil, errText
		}
		return Bytes(b), nil
	}
	if strings.Contains(s, `\`) {
		return nil, errText // the escape form is not used
	}
	return Bytes(s), nil
}

func parseUUID(s string) (any, error) {
	h := strings.ReplaceAll(strings.Trim(strings.TrimSpace(s), "{}"), "-", "")
	b, err := hex.DecodeString(h)
	if err != nil || len(b) != 16 {
		return nil, errText
	}
	return UUID(b), nil
}

var stampForms = []string{
	"2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02",
}

func parseStamp(s string) (any, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "infinity":
		return Infinity, nil
	case "-infinity":
		return -Infinity, nil
	case "epoch":
		return Stamp(0), nil
	}
	for _, form := range stampForms {
		if t, err := time.Parse(form, s); err == nil {
			return Of(t), nil
		}
	}
	return nil, errText
}

var units = map[string]Interval{
	"microsecond": {Micros: 1}, "millisecond": {Micros: 1000}, "ms": {Micros: 1000}, "second": {Micros: 1_000_000}, "sec": {Micros: 1_000_000}, "s": {Micros: 1_000_000},
	"minute": {Micros: 60_000_000}, "min": {Micros: 60_000_000}, "hour": {Micros: 3_600_000_000}, "day": {Days: 1}, "week": {Days: 7}, "month": {Months: 1},
	"mon": {Months: 1}, "year": {Months: 12},
}

// parseInterval reads `2 hours 30 minutes` and `01:30:00`.
func parseInterval(s string) (any, error) {
	var sum Interval
	words := strings.Fields(s)
	for i := 0; i < len(words); i++ {
		if parts := strings.Split(words[i], ":"); len(parts) == 2 || len(parts) == 3 {
			sign := 1.0
			if strings.HasPrefix(parts[0], "-") {
				sign = -1
			}
			for j, unit := range []float64{3600e6, 60e6, 1e6}[:len(parts)] {
				f, err := strconv.ParseFloat(strings.TrimPrefix(parts[j], "-"), 64)
				if err != nil {
					return nil, errText
				}
				sum.Micros += int64(math.Round(sign * f * unit))
			}
			continue
		}
		number, name := words[i], ""
		if cut := strings.IndexFunc(number, func(r rune) bool { return r >= 'a' && r <= 'z' }); cut > 0 {
			number, name = number[:cut], number[cut:]
		} else if i++; i < len(words) {
			name = words[i]
		}
		n, err := strconv.ParseFloat(number, 64)
		name = strings.ToLower(name)
		unit, ok := units[name]
		if !ok {
			unit, ok = units[strings.TrimSuffix(name, "s")]
		}
		if err != nil || !ok {
			return nil, errText
		}
		sum = sum.Plus(unit.Times(n))
	}
	if len(words) == 0 {
		return nil, errText
	}
	return sum, nil
}

// Plus adds part by part.
func (i Interval) Plus(j Interval) Interval {
	return Interval{i.Months + j.Months, i.Days + j.Days, i.Micros + j.Micros}
}

// Times multiplies part by part; what is left of a day becomes time.
func (i Interval) Times(f float64) Interval {
	months, days := float64(i.Months)*f, float64(i.Days)*f
	days += (months - math.Trunc(months)) * 30
	rest := (days - math.Trunc(days)) * float64(day)
	return Interval{int64(months), int64(days), int64(math.Round(float64(i.Micros)*f + rest))}
}

func parseArray(elem Type, s string) (any, error) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, Error("22P02", "malformed array literal: %q", s)
	}
	a := &Array{Elem: elem}
	body := s[1 : len(s)-1]
	for i := 0; i < len(body); {
		item, wasQuoted := strings.Builder{}, false
		if body[i] == '"' {
			wasQuoted = true
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' && i+1 < len(body) {
					i++
				}
				item.WriteByte(body[i])
			}
			i++
		}
		for ; i < len(body) && body[i] != ','; i++ {
			if body[i] == '{' || wasQuoted {
				return nil, Error("22P02", "malformed array literal: %q", s)
			}
			item.WriteByte(body[i])
		}
		if !wasQuoted && strings.EqualFold(item.String(), "null") {
			a.Items = append(a.Items, nil)
		} else {
			v, err := parse(elem, item.String())
			if err != nil {
				return nil, err
			}
			a.Items = append(a.Items, v)
		}
		if i < len(body) {
			i++ // the comma
		}
	}
	return a, nil
}
