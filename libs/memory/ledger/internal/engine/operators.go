package engine

import (
	"math"
	"slices"
	"strings"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

func comparer(op string) func(int) bool {
	switch op {
	case "=":
		return func(n int) bool { return n == 0 }
	case "<>":
		return func(n int) bool { return n != 0 }
	case "<":
		return func(n int) bool { return n < 0 }
	case "<=":
		return func(n int) bool { return n <= 0 }
	case ">":
		return func(n int) bool { return n > 0 }
	case ">=":
		return func(n int) bool { return n >= 0 }
	}
	return nil
}

func (c *compiler) binary(sc *scope, e *syntax.Binary) cexpr {
	switch e.Op {
	case "AND", "OR":
		return c.logic(sc, e)
	case "=", "<>", "<", "<=", ">", ">=":
		return c.compare(sc, e)
	case "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		l, r := c.expr(sc, e.L), c.expr(sc, e.R)
		c.unify(&l, &r)
		want := e.Op == "IS NOT DISTINCT FROM"
		return cexpr{typ: value.Bool, f: func(f *frame) any {
			return (value.CompareNulls(l.f(f), r.f(f), false) == 0) == want
		}}
	case "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE":
		l, r := c.typed(sc, e.L, value.Text), c.typed(sc, e.R, value.Text)
		fold := strings.HasSuffix(e.Op, "ILIKE")
		return c.negated(cexpr{typ: value.Bool, f: func(f *frame) any {
			s, ok := l(f).(string)
			p, isText := r(f).(string)
			if !ok || !isText {
				return nil
			}
			if fold {
				s, p = strings.ToLower(s), strings.ToLower(p)
			}
			return like(s, p)
		}}, strings.HasPrefix(e.Op, "NOT"))
	case "||":
		return c.concat(sc, e)
	case "->", "->>":
		return c.member(sc, e)
	case "+", "-", "*", "/", "%":
		l := c.expr(sc, e.L)
		if e.Op == "-" && l.typ == value.JSONB {
			return c.without(l, c.typed(sc, e.R, value.Text))
		}
		return c.arithmetic(e.Op, l, c.expr(sc, e.R))
	case "<<", ">>":
		return c.shift(sc, e)
	}
	unsupported("the operator %s", e.Op)
	return cexpr{}
}

func (c *compiler) logic(sc *scope, e *syntax.Binary) cexpr {
	l, r := c.truth(sc, e.L), c.truth(sc, e.R)
	decides := e.Op == "OR"
	return cexpr{typ: value.Bool, f: func(f *frame) any {
		a := l(f)
		if a == decides {
			return decides
		}
		b := r(f)
		switch {
		case b == decides:
			return decides
		case a == nil || b == nil:
			return nil
		}
		return !decides
	}}
}

func (c *compiler) compare(sc *scope, e *syntax.Binary) cexpr {
	lrow, lok := e.L.(*syntax.Row)
	rrow, rok := e.R.(*syntax.Row)
	if lok != rok || lok && len(lrow.Items) != len(rrow.Items) {
		panic(value.Error("42601", "unequal number of entries in row expressions"))
	}
	if lok {
		return c.compareRows(sc, e.Op, lrow.Items, rrow.Items)
	}
	l, r := c.expr(sc, e.L), c.expr(sc, e.R)
	c.unify(&l, &r)
	lf, rf := l.f, r.f
	out := cexpr{typ: value.Bool, fixed: l.fixed && r.fixed}
	switch e.Op {
	case "=":
		out.f = func(f *frame) any {
			a := lf(f)
			if a == nil {
				return nil
			}
			b := rf(f)
			if b == nil {
				return nil
			}
			return value.Equal(a, b)
		}
	default:
		test := comparer(e.Op)
		out.f = func(f *frame) any {
			a := lf(f)
			if a == nil {
				return nil
			}
			b := rf(f)
			if b == nil {
				return nil
			}
			return test(value.Compare(a, b))
		}
	}
	return out
}

func (c *compiler) compareRows(sc *scope, op string, l, r []syntax.Expr) cexpr {
	ls, rs := make([]cexpr, len(l)), make([]cexpr, len(l))
	for i := range l {
		ls[i], rs[i] = c.expr(sc, l[i]), c.expr(sc, r[i])
		c.unify(&ls[i], &rs[i])
	}
	test := comparer(op)
	equality := op == "=" || op == "<>"
	return cexpr{typ: value.Bool, f: func(f *frame) any {
		null := false
		for i := range ls {
			a, b := ls[i].f(f), rs[i].f(f)
			if a == nil || b == nil {
				if !equality {
					return nil // undecided so far, and this pair does not say
				}
				null = true
				continue
			}
			if n := value.Compare(a, b); n != 0 {
				return test(n)
			}
		}
		if null {
			return nil
		}
		return test(0)
	}}
}

func (c *compiler) concat(sc *scope, e *syntax.Binary) cexpr {
	l, r := c.expr(sc, e.L), c.expr(sc, e.R)
	lt, rt := l.knownType(c), r.knownType(c)
	switch {
	case lt.IsArray() || rt.IsArray():
		t := lt
		if !lt.IsArray() {
			t = rt
		}
		// NULL beside an array adds nothing; where nothing else stands either it is all there is.
		items := func(x cexpr) func(*frame) ([]any, bool) {
			if x.knownType(c) == t || x.lit != nil || x.null && x.typ == value.Unknown {
				x = c.as(x, t)
				return func(f *frame) ([]any, bool) {
					a, ok := x.f(f).(*value.Array)
					if !ok {
						return nil, false
					}
					return a.Items, true
				}
			}
			x = c.as(x, t.Elem())
			return func(f *frame) ([]any, bool) { return []any{x.f(f)}, true }
		}
		li, ri := items(l), items(r)
		return cexpr{typ: t, f: func(f *frame) any {
			a, left := li(f)
			b, right := ri(f)
			if !left && !right {
				return nil
			}
			return &value.Array{Elem: t.Elem(), Items: slices.Concat(a, b)}
		}}
	case lt == value.Bytea || rt == value.Bytea:
		c.unify(&l, &r)
		return cexpr{typ: value.Bytea, f: func(f *frame) any {
			a, ok := l.f(f).(value.Bytes)
			b, isBytes := r.f(f).(value.Bytes)
			if !ok || !isBytes {
				return nil
			}
			return a + b
		}}
	case lt == value.JSONB || rt == value.JSONB:
		unsupported("|| of jsonb")
	}
	l, r = c.settle(l), c.settle(r)
	if l.typ != value.Text && r.typ != value.Text {
		panic(value.Error("42883", "operator does not exist: %s || %s", l.typ, r.typ))
	}
	return cexpr{typ: value.Text, fixed: l.fixed && r.fixed, f: func(f *frame) any {
		a, b := l.f(f), r.f(f)
		if a == nil || b == nil {
			return nil
		}
		return value.Format(a) + value.Format(b)
	}}
}

// member is -> and ->> of jsonb.
func (c *compiler) member(sc *scope, e *syntax.Binary) cexpr {
	l := c.as(c.expr(sc, e.L), value.JSONB)
	r := c.settle(c.expr(sc, e.R))
	asText := e.Op == "->>"
	t := value.JSONB
	if asText {
		t = value.Text
	}
	return cexpr{typ: t, f: func(f *frame) any {
		j, ok := l.f(f).(value.JSON)
		if !ok {
			return nil
		}
		v, err := value.Decode(j)
		if err != nil {
			panic(value.Error("22P02", "%v", err))
		}
		found := false
		switch k := r.f(f).(type) {
		case string:
			if m, ok := v.(map[string]any); ok {
				v, found = m[k]
			}
		case int64:
			if a, ok := v.([]any); ok {
				if k < 0 {
					k += int64(len(a))
				}
				if found = k >= 0 && k < int64(len(a)); found {
					v = a[k]
				}
			}
		}
		switch {
		case !found:
			return nil
		case asText:
			return value.JSONText(v)
		}
		return value.Encode(v)
	}}
}

// without is jsonb - text: an object without a member.
func (c *compiler) without(l cexpr, name fn) cexpr {
	return cexpr{typ: value.JSONB, f: func(f *frame) any {
		j, ok := l.f(f).(value.JSON)
		k := name(f)
		if !ok || k == nil {
			return nil
		}
		v, err := value.Decode(j)
		if err != nil {
			panic(value.Error("22P02", "%v", err))
		}
		m, ok := v.(map[string]any)
		if !ok {
			unsupported("- of a jsonb that is no object")
		}
		delete(m, textOf(k))
		return value.Encode(m)
	}}
}

func (c *compiler) shift(sc *scope, e *syntax.Binary) cexpr {
	l, by := c.expr(sc, e.L), c.typed(sc, e.R, value.Int4)
	if !l.typ.IsInt() {
		panic(value.Error("42883", "operator does not exist: %s %s integer", l.typ, e.Op))
	}
	left := e.Op == "<<"
	return cexpr{typ: l.typ, f: func(f *frame) any {
		n, ok := l.f(f).(int64)
		k, isInt := by(f).(int64)
		switch {
		case !ok || !isInt:
			return nil
		case left:
			return inRange(l.typ, n<<(k&63))
		}
		return n >> (k & 63)
	}}
}

func (c *compiler) arithmetic(op string, l, r cexpr) cexpr {
	lt, rt := l.knownType(c), r.knownType(c)
	timed := func(t value.Type) bool {
		return t == value.Timestamptz || t == value.DateType || t == value.IntervalType
	}
	if timed(lt) || timed(rt) {
		return c.timeArithmetic(op, l, r, lt, rt)
	}
	t := c.unify(&l, &r)
	if !t.IsNumber() {
		panic(value.Error("42883", "operator does not exist: %s %s %s", l.typ, op, r.typ))
	}
	out := cexpr{typ: t, fixed: l.fixed && r.fixed}
	if t.IsInt() {
		calc := intCalc(op)
		out.f = func(f *frame) any {
			a, ok := l.f(f).(int64)
			b, isInt := r.f(f).(int64)
			if !ok || !isInt {
				return nil
			}
			return inRange(t, calc(a, b))
		}
		return out
	}
	sign := op[0]
	out.f = func(f *frame) any {
		x, y := l.f(f), r.f(f)
		if x == nil || y == nil {
			return nil
		}
		a, b := value.Float(x), value.Float(y)
		switch sign {
		case '+':
			return a + b
		case '-':
			return a - b
		case '*':
			return a * b
		}
		if b == 0 {
			panic(value.Error("22012", "division by zero"))
		}
		if sign == '%' {
			return math.Mod(a, b)
		}
		return a / b
	}
	return out
}

func intCalc(op string) func(a, b int64) int64 {
	overflow := func() { panic(value.Error("22003", "bigint out of range")) }
	switch op {
	case "+":
		return func(a, b int64) int64 {
			if s := a + b; (s > a) == (b > 0) || b == 0 {
				return s
			}
			overflow()
			return 0
		}
	case "-":
		return func(a, b int64) int64 {
			if s := a - b; (s < a) == (b > 0) || b == 0 {
				return s
			}
			overflow()
			return 0
		}
	case "*":
		return func(a, b int64) int64 {
			if a == 0 || b == 0 {
				return 0
			}
			if p := a * b; p/b == a && !(a == -1 && b == math.MinInt64) {
				return p
			}
			overflow()
			return 0
		}
	}
	remainder := op == "%"
	return func(a, b int64) int64 {
		if b == 0 {
			panic(value.Error("22012", "division by zero"))
		}
		if remainder {
			return a % b
		}
		if a == math.MinInt64 && b == -1 {
			overflow()
		}
		return a / b
	}
}

func (c *compiler) timeArithmetic(op string, l, r cexpr, lt, rt value.Type) cexpr {
	stamp := func(t value.Type) bool { return t == value.Timestamptz || t == value.DateType }
	// What stands beside a time without a type is what makes sense of it: an interval, or beside minus another time.
	switch {
	case lt == value.Unknown:
		lt = rt
	case rt == value.Unknown && op == "-":
		rt = lt
	case rt == value.Unknown:
		rt = value.IntervalType
	}
	l, r = c.as(l, lt), c.as(r, rt)
	asStamp := func(v any) (value.Stamp, bool) {
		switch v := v.(type) {
		case value.Stamp:
			return v, true
		case value.Date:
			return value.Stamp(int64(v) * 86400e6), true
		}
		return 0, false
	}
	switch {
	case stamp(lt) && rt == value.IntervalType && (op == "+" || op == "-"):
		sign := int64(1)
		if op == "-" {
			sign = -1
		}
		return cexpr{typ: value.Timestamptz, f: func(f *frame) any {
			s, ok := asStamp(l.f(f))
			i, isInterval := r.f(f).(value.Interval)
			if !ok || !isInterval {
				return nil
			}
			return s.Add(i, sign)
		}}
	case lt == value.IntervalType && stamp(rt) && op == "+":
		return c.timeArithmetic(op, r, l, rt, lt)
	case lt == value.DateType && rt.IsInt():
		sign := int64(1)
		if op == "-" {
			sign = -1
		}
		return cexpr{typ: value.DateType, f: func(f *frame) any {
			d, ok := l.f(f).(value.Date)
			n, isInt := r.f(f).(int64)
			if !ok || !isInt {
				return nil
			}
			return d + value.Date(sign*n)
		}}
	case lt == value.DateType && rt == value.DateType && op == "-":
		return cexpr{typ: value.Int4, f: func(f *frame) any {
			a, ok := l.f(f).(value.Date)
			b, isDate := r.f(f).(value.Date)
			if !ok || !isDate {
				return nil
			}
			return int64(a - b)
		}}
	case stamp(lt) && stamp(rt) && op == "-":
		return cexpr{typ: value.IntervalType, f: func(f *frame) any {
			a, ok := asStamp(l.f(f))
			b, isStamp := asStamp(r.f(f))
			if !ok || !isStamp {
				return nil
			}
			if !a.Finite() || !b.Finite() {
				panic(value.Error("22008", "cannot subtract infinite timestamps"))
			}
			// Whole days are told apart from time, as PostgreSQL does.
			d := int64(a - b)
			return value.Interval{Days: d / 86400e6, Micros: d % 86400e6}
		}}
	case lt == value.IntervalType && rt == value.IntervalType && (op == "+" || op == "-"):
		sign := 1.0
		if op == "-" {
			sign = -1
		}
		return cexpr{typ: value.IntervalType, f: func(f *frame) any {
			a, ok := l.f(f).(value.Interval)
			b, isInterval := r.f(f).(value.Interval)
			if !ok || !isInterval {
				return nil
			}
			return a.Plus(b.Times(sign))
		}}
	case lt == value.IntervalType && rt.IsNumber() && (op == "*" || op == "/"):
		return cexpr{typ: value.IntervalType, f: func(f *frame) any {
			i, ok := l.f(f).(value.Interval)
			v := r.f(f)
			if !ok || v == nil {
				return nil
			}
			n := value.Float(v)
			if op == "/" {
				if n == 0 {
					panic(value.Error("22012", "division by zero"))
				}
				n = 1 / n
			}
			return i.Times(n)
		}}
	case lt.IsNumber() && rt == value.IntervalType && op == "*":
		return c.timeArithmetic(op, r, l, rt, lt)
	}
	panic(value.Error("42883", "operator does not exist: %s %s %s", lt, op, rt))
}
