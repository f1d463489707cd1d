package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

func isSet(name string) bool {
	return slices.Contains([]string{"unnest", "generate_series", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_to_recordset"}, name)
}

// setOf compiles a function that gives several values, for one column.
func (c *compiler) setOf(sc *scope, e *syntax.Call) (value.Type, func(*frame) []any) {
	switch e.Name {
	case "unnest":
		if len(e.Args) != 1 {
			panic(value.Error("42883", "unnest of several arrays stands in FROM only"))
		}
		x := c.expr(sc, e.Args[0])
		t := x.knownType(c)
		if !t.IsArray() {
			panic(value.Error("42883", "function unnest(%s) does not exist", t))
		}
		return t.Elem(), func(f *frame) []any {
			if a, ok := x.f(f).(*value.Array); ok {
				return a.Items
			}
			return nil
		}
	case "generate_series":
		from, to := c.typed(sc, e.Args[0], value.Int8), c.typed(sc, e.Args[1], value.Int8)
		return value.Int8, func(f *frame) []any {
			lo, ok := from(f).(int64)
			hi, isInt := to(f).(int64)
			if !ok || !isInt {
				return nil
			}
			if hi-lo > 1<<24 {
				unsupported("a series of %d numbers", hi-lo)
			}
			var out []any
			for ; lo <= hi; lo++ {
				out = append(out, lo)
			}
			return out
		}
	case "jsonb_array_elements", "jsonb_array_elements_text":
		x := c.typed(sc, e.Args[0], value.JSONB)
		asText := e.Name == "jsonb_array_elements_text"
		t := value.JSONB
		if asText {
			t = value.Text
		}
		return t, func(f *frame) []any {
			v := x(f)
			if v == nil {
				return nil
			}
			items := jsonItems(v)
			out := make([]any, len(items))
			for i, item := range items {
				if asText {
					out[i] = value.JSONText(item)
				} else {
					out[i] = value.Encode(item)
				}
			}
			return out
		}
	}
	panic(value.Error("0A000", "%s stands in FROM only", e.Name))
}

func (c *compiler) functionSource(sc *scope, item *syntax.Functions) *source {
	src := &source{as: item.As}
	if src.as == "" {
		src.as = item.Call.Name
	}
	touched := sc.touch
	sc.touch = 0
	defer func() { src.needs, sc.touch = sc.touch, sc.touch|touched }()
	if item.Call.Name == "jsonb_to_recordset" {
		c.recordset(sc, item, src)
		return src
	}
	if !isSet(item.Call.Name) {
		unsupported("the function %s in FROM", item.Call.Name)
	}
	calls := []*syntax.Call{item.Call}
	if item.Call.Name == "unnest" {
		calls = nil
		for _, a := range item.Call.Args {
			calls = append(calls, &syntax.Call{Name: "unnest", Args: []syntax.Expr{a}})
		}
	}
	columns := make([]func(*frame) []any, len(calls))
	for i, call := range calls {
		t, f := c.setOf(sc, call)
		columns[i] = f
		name := item.Call.Name
		if item.As != "" {
			name = item.As
		}
		src.names, src.types = append(src.names, name), append(src.types, t)
	}
	if item.Ordinality {
		src.names, src.types = append(src.names, "ordinality"), append(src.types, value.Int8)
	}
	src.rows = func(f *frame) [][]any { return zip(f, columns, item.Ordinality) }
	src.renamed(item.Columns)
	return src
}

// zip puts columns side by side; shorter ones end in NULLs.
func zip(f *frame, columns []func(*frame) []any, number bool) [][]any {
	values := make([][]any, len(columns))
	n := 0
	for i, col := range columns {
		values[i] = col(f)
		n = max(n, len(values[i]))
	}
	out := make([][]any, n)
	for j := range out {
		out[j] = make([]any, len(columns), len(columns)+1)
		for i := range values {
			if j < len(values[i]) {
				out[j][i] = values[i][j]
			}
		}
		if number {
			out[j] = append(out[j], int64(j+1))
		}
	}
	return out
}

func (c *compiler) recordset(sc *scope, item *syntax.Functions, src *source) {
	if len(item.Types) == 0 {
		panic(value.Error("42601", "a column definition list is required for functions returning \"record\""))
	}
	src.names = item.Columns
	for _, t := range item.Types {
		src.types = append(src.types, c.typeOf(t))
	}
	x := c.typed(sc, item.Call.Args[0], value.JSONB)
	src.rows = func(f *frame) [][]any {
		v := x(f)
		if v == nil {
			return nil
		}
		var out [][]any
		for _, item := range jsonItems(v) {
			m, ok := item.(map[string]any)
			if !ok {
				panic(value.Error("22023", "argument of jsonb_to_recordset must be an array of objects"))
			}
			r := make([]any, len(src.names))
			for i, name := range src.names {
				member, has := m[name]
				if !has || member == nil {
					continue
				}
				if src.types[i] == value.JSONB {
					r[i] = value.Encode(member)
					continue
				}
				parsed, err := value.Parse(src.types[i], textOf(value.JSONText(member)))
				if err != nil {
					panic(err)
				}
				r[i] = parsed
			}
			out = append(out, r)
		}
		return out
	}
}
