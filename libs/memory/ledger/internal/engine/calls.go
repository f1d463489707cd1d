package engine

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

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
		if !v.Finite() {
			return value.Format(v)
		}
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
		t, first := args[1].knownType(c), args[0].knownType(c)
		if wider := c.unify(all...); !first.IsInt() || !t.IsInt() {
			first = wider
		}
		return cexpr{typ: first, f: func(f *frame) any {
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
				switch v := args[i].f(f).(type) {
				case nil:
				case bool: // its output, not its cast to text
					b.WriteString(value.Format(v)[:1])
				default:
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
	case "round":
		need(1)
		if len(args) > 1 {
			unsupported("round to places")
		}
		x := args[0]
		if !x.typ.IsNumber() && !x.null {
			panic(value.Error("42883", "function round(%s) does not exist", x.typ))
		}
		if x.typ == value.Numeric { // half away from zero; of double precision half to even
			return cexpr{typ: x.typ, f: func(f *frame) any {
				v := x.f(f)
				if v == nil {
					return nil
				}
				return math.Round(value.Float(v))
			}}
		}
		return cexpr{typ: value.Float8, f: func(f *frame) any {
			v := x.f(f)
			if v == nil {
				return nil
			}
			return math.RoundToEven(value.Float(v))
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
