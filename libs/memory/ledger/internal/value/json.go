package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Normalise reads a JSON text into jsonb's normal form: keys by length and then by bytes, the last of equal ones, numbers without an exponent, and
// spaces as PostgreSQL writes them.
func Normalise(s string) (JSON, error) {
	if err := encoded(s); err != nil {
		return "", err
	}
	v, err := Decode(JSON(s))
	if err != nil {
		return "", Error("22P02", "invalid input syntax for type json: %v", err)
	}
	b := strings.Builder{}
	if err := encode(&b, v); err != nil {
		return "", err
	}
	if strings.ContainsRune(b.String(), utf8.RuneError) && !strings.ContainsRune(s, utf8.RuneError) && !strings.Contains(strings.ToLower(s), `\ufffd`) {
		return "", Error("22P02", "invalid input syntax for type json: half of a surrogate pair")
	}
	return JSON(b.String()), nil
}

// Decode reads a JSON value; numbers stay as they are written.
func Decode(j JSON) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(j)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return v, nil
}

// Encode writes a decoded value in the normal form. What jsonb cannot hold is a panic of *pgconn.PgError.
func Encode(v any) JSON {
	var b strings.Builder
	if err := encode(&b, v); err != nil {
		panic(err)
	}
	return JSON(b.String())
}

func encode(b *strings.Builder, v any) error {
	switch x := v.(type) {
	case map[string]any:
		return encodeObject(b, x)
	case []any:
		b.WriteByte('[')
		for i, item := range x {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := encode(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(x))
	case string:
		return quote(b, x)
	case json.Number:
		n, err := plainNumber(string(x))
		if err != nil {
			return err
		}
		b.WriteString(n)
	default:
		return Error("22P02", "a value of type %T is no JSON", v)
	}
	return nil
}

func encodeObject(b *strings.Builder, m map[string]any) error {
	keys := slices.SortedFunc(maps.Keys(m), func(p, q string) int {
		if len(p) != len(q) {
			return len(p) - len(q)
		}
		return strings.Compare(p, q)
	})
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := quote(b, k); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := encode(b, m[k]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

var escapes = map[byte]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// quote writes a text between quotes, with no more escapes than PostgreSQL.
func quote(b *strings.Builder, s string) error {
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch escape, ok := escapes[c]; {
		case ok:
			b.WriteString(escape)
		case c == 0:
			return Error("22P05", "unsupported Unicode escape sequence")
		case c < ' ':
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return nil
}

// maxExponent is how many digits a numeric has at most on either side of its point, about.
const maxExponent = 16383

// plainNumber writes out a number's exponent, as numeric does.
func plainNumber(s string) (string, error) {
	mantissa, power, has := strings.Cut(strings.ToLower(s), "e")
	if !has {
		if strings.Trim(s, "-0.") == "" {
			s = strings.TrimPrefix(s, "-")
		}
		return s, nil
	}
	exponent, err := strconv.Atoi(power)
	if err != nil || exponent > maxExponent || exponent < -maxExponent {
		return "", Error("22003", "value overflows numeric format")
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	whole, rest, _ := strings.Cut(digits, ".")
	switch {
	case exponent >= 0:
		rest += strings.Repeat("0", max(exponent-len(rest), 0))
		whole, rest = whole+rest[:exponent], rest[exponent:]
	default:
		whole = strings.Repeat("0", max(-exponent-len(whole)+1, 0)) + whole
		whole, rest = whole[:len(whole)+exponent], whole[len(whole)+exponent:]+rest
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if rest != "" {
		whole += "." + rest
	}
	if negative && strings.Trim(whole, "0.") != "" {
		whole = "-" + whole
	}
	return whole, nil
}

// JSONText is a decoded value as ->> gives it: strings bare, null as NULL.
func JSONText(v any) any {
	switch x := v.(type) {
	case nil:
		return nil
	case string:
		return x
	}
	return string(Encode(v))
}
