package ledger

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"bulkhead/libs/memory/ledger/internal/value"
)

// types is pgx's knowledge of how Go types are read and written, with the uuid type that the pools of pg.Open register.
var types = sync.OnceValue(func() *pgtype.Map {
	m := pgtype.NewMap()
	pgxuuid.Register(m)
	return m
})

// mapMu guards the map, which remembers plans as it goes.
var mapMu sync.Mutex

// bind makes a plan's values of a call's arguments.
func bind(want []value.Type, args []any) ([]any, error) {
	if len(want) != len(args) {
		return nil, value.Error("08P01", "expected %d arguments, got %d", len(want), len(args))
	}
	out := make([]any, len(args))
	for i, a := range args {
		t := want[i]
		if t == value.Unknown {
			t = value.Text
		}
		v, err := take(t, a)
		if err != nil {
			return nil, fmt.Errorf("argument $%d: %w", i+1, err)
		}
		out[i] = v
	}
	return out, nil
}

// take reads a Go value as one of a type. What it does not know itself goes by way of the text that pgx makes of it.
func take(t value.Type, a any) (any, error) {
	switch v := a.(type) {
	case nil:
		return nil, nil //nolint:nilnil // NULL
	case string:
		return value.Parse(t, v)
	case bool:
		if t == value.Bool {
			return v, nil
		}
	case int:
		return number(t, int64(v))
	case int16:
		return number(t, int64(v))
	case int32:
		return number(t, int64(v))
	case int64:
		return number(t, v)
	case float64:
		if t == value.Float8 || t == value.Numeric {
			return v, nil
		}
	case time.Time:
		if t == value.Timestamptz {
			return value.Of(v), nil
		}
		if t == value.DateType {
			return value.Date(time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400), nil
		}
	case uuid.UUID:
		if t == value.UUIDType {
			return value.UUID(v), nil
		}
	case uuid.NullUUID:
		if !v.Valid {
			return nil, nil //nolint:nilnil // NULL
		}
		return take(t, v.UUID)
	case []byte:
		switch {
		case v == nil:
			return nil, nil //nolint:nilnil // NULL
		case t == value.Bytea:
			return value.Bytes(v), nil
		}
		return value.Parse(t, string(v))
	}
	return takeReflected(t, a)
}

func number(t value.Type, n int64) (any, error) {
	switch {
	case t.IsInt():
		v, err := value.InRange(t, n)
		if err != nil {
			return nil, fmt.Errorf("%d is out of range for %s", n, t)
		}
		return v, nil
	case t == value.Float8 || t == value.Numeric:
		return float64(n), nil
	case t == value.Text:
		return nil, fmt.Errorf("unable to encode %d into text format for text (OID 25)", n)
	}
	return nil, fmt.Errorf("unable to encode %d as %s", n, t)
}

// takeReflected takes pointers, slices and named types.
func takeReflected(t value.Type, a any) (any, error) {
	r := reflect.ValueOf(a)
	switch {
	case r.Kind() == reflect.Pointer && r.IsNil(), r.Kind() == reflect.Slice && r.IsNil():
		return nil, nil //nolint:nilnil // NULL
	case r.Kind() == reflect.Pointer:
		return take(t, r.Elem().Interface())
	case t.IsArray() && r.Kind() == reflect.Slice:
		out := &value.Array{Elem: t.Elem(), Items: make([]any, r.Len())}
		for i := range r.Len() {
			v, err := take(t.Elem(), r.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			out.Items[i] = v
		}
		return out, nil
	}
	if v, ok := a.(driver.Valuer); ok {
		inner, err := v.Value()
		if err != nil {
			return nil, err
		}
		if reflect.TypeOf(inner) != reflect.TypeOf(a) {
			return take(t, inner)
		}
	}
	switch r.Kind() { //nolint:exhaustive // the others go by way of the text
	case reflect.String:
		return value.Parse(t, r.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if r.Type().PkgPath() != "" && t == value.Text {
			break // a named number may have a text of its own
		}
		return number(t, r.Int())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return number(t, int64(r.Uint())) //nolint:gosec // at most 32 bits
	case reflect.Slice:
		if r.Type().Elem().Kind() == reflect.Uint8 {
			return take(t, r.Bytes())
		}
	}
	mapMu.Lock()
	defer mapMu.Unlock()
	buf, err := types().Encode(t.OID(), pgtype.TextFormatCode, a, nil)
	if err != nil || buf == nil {
		return nil, err
	}
	return value.Parse(t, string(buf))
}

// text is a value as it would come over the wire.
func text(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		if v {
			return []byte("t")
		}
		return []byte("f")
	}
	return []byte(value.Format(v))
}

// scan puts a value where the caller wants it.
func scan(t value.Type, v, dest any) error {
	if done := scanFast(v, dest); done {
		return nil
	}
	mapMu.Lock()
	defer mapMu.Unlock()
	return types().Scan(t.OID(), pgtype.TextFormatCode, text(v), dest)
}

// scanFast knows the destinations of the generated code; false = not one of them.
func scanFast(v, dest any) bool {
	switch d := dest.(type) {
	case nil:
		return true
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return true
		}
	case **string:
		if v == nil {
			*d = nil
			return true
		}
		if s, ok := v.(string); ok {
			*d = &s
			return true
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return true
		}
	case *int32:
		if n, ok := v.(int64); ok && n == int64(int32(n)) {
			*d = int32(n)
			return true
		}
	case *int16:
		if n, ok := v.(int64); ok && n == int64(int16(n)) {
			*d = int16(n)
			return true
		}
	case *int:
		if n, ok := v.(int64); ok {
			*d = int(n)
			return true
		}
	case *bool:
		if b, ok := v.(bool); ok {
			*d = b
			return true
		}
	case *float64:
		if f, ok := v.(float64); ok {
			*d = f
			return true
		}
	case *[]byte:
		switch b := v.(type) {
		case nil:
			*d = nil
			return true
		case value.Bytes:
			*d = []byte(b)
			return true
		case value.JSON:
			*d = []byte(b)
			return true
		}
	case *uuid.UUID:
		if u, ok := v.(value.UUID); ok {
			*d = uuid.UUID(u)
			return true
		}
	case *uuid.NullUUID:
		if v == nil {
			*d = uuid.NullUUID{}
			return true
		}
		if u, ok := v.(value.UUID); ok {
			*d = uuid.NullUUID{UUID: uuid.UUID(u), Valid: true}
			return true
		}
	case *time.Time:
		if s, ok := v.(value.Stamp); ok && s.Finite() {
			*d = time.UnixMicro(int64(s))
			return true
		}
	case **time.Time:
		if v == nil {
			*d = nil
			return true
		}
		if s, ok := v.(value.Stamp); ok && s.Finite() {
			at := time.UnixMicro(int64(s))
			*d = &at
			return true
		}
	case *[]string:
		if a, ok := v.(*value.Array); ok {
			out := make([]string, len(a.Items))
			for i, item := range a.Items {
				s, ok := item.(string)
				if !ok {
					return false
				}
				out[i] = s
			}
			*d = out
			return true
		}
	}
	return false
}

// natural is a value as pgx gives it where nobody says what it should be.
func natural(t value.Type, v any) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	mapMu.Lock()
	defer mapMu.Unlock()
	typ, ok := types().TypeForOID(t.OID())
	if !ok {
		return value.Format(v), nil
	}
	return typ.Codec.DecodeValue(types(), t.OID(), pgtype.TextFormatCode, text(v))
}
