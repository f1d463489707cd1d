package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"math"
	"strings"
	"time"

	"bulkhead/libs/memory/ledger/internal/value"
)

// function is a function of values. A strict one is NULL when an argument is.
type function struct {
	args   []value.Type // of what is given; the last one repeats
	least  int          // how many must be given
	result value.Type
	run    func(x *run, args []any) any
}

// functions are the strict functions whose types do not depend on their arguments.
var functions = map[string]function{
	"now":                   {nil, 0, value.Timestamptz, func(x *run, _ []any) any { return x.now }},
	"transaction_timestamp": {nil, 0, value.Timestamptz, func(x *run, _ []any) any { return x.now }},
	"clock_timestamp":       {nil, 0, value.Timestamptz, func(*run, []any) any { return value.Of(time.Now()) }},
	"octet_length":          {[]value.Type{value.Bytea}, 1, value.Int4, func(_ *run, a []any) any { return int64(len(bytesOf(a[0]))) }},
	"ascii":                 {[]value.Type{value.Text}, 1, value.Int4, func(_ *run, a []any) any { return firstRune(a[0]) }},
	"get_byte":              {[]value.Type{value.Bytea, value.Int4}, 2, value.Int4, getByte},
	"split_part":            {[]value.Type{value.Text, value.Text, value.Int4}, 3, value.Text, splitPart},
	"lower":                 {[]value.Type{value.Text}, 1, value.Text, func(_ *run, a []any) any { return inASCII(textOf(a[0]), 'A', 'Z') }},
	"upper":                 {[]value.Type{value.Text}, 1, value.Text, func(_ *run, a []any) any { return inASCII(textOf(a[0]), 'a', 'z') }},
	"btrim":                 {[]value.Type{value.Text}, 1, value.Text, func(_ *run, a []any) any { return strings.Trim(textOf(a[0]), " ") }},
	"repeat":                {[]value.Type{value.Text, value.Int4}, 2, value.Text, repeated},
	"replace":               {[]value.Type{value.Text, value.Text, value.Text}, 3, value.Text, replaced},
	"starts_with":           {[]value.Type{value.Text, value.Text}, 2, value.Bool, func(_ *run, a []any) any { return strings.HasPrefix(textOf(a[0]), textOf(a[1])) }},
	"hashtext":              {[]value.Type{value.Text}, 1, value.Int4, func(_ *run, a []any) any { return int64(int32(hash(textOf(a[0]), 0))) }},
	"hashtextextended":      {[]value.Type{value.Text, value.Int8}, 2, value.Int8, func(_ *run, a []any) any { return hash(textOf(a[0]), intOf(a[1])) }},
	"sha256":                {[]value.Type{value.Bytea}, 1, value.Bytea, func(_ *run, a []any) any { s := sha256.Sum256([]byte(bytesOf(a[0]))); return value.Bytes(s[:]) }},
	"convert_to":            {[]value.Type{value.Text, value.Text}, 2, value.Bytea, func(_ *run, a []any) any { return value.Bytes(textOf(a[0])) }},
	"convert_from":          {[]value.Type{value.Bytea, value.Text}, 2, value.Text, convertFrom},
	"encode":                {[]value.Type{value.Bytea, value.Text}, 2, value.Text, encoded},
	"decode":                {[]value.Type{value.Text, value.Text}, 2, value.Bytea, decoded},
	"pg_sleep":              {[]value.Type{value.Float8}, 1, value.Void, func(x *run, a []any) any { x.sleep(value.Float(a[0])); return "" }},
	"gen_random_uuid":       {nil, 0, value.UUIDType, randomUUID},
	"jsonb_array_length":    {[]value.Type{value.JSONB}, 1, value.Int4, func(_ *run, a []any) any { return int64(len(jsonItems(a[0]))) }},
	"jsonb_typeof":          {[]value.Type{value.JSONB}, 1, value.Text, jsonType},
	"pg_advisory_xact_lock": {[]value.Type{value.Int8}, 1, value.Void, func(x *run, a []any) any { x.tx.lockAdvisory(intOf(a[0])); return "" }},
	"pg_notify":             {[]value.Type{value.Text, value.Text}, 2, value.Void, func(x *run, a []any) any { x.tx.notes = append(x.tx.notes, textOf(a[0])); return "" }},
	"set_config":            {[]value.Type{value.Text, value.Text, value.Bool}, 3, value.Text, func(x *run, a []any) any { x.tx.set(textOf(a[0]), textOf(a[1])); return a[1] }},
	"current_setting":       {[]value.Type{value.Text, value.Bool}, 1, value.Text, setting},
	"array_length":          {[]value.Type{value.Unknown, value.Int4}, 2, value.Int4, arrayLength},
	"date_trunc":            {[]value.Type{value.Text, value.Timestamptz}, 2, value.Timestamptz, dateTrunc},
	"to_timestamp":          {[]value.Type{value.Float8}, 1, value.Timestamptz, toTimestamp},
	"floor":                 {[]value.Type{value.Float8}, 1, value.Float8, func(_ *run, a []any) any { return math.Floor(value.Float(a[0])) }},
	"ceil":                  {[]value.Type{value.Float8}, 1, value.Float8, func(_ *run, a []any) any { return math.Ceil(value.Float(a[0])) }},
	"extractor.ensure_partition": {[]value.Type{value.DateType}, 1, value.Void, func(x *run, a []any) any {
		x.store.ensureMonth("extractor", "records", a[0])
		return ""
	}},
}

func textOf(v any) string {
	s, ok := v.(string)
	if !ok {
		return value.Format(v)
	}
	return s
}

