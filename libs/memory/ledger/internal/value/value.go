// Package value is what stands in a cell: PostgreSQL's types as far as the product uses them, how they compare, and how they are written as text.
//
// What always holds:
//
//   - A value of a type has one Go type: bool, int64 (smallint, integer, bigint), float64 (double precision, numeric), string (text), Bytes, UUID,
//     Stamp, Date, Interval, JSON or *Array; nil is NULL.
//   - Values of one type other than arrays can be keys of a map, and two are equal as keys when they are equal to PostgreSQL.
//   - Values are never changed once made.
//   - Text compares by its bytes, as the collation C does; jsonb compares by its normal form.
//
// What is left out: numeric is a float64, so sums of bigint beyond 2^53 are inexact.
package value

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Type is the type of a column or expression. Elem | ArrayOf is an array's.
type Type uint8

// The types. Unknown is that of a string constant or parameter whose place does not say more.
const (
	Unknown Type = iota
	Bool
	Int2
	Int4
	Int8
	Float8
	Numeric
	Text
	Bytea
	UUIDType
	Timestamptz
	DateType
	IntervalType
	JSONB
	Void
	Record

	ArrayOf Type = 1 << 6
)

// Elem is the type of an array's items.
func (t Type) Elem() Type { return t &^ ArrayOf }

// IsArray says whether it is an array.
func (t Type) IsArray() bool { return t&ArrayOf != 0 }

// IsInt says whether its values are int64.
func (t Type) IsInt() bool { return t == Int2 || t == Int4 || t == Int8 }

// IsNumber says whether it can be calculated with.
func (t Type) IsNumber() bool { return t.IsInt() || t == Float8 || t == Numeric }

var names = map[string]Type{
	"boolean": Bool, "bool": Bool, "smallint": Int2, "int2": Int2, "integer": Int4, "int": Int4, "int4": Int4, "bigint": Int8, "int8": Int8,
	"double precision": Float8, "float8": Float8, "real": Float8, "numeric": Numeric, "text": Text, "varchar": Text, "name": Text, "regclass": Text,
	"bytea": Bytea, "uuid": UUIDType, "timestamptz": Timestamptz, "date": DateType, "interval": IntervalType, "jsonb": JSONB, "json": JSONB, "void": Void, "oid": Int8,
}

// ByName is the type of a name.
func ByName(name string, array bool) (Type, bool) {
	t, ok := names[name]
	if ok && array {
		t |= ArrayOf
	}
	return t, ok
}

func (t Type) String() string {
	if t.IsArray() {
		return t.Elem().String() + "[]"
	}
	return [...]string{
		"unknown", "boolean", "smallint", "integer", "bigint", "double precision", "numeric", "text", "bytea", "uuid",
		"timestamp with time zone", "date", "interval", "jsonb", "void", "record",
	}[t]
}

// OID is PostgreSQL's number of the type.
func (t Type) OID() uint32 {
	if t.IsArray() {
		switch t.Elem() {
		case Bool:
			return pgtype.BoolArrayOID
		case Int2:
			return pgtype.Int2ArrayOID
		case Int4:
			return pgtype.Int4ArrayOID
		case Int8:
			return pgtype.Int8ArrayOID
		case Float8:
			return pgtype.Float8ArrayOID
		case Bytea:
			return pgtype.ByteaArrayOID
		case UUIDType:
			return pgtype.UUIDArrayOID
		case Timestamptz:
			return pgtype.TimestamptzArrayOID
		default:
			return pgtype.TextArrayOID
		}
	}
	return [...]uint32{
		pgtype.TextOID, pgtype.BoolOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.TextOID,
		pgtype.ByteaOID, pgtype.UUIDOID, pgtype.TimestamptzOID, pgtype.DateOID, pgtype.IntervalOID, pgtype.JSONBOID, 2278, pgtype.RecordOID,
	}[t]
}

type (
	// Bytes is a bytea. It is a string so that it can be compared and be a key.
	Bytes string
	// UUID is a uuid.
	UUID [16]byte
	// Stamp is a timestamptz in microseconds since 1970; Infinity and -Infinity are its ends.
	Stamp int64
	// Date is in days since 1970.
	Date int64
	// JSON is a jsonb in its normal form, see Normalise.
	JSON string
	// Interval is a span of time; its parts are added one after the other.
	Interval struct {
		Months, Days int64
		Micros       int64
	}
	// Array is of one dimension.
	Array struct {
		Elem  Type
		Items []any
	}
)

// Infinity is the timestamp behind all others.
const Infinity Stamp = math.MaxInt64

// Error makes an error as the server would send it.
func Error(code, format string, args ...any) *pgconn.PgError {
	return &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: fmt.Sprintf(format, args...)}
}

