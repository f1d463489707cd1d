package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"bulkhead/libs/memory/ledger/internal/syntax"
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
	"statement_timestamp":   {nil, 0, value.Timestamptz, func(*run, []any) any { return value.Of(time.Now()) }},
	"octet_length":          {[]value.Type{value.Bytea}, 1, value.Int4, func(_ *run, a []any) any { return int64(len(bytesOf(a[0]))) }},
	"ascii":                 {[]value.Type{value.Text}, 1, value.Int4, func(_ *run, a []any) any { return firstRune(a[0]) }},
	"get_byte":              {[]value.Type{value.Bytea, value.Int4}, 2, value.Int4, getByte},
	"split_part":            {[]value.Type{value.Text, value.Text, value.Int4}, 3, value.Text, splitPart},
	"lower":                 {[]value.Type{value.Text}, 1, value.Text, func(_ *run, a []any) any { return strings.ToLower(textOf(a[0])) }},
	"upper":                 {[]value.Type{value.Text}, 1, value.Text, func(_ *run, a []any) any { return strings.ToUpper(textOf(a[0])) }},
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
	"to_timestamp":          {[]value.Type{value.Float8}, 1, value.Timestamptz, func(_ *run, a []any) any { return value.Stamp(math.Round(value.Float(a[0]) * 1e6)) }},
	"floor":                 {[]value.Type{value.Float8}, 1, value.Float8, func(_ *run, a []any) any { return math.Floor(value.Float(a[0])) }},
	"ceil":                  {[]value.Type{value.Float8}, 1, value.Float8, func(_ *run, a []any) any { return math.Ceil(value.Float(a[0])) }},
	"round":                 {[]value.Type{value.Float8}, 1, value.Float8, func(_ *run, a []any) any { return math.RoundToEven(value.Float(a[0])) }},
	"txid_current":          {nil, 0, value.Int8, func(*run, []any) any { return int64(1) }},
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

