package engine

import (
	"math"
	"strings"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

func constant(v any, t value.Type) cexpr {
	return cexpr{f: func(*frame) any { return v }, typ: t, fixed: true}
}

// expr compiles an expression.
func (c *compiler) expr(sc *scope, e syntax.Expr) cexpr {
	switch e := e.(type) {
	case *syntax.Const:
		return c.constant(e)
	case *syntax.Param:
		c.paramType(e.N, value.Unknown)
		i := e.N - 1
		x := cexpr{f: func(f *frame) any { return f.run.params[i] }, typ: c.plan.Params[i], fixed: true}
		if x.typ == value.Unknown {
			x.param = e.N
		}
		return x
	case *syntax.Column:
		r := c.resolve(sc, e.Parts)
		return cexpr{f: r.fn(), typ: r.typ}
	case *syntax.Cast:
		return c.cast(sc, e)
	case *syntax.Unary:
		return c.unary(sc, e)
	case *syntax.Binary:
		return c.binary(sc, e)
	case *syntax.Is:
		return c.is(sc, e)
	case *syntax.Between:
		lo := &syntax.Binary{Op: ">=", L: e.X, R: e.Lo}
		hi := &syntax.Binary{Op: "<=", L: e.X, R: e.Hi}
		return c.negated(c.binary(sc, &syntax.Binary{Op: "AND", L: lo, R: hi}), e.Not)
	case *syntax.In:
		return c.in(sc, e)
	case *syntax.Quantified:
		return c.quantified(sc, e)
	case *syntax.Exists:
		q := c.subquery(sc, e.Sub)
		return cexpr{typ: value.Bool, f: q.cached(func(f *frame) any {
			found := false
			q.each(f, func([]any) bool { found = true; return false })
			return found
		})}
	case *syntax.Scalar:
		q := c.subquery(sc, e.Sub)
		if len(q.types) != 1 {
			panic(value.Error("42601", "subquery must return only one column"))
		}
		return cexpr{typ: q.types[0], f: q.cached(func(f *frame) any {
			var out any
			n := 0
			q.each(f, func(row []any) bool {
				if n++; n > 1 {
					panic(value.Error("21000", "more than one row returned by a subquery used as an expression"))
				}
				out = row[0]
				return true
			})
			return out
		})}
	case *syntax.ArraySub:
		q := c.subquery(sc, e.Sub)
		elem := q.types[0]
		return cexpr{typ: elem | value.ArrayOf, f: q.cached(func(f *frame) any {
			a := &value.Array{Elem: elem}
			q.each(f, func(row []any) bool { a.Items = append(a.Items, row[0]); return true })
			return a
		})}
	case *syntax.Array:
		return c.array(sc, e)
	case *syntax.Call:
		return c.call(sc, e)
	case *syntax.Case:
		return c.caseOf(sc, e)
	case *syntax.Index:
		return c.index(sc, e)
	case *syntax.Row:
		panic(value.Error("0A000", "a row stands only in a comparison"))
	case *syntax.Star:
		panic(value.Error("42601", "* stands only among targets"))
	case *syntax.Default:
		panic(value.Error("42601", "DEFAULT is not allowed in this context"))
	}
	unsupported("the expression %T", e)
	return cexpr{}
}

func (c *compiler) constant(e *syntax.Const) cexpr {
	switch e.Kind {
	case syntax.Null:
		return cexpr{f: func(*frame) any { return nil }, null: true, fixed: true}
	case syntax.Bool:
		return constant(e.Text == "true", value.Bool)
	case syntax.Number:
		if v, err := value.Parse(value.Int8, e.Text); err == nil {
			n, ok := v.(int64)
			if t := value.Int4; ok && n == int64(int32(n)) {
				return constant(n, t)
			}
			return constant(v, value.Int8)
		}
		v, err := value.Parse(value.Numeric, e.Text)
		if err != nil {
			panic(err)
		}
		return constant(v, value.Numeric)
	default:
		text := e.Text
		return cexpr{f: func(*frame) any { return text }, lit: e, fixed: true}
	}
}

func (c *compiler) negated(e cexpr, not bool) cexpr {
	if !not {
		return e
	}
	f := e.f
	return cexpr{typ: value.Bool, fixed: e.fixed, f: func(fr *frame) any {
		if b, ok := f(fr).(bool); ok {
			return !b
		}
		return nil
	}}
}

func (c *compiler) unary(sc *scope, e *syntax.Unary) cexpr {
	if e.Op == "NOT" {
		return c.negated(c.as(c.expr(sc, e.X), value.Bool), true)
	}
	x := c.as(c.expr(sc, e.X), value.Unknown)
	f := x.f
	if !x.typ.IsNumber() && x.typ != value.IntervalType {
		panic(value.Error("42883", "operator does not exist: - %s", x.typ))
	}
	return cexpr{typ: x.typ, fixed: x.fixed, f: func(fr *frame) any {
		switch v := f(fr).(type) {
		case int64:
			if v == math.MinInt64 {
				panic(value.Error("22003", "bigint out of range"))
			}
			return inRange(x.typ, -v)
		case float64:
			return -v
		case value.Interval:
			return v.Times(-1)
		}
		return nil
	}}
}

func (c *compiler) is(sc *scope, e *syntax.Is) cexpr {
	x := c.expr(sc, e.X)
	if e.What == "NULL" {
		x = c.settle(x)
		f, want := x.f, !e.Not
		return cexpr{typ: value.Bool, fixed: x.fixed, f: func(fr *frame) any { return (f(fr) == nil) == want }}
	}
	x = c.as(x, value.Bool)
	f, what, want := x.f, e.What == "TRUE", !e.Not
	return cexpr{typ: value.Bool, fixed: x.fixed, f: func(fr *frame) any {
		b, ok := f(fr).(bool)
		return (ok && b == what) == want
	}}
}

func (c *compiler) in(sc *scope, e *syntax.In) cexpr {
	if e.Sub != nil {
		q := c.subquery(sc, e.Sub)
		if len(q.types) != 1 {
			panic(value.Error("42601", "subquery has too many columns"))
		}
		x := c.as(c.expr(sc, e.X), q.types[0])
		if x.typ != q.types[0] && !(x.typ.IsNumber() && q.types[0].IsNumber()) && !x.null {
			panic(value.Error("42883", "operator does not exist: %s = %s", x.typ, q.types[0]))
		}
		whole := q.types[0].IsInt()
		set := q.set()
		return c.negated(cexpr{typ: value.Bool, f: func(f *frame) any {
			has, null := set(f)
			v := x.f(f)
			if fl, ok := v.(float64); ok && whole && fl == math.Trunc(fl) && math.Abs(fl) < 1<<63 {
				v = int64(fl)
			}
			switch {
			case len(has) == 0 && !null:
				return false
			case v == nil:
				return nil
			case has[value.Key(v)]:
				return true
			case null:
				return nil
			}
			return false
		}}, e.Not)
	}
	x := c.expr(sc, e.X)
	items := make([]cexpr, len(e.List))
	all := []*cexpr{&x}
	for i, item := range e.List {
		items[i] = c.expr(sc, item)
		all = append(all, &items[i])
	}
	c.unify(all...)
	return c.negated(cexpr{typ: value.Bool, f: func(f *frame) any {
		v := x.f(f)
		if v == nil {
			return nil
		}
		null := false
		for i := range items {
			switch w := items[i].f(f); {
			case w == nil:
				null = true
			case value.Equal(v, w):
				return true
			}
		}
		if null {
			return nil
		}
		return false
	}}, e.Not)
}

func (c *compiler) quantified(sc *scope, e *syntax.Quantified) cexpr {
	if e.Sub != nil {
		if e.Op == "=" && !e.All {
			return c.in(sc, &syntax.In{X: e.X, Sub: e.Sub})
		}
		unsupported("%s ANY or ALL of a query", e.Op)
	}
	x, arr := c.expr(sc, e.X), c.expr(sc, e.Arr)
	if t := arr.knownType(c); t == value.Unknown {
		x = c.settle(x)
		arr = c.as(arr, x.typ|value.ArrayOf)
	} else {
		arr = c.as(arr, t)
		x = c.as(x, t.Elem())
	}
	test := comparer(e.Op)
	all := e.All
	return cexpr{typ: value.Bool, f: func(f *frame) any {
		v := x.f(f)
		a, ok := arr.f(f).(*value.Array)
		if !ok {
			return nil
		}
		if len(a.Items) == 0 {
			return all
		}
		if v == nil {
			return nil
		}
		null := false
		for _, w := range a.Items {
			if w == nil {
				null = true
			} else if test(value.Compare(v, w)) != all {
				return !all
			}
		}
		if null {
			return nil
		}
		return all
	}}
}

func (c *compiler) array(sc *scope, e *syntax.Array) cexpr {
	items := make([]cexpr, len(e.Items))
	all := make([]*cexpr, len(e.Items))
	for i, item := range e.Items {
		items[i] = c.expr(sc, item)
		all[i] = &items[i]
	}
	t := c.unify(all...)
	return cexpr{typ: t | value.ArrayOf, f: func(f *frame) any {
		a := &value.Array{Elem: t, Items: make([]any, len(items))}
		for i := range items {
			a.Items[i] = items[i].f(f)
		}
		return a
	}}
}

func (c *compiler) caseOf(sc *scope, e *syntax.Case) cexpr {
	conds, thens := make([]fn, len(e.Whens)), make([]cexpr, len(e.Whens)+1)
	all := make([]*cexpr, len(thens))
	for i, w := range e.Whens {
		cond := w.If
		if e.Arg != nil {
			cond = &syntax.Binary{Op: "=", L: e.Arg, R: w.If}
		}
		conds[i] = c.truth(sc, cond)
		thens[i] = c.expr(sc, w.Then)
	}
	otherwise := len(e.Whens)
	thens[otherwise] = cexpr{f: func(*frame) any { return nil }, null: true}
	if e.Else != nil {
		thens[otherwise] = c.expr(sc, e.Else)
	}
	for i := range thens {
		all[i] = &thens[i]
	}
	t := c.unify(all...)
	return cexpr{typ: t, f: func(f *frame) any {
		for i, cond := range conds {
			if cond(f) == true {
				return thens[i].f(f)
			}
		}
		return thens[otherwise].f(f)
	}}
}

func (c *compiler) index(sc *scope, e *syntax.Index) cexpr {
	x := c.expr(sc, e.X)
	if !x.typ.IsArray() {
		panic(value.Error("42804", "cannot subscript type %s because it is not an array", x.typ))
	}
	bound := func(b syntax.Expr) fn {
		if b == nil {
			return nil
		}
		return c.typed(sc, b, value.Int4)
	}
	if !e.Slice {
		at := bound(e.At)
		return cexpr{typ: x.typ.Elem(), f: func(f *frame) any {
			a, ok := x.f(f).(*value.Array)
			n, isInt := at(f).(int64)
			if !ok || !isInt || n < 1 || n > int64(len(a.Items)) {
				return nil
			}
			return a.Items[n-1]
		}}
	}
	lo, hi := bound(e.Lo), bound(e.Hi)
	return cexpr{typ: x.typ, f: func(f *frame) any {
		a, ok := x.f(f).(*value.Array)
		if !ok {
			return nil
		}
		from, to := int64(1), int64(len(a.Items))
		if lo != nil {
			n, ok := lo(f).(int64)
			if !ok {
				return nil
			}
			from = max(from, n)
		}
		if hi != nil {
			n, ok := hi(f).(int64)
			if !ok {
				return nil
			}
			to = min(to, n)
		}
		if from > to {
			return &value.Array{Elem: a.Elem}
		}
		return &value.Array{Elem: a.Elem, Items: a.Items[from-1 : to]}
	}}
}

func (c *compiler) cast(sc *scope, e *syntax.Cast) cexpr {
	t := c.typeOf(e.Type)
	x := c.expr(sc, e.X)
	if x.lit != nil || x.null || x.param > 0 {
		x = c.as(x, t)
	}
	if x.typ == t && !t.IsInt() || x.null {
		return x
	}
	return cexpr{typ: t, fixed: x.fixed, f: castFn(x.f, x.typ, t)}
}

// castFn converts between types.
func castFn(f fn, from, to value.Type) fn {
	switch {
	case to.IsInt() && from.IsNumber():
		return func(fr *frame) any {
			switch v := f(fr).(type) {
			case int64:
				return inRange(to, v)
			case float64:
				// numeric rounds half away from zero, double precision half to even.
				r := math.RoundToEven(v)
				if from == value.Numeric {
					r = math.Round(v)
				}
				if math.IsNaN(r) || math.Abs(r) >= 1<<63 {
					panic(value.Error("22003", "%s out of range", to))
				}
				return inRange(to, int64(r))
			}
			return nil
		}
	case (to == value.Float8 || to == value.Numeric) && from.IsNumber():
		return func(fr *frame) any {
			v := f(fr)
			if v == nil {
				return nil
			}
			return value.Float(v)
		}
	case to.IsInt() && from == value.Bool:
		return func(fr *frame) any {
			switch f(fr) {
			case true:
				return int64(1)
			case false:
				return int64(0)
			}
			return nil
		}
	case to == value.DateType && from == value.Timestamptz:
		return func(fr *frame) any {
			if s, ok := f(fr).(value.Stamp); ok && s.Finite() {
				return value.Date(math.Floor(float64(s) / 86400e6))
			}
			return nil
		}
	case to == value.Timestamptz && from == value.DateType:
		return func(fr *frame) any {
			if d, ok := f(fr).(value.Date); ok {
				return value.Stamp(int64(d) * 86400e6)
			}
			return nil
		}
	case to == value.Text || from == value.Text || to == value.JSONB && from == value.Text || to.IsArray() && from.IsArray():
		// By way of the text, as PostgreSQL's I/O conversions.
		return func(fr *frame) any {
			v := f(fr)
			if v == nil {
				return nil
			}
			text := value.Format(v)
			if to == value.Text {
				return text
			}
			out, err := value.Parse(to, text)
			if err != nil {
				panic(err)
			}
			return out
		}
	}
	panic(value.Error("42846", "cannot cast type %s to %s", from, to))
}

func inRange(t value.Type, n int64) any {
	v, err := value.InRange(t, n)
	if err != nil {
		panic(err)
	}
	return v
}

// like matches a pattern of % and _.
func like(s, pattern string) bool {
	if pattern == "" {
		return s == ""
	}
	switch pattern[0] {
	case '%':
		rest := strings.TrimLeft(pattern, "%")
		for i := 0; i <= len(s); i++ {
			if like(s[i:], rest) {
				return true
			}
		}
		return false
	case '_':
		for i := range s {
			if i > 0 {
				return like(s[i:], pattern[1:])
			}
		}
		return s != "" && like("", pattern[1:])
	case '\\':
		if len(pattern) > 1 {
			pattern = pattern[1:]
		}
	}
	return s != "" && s[0] == pattern[0] && like(s[1:], pattern[1:])
}
