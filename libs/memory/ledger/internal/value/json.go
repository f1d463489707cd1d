package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// Normalise reads a JSON text into jsonb's normal form: keys by length and then by bytes, the last of equal ones, and spaces as PostgreSQL writes them.
func Normalise(s string) (JSON, error) {
	v, err := Decode(JSON(s))
	if err != nil {
		return "", Error("22P02", "invalid input syntax for type json: %v", err)
	}
	return Encode(v), nil
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

// Encode writes a decoded value in the normal form.
func Encode(v any) JSON {
	var b strings.Builder
	encode(&b, v)
	return JSON(b.String())
}

func encode(b *strings.Builder, v any) {
	switch x := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(p, q string) int {
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
			encode(b, k)
			b.WriteString(": ")
			encode(b, x[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range x {
			if i > 0 {
				b.WriteString(", ")
			}
			encode(b, item)
		}
		b.WriteByte(']')
	default:
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		if err := e.Encode(x); err != nil {
			panic(Error("22P02", "a value of type %T is no JSON", v))
		}
		b.Write(bytes.TrimRight(buf.Bytes(), "\n"))
	}
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