func intOf(v any) int64 {
	n, ok := v.(int64)
	if !ok {
		panic(value.Error("42804", "a value of type %T is no whole number", v))
	}
	return n
}

func bytesOf(v any) value.Bytes {
	switch b := v.(type) {
	case value.Bytes:
		return b
	case string: // octet_length of a text
		return value.Bytes(b)
	}
	panic(value.Error("42804", "a value of type %T is no bytea", v))
}

func firstRune(v any) any {
	for _, r := range textOf(v) {
		return int64(r)
	}
	return int64(0)
}

func getByte(_ *run, a []any) any {
	b, n := bytesOf(a[0]), intOf(a[1])
	if n < 0 || n >= int64(len(b)) {
		panic(value.Error("2202E", "index %d out of valid range, 0..%d", n, len(b)-1))
	}
	return int64(b[n])
}

// inASCII turns the letters from first to last into the other case; others have none in the collation C.
func inASCII(s string, first, last byte) string {
	b := []byte(s)
	for i, c := range b {
		if c >= first && c <= last {
			b[i] = c ^ ('a' - 'A')
		}
	}
	return string(b)
}

func splitPart(_ *run, a []any) any {
	parts, n := []string{textOf(a[0])}, intOf(a[2])
	if textOf(a[1]) != "" {
		parts = strings.Split(parts[0], textOf(a[1]))
	}
	if n < 0 {
		n += int64(len(parts)) + 1
	}
	if n == 0 && intOf(a[2]) == 0 {
		panic(value.Error("22023", "field position must not be zero"))
	}
	if n < 1 || n > int64(len(parts)) {
		return ""
	}
	return parts[n-1]
}

func repeated(_ *run, a []any) any {
	s, n := textOf(a[0]), max(intOf(a[1]), 0)
	if int64(len(s))*n > 1<<30 {
		panic(value.Error("54000", "requested length too large"))
	}
	return strings.Repeat(s, int(n))
}

func replaced(_ *run, a []any) any {
	if textOf(a[1]) == "" {
		return a[0]
	}
	return strings.ReplaceAll(textOf(a[0]), textOf(a[1]), textOf(a[2]))
}

// hash serves advisory locks; its numbers are not PostgreSQL's.
func hash(s string, seed int64) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return int64(h.Sum64()) ^ seed
}

func convertFrom(_ *run, a []any) any {
	s, err := value.Parse(value.Text, string(bytesOf(a[0])))
	if err != nil {
		panic(err)
	}
	return s
}

func encoded(_ *run, a []any) any {
	if textOf(a[1]) != "hex" {
		unsupported("encode in the form %s", textOf(a[1]))
	}
	return hex.EncodeToString([]byte(bytesOf(a[0])))
}

func decoded(_ *run, a []any) any {
	if textOf(a[1]) != "hex" {
		unsupported("decode from the form %s", textOf(a[1]))
	}
	b, err := hex.DecodeString(textOf(a[0]))
	if err != nil {
		panic(value.Error("22023", "invalid hexadecimal data"))
	}
	return value.Bytes(b)
}

// sleep leaves the statement, which goes on by running again when the time has passed.
func (x *run) sleep(seconds float64) {
	if !x.tx.slept {
		panic(mustSleep{time.Duration(seconds * float64(time.Second))})
	}
}

func randomUUID(*run, []any) any {
	var u value.UUID
	_, _ = rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

func jsonItems(v any) []any {
	j, ok := v.(value.JSON)
	if !ok {
		panic(value.Error("42804", "a value of type %T is no jsonb", v))
	}
	d, err := value.Decode(j)
	if err != nil {
		panic(value.Error("22P02", "%v", err))
	}
	items, ok := d.([]any)
	if !ok {
		panic(value.Error("22023", "cannot get array elements of a non-array"))
	}
	return items
}

func jsonType(_ *run, a []any) any {
	j, _ := a[0].(value.JSON)
	switch j[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

func setting(x *run, a []any) any {
	name := textOf(a[0])
	if v, ok := x.tx.settings[name]; ok {
		return v
	}
	switch name {
	case "synchronous_commit":
		return "on"
	case "server_version_num":
		return "170000"
	}
	if len(a) > 1 && a[1] == true {
		return nil
	}
	panic(value.Error("42704", "unrecognized configuration parameter %q", name))
}

func (tx *Tx) set(name, v string) {
	if tx.settings == nil {
		tx.settings = map[string]string{}
	}
	tx.settings[name] = v
}

// toTimestamp counts from the year 2000, as PostgreSQL does: with seconds as float64 it makes a difference in the last place.
func toTimestamp(_ *run, a []any) any {
	const since = 946684800
	return value.Stamp(math.RoundToEven((value.Float(a[0])-since)*1e6) + since*1e6)
}

func arrayLength(_ *run, a []any) any {
	arr, ok := a[0].(*value.Array)
	if !ok || len(arr.Items) == 0 || a[1] != int64(1) {
		return nil
	}
	return int64(len(arr.Items))
}

func dateTrunc(_ *run, a []any) any {
	s, ok := a[1].(value.Stamp)
	if !ok || !s.Finite() {
		return a[1]
	}
	t := s.Time()
	switch textOf(a[0]) {
	case "second":
		t = t.Truncate(time.Second)
	case "minute":
		t = t.Truncate(time.Minute)
	case "hour":
		t = t.Truncate(time.Hour)
	case "day":
		t = t.Truncate(24 * time.Hour)
	case "month":
		t = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	default:
		unsupported("date_trunc to %s", textOf(a[0]))
	}
	return value.Of(t)
}
