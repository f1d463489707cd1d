package engine

import (
	"encoding/binary"
	"slices"
	"strings"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

func isAggregate(name string) bool {
	switch name {
	case "count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_or", "bool_and":
		return true
	}
	return false
}

// aggregates are those of one query level.
type aggregates struct {
	calls []*aggregateCall
}

type aggregateCall struct {
	name     string
	arg      fn // nil for count(*)
	elem     value.Type
	result   value.Type
	extra    fn // separator of string_agg
	distinct bool
	order    []orderKey
	filter   fn
}

type orderKey struct {
	f          fn
	desc       bool
	nullsFirst bool
}

func (c *compiler) orderKeys(sc *scope, items []syntax.Order) []orderKey {
	out := make([]orderKey, len(items))
	for i, o := range items {
		out[i] = orderKey{c.whole(sc, o.X).f, o.Desc, o.NullsFirst}
	}
	return out
}

func keysOf(keys []orderKey, f *frame) []any {
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = k.f(f)
	}
	return out
}

func compareKeys(keys []orderKey, a, b []any) int {
	for i, k := range keys {
		if a[i] == nil || b[i] == nil {
			if n := value.CompareNulls(a[i], b[i], k.nullsFirst); n != 0 {
				return n
			}
			continue
		}
		n := value.Compare(a[i], b[i])
		if k.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func (c *compiler) aggregate(sc *scope, e *syntax.Call) cexpr {
	if sc.agg == nil {
		panic(value.Error("42803", "aggregate functions are not allowed here: %s", e.Name))
	}
	group := sc.agg
	sc.agg = nil // what an aggregate is of holds none itself
	defer func() { sc.agg = group }()
	a := &aggregateCall{name: e.Name, distinct: e.Distinct}
	if !e.Star {
		if len(e.Args) == 0 {
			panic(value.Error("42883", "%s needs an argument", e.Name))
		}
		x := c.whole(sc, e.Args[0])
		a.arg, a.elem = x.f, x.typ
	}
	if e.Name == "string_agg" {
		a.extra = c.typed(sc, e.Args[1], value.Text)
	}
	a.order = c.orderKeys(sc, e.OrderBy)
	if e.Filter != nil {
		a.filter = c.truth(sc, e.Filter)
	}
	a.result = aggregateType(e.Name, a.elem)
	n := len(group.calls)
	group.calls = append(group.calls, a)
	return cexpr{typ: a.result, f: func(f *frame) any { return f.aggs[n] }}
}

func aggregateType(name string, elem value.Type) value.Type {
	switch name {
	case "count":
		return value.Int8
	case "sum":
		switch elem {
		case value.Int2, value.Int4:
			return value.Int8
		case value.Int8:
			return value.Numeric
		}
		if !elem.IsNumber() && elem != value.IntervalType {
			panic(value.Error("42883", "function sum(%s) does not exist", elem))
		}
		return elem
	case "avg":
		return value.Numeric
	case "array_agg":
		return elem | value.ArrayOf
	case "string_agg":
		return value.Text
	case "bool_or", "bool_and":
		return value.Bool
	}
	return elem
}

// tally gathers the values of one aggregate in one group.
type tally struct {
	call  *aggregateCall
	count int64
	whole int64
	sum   float64
	best  any
	items []any
	keys  [][]any
	seen  map[any]bool
	span  value.Interval
	last  string // separator
}

func (t *tally) add(f *frame) {
	a := t.call
	if a.filter != nil && a.filter(f) != true {
		return
	}
	if a.arg == nil {
		t.count++
		return
	}
	v := a.arg(f)
	if v == nil && a.name != "array_agg" {
		return
	}
	if a.distinct {
		if t.seen == nil {
			t.seen = map[any]bool{}
		}
		if k := value.Key(v); t.seen[k] {
			return
		} else { //nolint:revive // the key is needed in both
			t.seen[k] = true
		}
	}
	t.count++
	switch a.name {
	case "sum", "avg":
		switch n := v.(type) {
		case int64:
			t.whole += n
		case float64:
			t.sum += n
		case value.Interval:
			t.span = t.span.Plus(n)
		}
	case "min":
		if t.best == nil || value.Compare(v, t.best) < 0 {
			t.best = v
		}
	case "max":
		if t.best == nil || value.Compare(v, t.best) > 0 {
			t.best = v
		}
	case "bool_or":
		t.best = t.best == true || v == true
	case "bool_and":
		t.best = t.best != false && v == true
	case "array_agg", "string_agg":
		t.items = append(t.items, v)
		t.keys = append(t.keys, keysOf(a.order, f))
		if a.extra != nil {
			t.last = textOf(a.extra(f))
		}
	}
}

func (t *tally) result() any {
	a := t.call
	if a.name == "count" {
		return t.count
	}
	if t.count == 0 {
		return nil
	}
	switch a.name {
	case "sum":
		switch {
		case a.elem == value.IntervalType:
			return t.span
		case a.elem == value.Int8:
			return float64(t.whole)
		case a.elem.IsInt():
			return t.whole
		}
		return t.sum
	case "avg":
		return (float64(t.whole) + t.sum) / float64(t.count)
	case "array_agg":
		return &value.Array{Elem: a.elem, Items: t.sorted()}
	case "string_agg":
		parts := make([]string, len(t.items))
		for i, v := range t.sorted() {
			parts[i] = textOf(v)
		}
		return strings.Join(parts, t.last)
	}
	return t.best
}

func (t *tally) sorted() []any {
	at := make([]int, len(t.items))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		if t.call.distinct && len(t.call.order) == 0 {
			return value.CompareNulls(t.items[i], t.items[j], false)
		}
		return compareKeys(t.call.order, t.keys[i], t.keys[j])
	})
	out := make([]any, len(at))
	for i, n := range at {
		out[i] = t.items[n]
	}
	return out
}