// Compare orders two values of one type, neither of them NULL. Of numbers the Go types may differ.
func Compare(a, b any) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(float64(x), Float(b))
	case float64:
		return cmp.Compare(x, Float(b))
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case Bytes:
		if y, ok := b.(Bytes); ok {
			return strings.Compare(string(x), string(y))
		}
	case UUID:
		if y, ok := b.(UUID); ok {
			return bytes.Compare(x[:], y[:])
		}
	case Stamp:
		if y, ok := b.(Stamp); ok {
			return cmp.Compare(x, y)
		}
	case Date:
		if y, ok := b.(Date); ok {
			return cmp.Compare(x, y)
		}
	case bool:
		if y, ok := b.(bool); ok {
			switch {
			case x == y:
				return 0
			case y:
				return -1
			}
			return 1
		}
	case JSON:
		if y, ok := b.(JSON); ok {
			return strings.Compare(string(x), string(y))
		}
	case Interval:
		if y, ok := b.(Interval); ok {
			return cmp.Compare(x.span(), y.span())
		}
	case *Array:
		if y, ok := b.(*Array); ok {
			return compareArrays(x, y)
		}
	}
	panic(Error("42883", "operator does not exist: a value of type %T is compared with one of type %T", a, b))
}

func compareArrays(x, y *Array) int {
	for i := range min(len(x.Items), len(y.Items)) {
		if n := CompareNulls(x.Items[i], y.Items[i], false); n != 0 {
			return n
		}
	}
	return cmp.Compare(len(x.Items), len(y.Items))
}

// CompareNulls is Compare with NULLs in front or behind.
func CompareNulls(a, b any, first bool) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		if first {
			return -1
		}
		return 1
	case b == nil:
		if first {
			return 1
		}
		return -1
	}
	return Compare(a, b)
}

// Equal says whether two values are equal, neither of them NULL.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return x == y
		}
	case string:
		if y, ok := b.(string); ok {
			return x == y
		}
	case UUID:
		if y, ok := b.(UUID); ok {
			return x == y
		}
	}
	return Compare(a, b) == 0
}

// Key is a value as the key of a map: arrays become text.
func Key(v any) any {
	switch x := v.(type) {
	case *Array:
		return "\x00" + Format(x)
	case Interval:
		return x.span()
	}
	return v
}

// Float is a number as a float64.
func Float(v any) float64 {
	switch x := v.(type) {
	case int64:
		return float64(x)
	case float64:
		return x
	}
	panic(Error("42883", "a value of type %T is no number", v))
}

const day = int64(24 * time.Hour / time.Microsecond)

func (i Interval) span() int64 { return (i.Months*30+i.Days)*day + i.Micros }

// Time is the stamp as a time; the infinite ones have none.
func (s Stamp) Time() time.Time { return time.UnixMicro(int64(s)).UTC() }

// Finite says that it is neither infinity.
func (s Stamp) Finite() bool { return s != Infinity && s != -Infinity }

// Add adds an interval: months first, then days, then time.
func (s Stamp) Add(i Interval, sign int64) Stamp {
	if !s.Finite() {
		return s
	}
	if i.Months != 0 {
		// The day stays where the month has it; otherwise it is the month's last.
		t := s.Time()
		first := t.AddDate(0, 0, 1-t.Day()).AddDate(0, int(sign*i.Months), 0)
		s = Stamp(first.AddDate(0, 0, min(t.Day(), first.AddDate(0, 1, -1).Day())-1).UnixMicro())
	}
	return s + Stamp(sign*(i.Days*day+i.Micros))
}

// Of is a time as a stamp, cut to microseconds.
func Of(t time.Time) Stamp { return Stamp(t.UnixMicro()) }

// Format writes a value as PostgreSQL does.
func Format(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return formatFloat(x)
	case string:
		return x
	case Bytes:
		return `\x` + hex.EncodeToString([]byte(x))
	case UUID:
		h := hex.EncodeToString(x[:])
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	case Stamp:
		return formatStamp(x)
	case Date:
		return time.Unix(int64(x)*86400, 0).UTC().Format(time.DateOnly)
	case Interval:
		return formatInterval(x)
	case JSON:
		return string(x)
	case *Array:
		return formatArray(x)
	}
	panic(Error("0A000", "a value of type %T has no text", v))
}

func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func formatStamp(s Stamp) string {
	switch s {
	case Infinity:
		return "infinity"
	case -Infinity:
		return "-infinity"
	}
	return s.Time().Format("2006-01-02 15:04:05.999999") + "+00"
}

func formatInterval(i Interval) string {
	var parts []string
	add := func(n int64, unit string) {
		switch n {
		case 0:
		case 1:
			parts = append(parts, "1 "+unit)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit))
		}
	}
	add(i.Months/12, "year")
	add(i.Months%12, "mon")
	add(i.Days, "day")
	if i.Micros != 0 || len(parts) == 0 {
		us, sign := i.Micros, ""
		if us < 0 {
			us, sign = -us, "-"
		}
		t := fmt.Sprintf("%s%02d:%02d:%02d", sign, us/3_600_000_000, us/60_000_000%60, us/1_000_000%60)
		if f := us % 1_000_000; f != 0 {
			t += strings.TrimRight(fmt.Sprintf(".%06d", f), "0")
		}
		parts = append(parts, t)
	}
	return strings.Join(parts, " ")
}

func formatArray(a *Array) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, item := range a.Items {
		if i > 0 {
			b.WriteByte(',')
		}
		if item == nil {
			b.WriteString("NULL")
			continue
		}
		s := Format(item)
		if s == "" || strings.EqualFold(s, "null") || strings.ContainsAny(s, "{},\"\\ \t\n\r\v\f") {
			s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		b.WriteString(s)
	}
	b.WriteByte('}')
	return b.String()
}

var errText = errors.New("not of the type")