func splitPart(_ *run, a []any) any {
	parts, n := strings.Split(textOf(a[0]), textOf(a[1])), intOf(a[2])
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
	s := string(bytesOf(a[0]))
	if !utf8.ValidString(s) {
		panic(value.Error("22021", "invalid byte sequence for encoding \"UTF8\""))
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

// call compiles a call of a function, an aggregate or a window function.
func (c *compiler) call(sc *scope, e *syntax.Call) cexpr {
	switch {
	case e.Over != nil || e.OverName != "":
		return c.windowCall(sc, e)
	case isAggregate(e.Name):
		return c.aggregate(sc, e)
	case e.Distinct || e.OrderBy != nil || e.Filter != nil || e.Star:
		panic(value.Error("42809", "%s is not an aggregate function", e.Name))
	case isSet(e.Name):
		panic(value.Error("0A000", "%s stands only among targets and in FROM here", e.Name))
	}
	if e.Name == "to_jsonb" && len(e.Args) == 1 {
		return c.toJSON(sc, e.Args[0])
	}
	if f, ok := functions[e.Name]; ok {
		return c.strict(sc, e, f)
	}
	return c.special(sc, e)
}

func (c *compiler) strict(sc *scope, e *syntax.Call, def function) cexpr {
	if len(e.Args) < def.least || len(e.Args) > len(def.args) {
		panic(value.Error("42883", "function %s does not take %d arguments", e.Name, len(e.Args)))
	}
	args := make([]fn, len(e.Args))
	for i, a := range e.Args {
		x := c.expr(sc, a)
		want := def.args[i]
		switch {
		case want == value.Unknown, e.Name == "octet_length" && x.knownType(c) == value.Text:
			x = c.settle(x)
		case want == value.Timestamptz && x.typ == value.DateType, x.typ.IsNumber() && want.IsNumber() && !want.IsInt():
			x.f = castFn(x.f, x.typ, want)
		default:
			x = c.as(x, want)
			if x.typ != want && !x.null && !(x.typ.IsInt() && want.IsInt()) {
				panic(value.Error("42883", "function %s(%s) does not exist", e.Name, x.typ))
			}
		}
		args[i] = x.f
	}
	call := def.run
	return cexpr{typ: def.result, f: func(f *frame) any {
		var few [3]any
		vs := few[:len(args)]
		for i, a := range args {
			if vs[i] = a(f); vs[i] == nil {
				return nil
			}
		}
		return call(f.run, vs)
	}}
}

// toJSON compiles to_jsonb of a value, or of a whole row that is named by its table.
func (c *compiler) toJSON(sc *scope, e syntax.Expr) cexpr {
	if col, ok := e.(*syntax.Column); ok && len(col.Parts) == 1 {
		if _, isColumn := c.find(sc, col.Parts); !isColumn {
			for _, item := range sc.items {
				if item.as != col.Parts[0] {
					continue
				}
				touch(sc, 0, item.slot)
				return cexpr{typ: value.JSONB, f: func(f *frame) any {
					m := map[string]any{}
					for i, name := range item.names {
						m[name] = jsonOf(f.rows[item.slot][i])
					}
					return value.Encode(m)
				}}
			}
		}
	}
	x := c.whole(sc, e)
	return cexpr{typ: value.JSONB, f: func(f *frame) any {
		v := x.f(f)
		if v == nil {
			return nil
		}
		return value.Encode(jsonOf(v))
	}}
}

// jsonOf is a value as what value.Encode takes.
func jsonOf(v any) any {
	switch v := v.(type) {
	case nil, bool, string:
		return v
	case int64, float64:
		return json.Number(value.Format(v))
	case value.JSON:
		d, err := value.Decode(v)
		if err != nil {
			panic(value.Error("22P02", "%v", err))
		}
		return d
	case value.Stamp:
		return strings.Replace(value.Format(v), " ", "T", 1) + ":00"
	case *value.Array:
		items := make([]any, len(v.Items))
		for i, item := range v.Items {
			items[i] = jsonOf(item)
		}
		return items
	}
	return value.Format(v)
}

// special compiles functions whose types depend on their arguments, or that bear NULL.
func (c *compiler) special(sc *scope, e *syntax.Call) cexpr {
	args := make([]cexpr, len(e.Args))
	all := make([]*cexpr, len(e.Args))
	for i, a := range e.Args {
		args[i] = c.expr(sc, a)
		all[i] = &args[i]
	}
	need := func(n int) {
		if len(args) < n {
			panic(value.Error("42883", "function %s takes %d arguments", e.Name, n))
		}
	}
	switch e.Name {
	case "coalesce":
		need(1)
		return cexpr{typ: c.unify(all...), f: func(f *frame) any {
			for i := range args {
				if v := args[i].f(f); v != nil {
					return v
				}
			}
			return nil
		}}
	case "greatest", "least":
		need(1)
		sign := 1
		if e.Name == "least" {
			sign = -1
		}
		return cexpr{typ: c.unify(all...), f: func(f *frame) any {
			var best any
			for i := range args {
				if v := args[i].f(f); v != nil && (best == nil || sign*value.Compare(v, best) > 0) {
					best = v
				}
			}
			return best
		}}
	case "nullif":
		need(2)
		t := c.unify(all...)
		return cexpr{typ: t, f: func(f *frame) any {
			a, b := args[0].f(f), args[1].f(f)
			if a != nil && b != nil && value.Equal(a, b) {
				return nil
			}
			return a
		}}
	case "concat":
		for i := range args {
			args[i] = c.settle(args[i])
		}
		return cexpr{typ: value.Text, f: func(f *frame) any {
			var b strings.Builder
			for i := range args {
				if v := args[i].f(f); v != nil {
					b.WriteString(value.Format(v))
				}
			}
			return b.String()
		}}
	case "length":
		need(1)
		x := c.settle(args[0])
		return cexpr{typ: value.Int4, f: func(f *frame) any {
			switch v := x.f(f).(type) {
			case string:
				return int64(utf8.RuneCountInString(v))
			case value.Bytes:
				return int64(len(v))
			}
			return nil
		}}
	case "cardinality":
		need(1)
		return cexpr{typ: value.Int4, f: func(f *frame) any {
			if a, ok := args[0].f(f).(*value.Array); ok {
				return int64(len(a.Items))
			}
			return nil
		}}
	case "abs":
		need(1)
		return cexpr{typ: args[0].typ, f: func(f *frame) any {
			switch v := args[0].f(f).(type) {
			case int64:
				return max(v, -v)
			case float64:
				return math.Abs(v)
			}
			return nil
		}}
	case "extract":
		need(2)
		return c.extract(e, args[1])
	case "make_interval":
		return c.makeInterval(e, args)
	case "substring", "position", "left", "right":
		need(2)
		return c.part(e.Name, args)
	}
	panic(value.Error("42883", "the ledger in memory does not know the function %s", e.Name))
}

func (c *compiler) extract(e *syntax.Call, x cexpr) cexpr {
	field, ok := e.Args[0].(*syntax.Const)
	if !ok || field.Text != "epoch" {
		unsupported("extract of anything but epoch")
	}
	x = c.as(x, value.Timestamptz)
	return cexpr{typ: value.Numeric, f: func(f *frame) any {
		switch v := x.f(f).(type) {
		case value.Stamp:
			switch v {
			case value.Infinity:
				return math.Inf(1)
			case -value.Infinity:
				return math.Inf(-1)
			}
			return float64(v) / 1e6
		case value.Date:
			return float64(v) * 86400
		case value.Interval:
			// A year has 365.25 days here and a month 30, as PostgreSQL counts them.
			years, months := v.Months/12, v.Months%12
			return float64(years)*365.25*86400 + float64(months*30+v.Days)*86400 + float64(v.Micros)/1e6
		}
		return nil
	}}
}

func (c *compiler) makeInterval(e *syntax.Call, args []cexpr) cexpr {
	unitsByName := map[string]value.Interval{
		"years": {Months: 12}, "months": {Months: 1}, "weeks": {Days: 7}, "days": {Days: 1}, "hours": {Micros: 3600e6}, "mins": {Micros: 60e6}, "secs": {Micros: 1e6},
	}
	parts := make([]value.Interval, len(args))
	for i, name := range e.Names {
		unit, ok := unitsByName[name]
		if !ok {
			unsupported("make_interval with the argument %q", name)
		}
		parts[i] = unit
		if args[i] = c.as(args[i], value.Float8); !args[i].typ.IsNumber() && !args[i].null {
			panic(value.Error("42883", "function make_interval(%s) does not exist", args[i].typ))
		}
	}
	return cexpr{typ: value.IntervalType, f: func(f *frame) any {
		var sum value.Interval
		for i := range args {
			v := args[i].f(f)
			if v == nil {
				return nil
			}
			sum = sum.Plus(parts[i].Times(value.Float(v)))
		}
		return sum
	}}
}

// part compiles functions that cut a text or bytea, or look into it. Places count from 1.
func (c *compiler) part(name string, args []cexpr) cexpr {
	if name == "position" {
		c.unify(&args[0], &args[1])
		return cexpr{typ: value.Int4, f: func(f *frame) any {
			needle, hay := args[0].f(f), args[1].f(f)
			switch h := hay.(type) {
			case value.Bytes:
				if n, ok := needle.(value.Bytes); ok {
					return int64(strings.Index(string(h), string(n)) + 1)
				}
			case string:
				if n, ok := needle.(string); ok {
					at := strings.Index(h, n)
					if at < 0 {
						return int64(0)
					}
					return int64(utf8.RuneCountInString(h[:at]) + 1)
				}
			}
			return nil
		}}
	}
	x := c.settle(args[0])
	from := c.as(args[1], value.Int4)
	if !from.typ.IsInt() {
		unsupported("substring by a pattern")
	}
	var count *cexpr
	if len(args) > 2 {
		n := c.as(args[2], value.Int4)
		count = &n
	}
	return cexpr{typ: x.typ, f: func(f *frame) any {
		v := x.f(f)
		lo, ok := from.f(f).(int64)
		if v == nil || !ok {
			return nil
		}
		size := int64(len(bytesOf(v)))
		runes, isText := []rune(nil), false
		if s, ok := v.(string); ok {
			runes, isText = []rune(s), true
			size = int64(len(runes))
		}
		hi := size + 1
		switch {
		case name == "left":
			lo, hi = 1, cutAt(lo, size)+1
		case name == "right":
			lo = size - cutAt(lo, size) + 1
		case count != nil:
			n, ok := count.f(f).(int64)
			if !ok {
				return nil
			}
			if n < 0 {
				panic(value.Error("22011", "negative substring length not allowed"))
			}
			hi = min(lo+n, size+1)
		}
		lo = max(lo, 1)
		if lo >= hi {
			lo, hi = 1, 1
		}
		if isText {
			return string(runes[lo-1 : hi-1])
		}
		return bytesOf(v)[lo-1 : hi-1]
	}}
}

// cutAt is how many of size characters left and right keep for n.
func cutAt(n, size int64) int64 {
	if n < 0 {
		return max(size+n, 0)
	}
	return min(n, size)
}