// windows are the window functions of one query level.
type windows struct{ calls []*windowCall }

type windowCall struct {
	name      string
	sum       *aggregateCall
	value     fn // of first_value
	partition []fn
	order     []orderKey
}

func (c *compiler) windowCall(sc *scope, e *syntax.Call) cexpr {
	if sc.window == nil {
		panic(value.Error("42P20", "window functions are not allowed here"))
	}
	spec := e.Over
	if spec == nil {
		if spec = sc.named[e.OverName]; spec == nil {
			panic(value.Error("42704", "window %q does not exist", e.OverName))
		}
	}
	all := sc.window
	sc.window = nil
	defer func() { sc.window = all }()
	w := &windowCall{name: e.Name, order: c.orderKeys(sc, spec.OrderBy)}
	for _, p := range spec.PartitionBy {
		w.partition = append(w.partition, c.whole(sc, p).f)
	}
	t := value.Int8
	switch {
	case e.Name == "row_number" || e.Name == "rank":
	case e.Name == "first_value":
		x := c.whole(sc, e.Args[0])
		w.value, t = x.f, x.typ
	case isAggregate(e.Name):
		w.sum = &aggregateCall{name: e.Name}
		if !e.Star {
			x := c.whole(sc, e.Args[0])
			w.sum.arg, w.sum.elem = x.f, x.typ
		}
		w.sum.result = aggregateType(e.Name, w.sum.elem)
		t = w.sum.result
	default:
		unsupported("the window function %s", e.Name)
	}
	n := len(all.calls)
	all.calls = append(all.calls, w)
	return cexpr{typ: t, f: func(f *frame) any { return f.wins[n] }}
}

// fill computes the call for all frames. An aggregate is of the frame from the partition's first row to the last that is equal in order.
func (w *windowCall) fill(n int, frames []*frame) {
	parts := map[string][]*frame{}
	var names []string
	for _, f := range frames {
		k := make([]any, len(w.partition))
		for i, p := range w.partition {
			k[i] = p(f)
		}
		name := tupleKey(k)
		if _, ok := parts[name]; !ok {
			names = append(names, name)
		}
		parts[name] = append(parts[name], f)
	}
	for _, name := range names {
		part := parts[name]
		keys := map[*frame][]any{}
		for _, f := range part {
			keys[f] = keysOf(w.order, f)
		}
		slices.SortStableFunc(part, func(a, b *frame) int { return compareKeys(w.order, keys[a], keys[b]) })
		t := &tally{call: w.sum}
		for i := 0; i < len(part); {
			j := i + 1
			for j < len(part) && compareKeys(w.order, keys[part[i]], keys[part[j]]) == 0 {
				j++
			}
			if w.sum != nil {
				for _, f := range part[i:j] {
					t.add(f)
				}
			}
			for k := i; k < j; k++ {
				switch {
				case w.sum != nil:
					part[k].wins[n] = t.result()
				case w.value != nil:
					part[k].wins[n] = w.value(part[0])
				case w.name == "rank":
					part[k].wins[n] = int64(i + 1)
				default:
					part[k].wins[n] = int64(k + 1)
				}
			}
			i = j
		}
	}
}

// tupleKey is a text that is equal for equal tuples only: every value says its kind, and how long it is where that is not fixed.
func tupleKey(vs []any) string {
	b := make([]byte, 0, 128)
	for _, v := range vs {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v)) //nolint:gosec // its bits are meant
		case value.Stamp:
			b = binary.BigEndian.AppendUint64(append(b, 't'), uint64(v)) //nolint:gosec // its bits are meant
		case value.UUID:
			b = append(append(b, 'u'), v[:]...)
		case string:
			b = append(binary.AppendUvarint(append(b, 's'), uint64(len(v))), v...)
		case value.Bytes:
			b = append(binary.AppendUvarint(append(b, 'b'), uint64(len(v))), v...)
		case bool:
			if v {
				b = append(b, 'T')
			} else {
				b = append(b, 'F')
			}
		default:
			s := value.Format(v)
			b = append(binary.AppendUvarint(append(b, 'o'), uint64(len(s))), s...)
		}
	}
	return string(b)
}
