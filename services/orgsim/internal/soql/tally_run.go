package soql

import (
	"slices"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/org"
)

// bucket gathers the rows of one group.
type bucket struct {
	values []string // of the groups
	keys   []key
	total  []bool // the group counts for all values of the field
	gauges []gauge
}

// gauge gathers the values of an aggregate.
type gauge struct {
	n        int
	sum      float64
	best     key // of MIN or MAX
	text     string
	distinct map[string]bool
}

// sets says for each sort of row which of the groups count for all their values: one sort, or with ROLLUP and CUBE one for
// each sort of subtotal.
func (t *tally) sets() (sets [][]bool) {
	n := len(t.groups)
	switch t.totals {
	case "ROLLUP":
		for i := n; i >= 0; i-- {
			set := make([]bool, n)
			for j := i; j < n; j++ {
				set[j] = true
			}
			sets = append(sets, set)
		}
	case "CUBE":
		for mask := range 1 << n {
			set := make([]bool, n)
			for j := range set {
				set[j] = mask>>j&1 == 1
			}
			sets = append(sets, set)
		}
	default:
		sets = [][]bool{make([]bool, n)}
	}
	return sets
}

// run groups the rows and computes the aggregates.
func (t *tally) run(r org.Reader, w *work, o *org.Object, rows []uint32) ([][]string, error) {
	sets := t.sets()
	byName := map[string]*bucket{}
	var buckets []*bucket
	find := func(name string, values []string, total []bool) *bucket {
		b := byName[name]
		if b == nil {
			b = &bucket{values: values, total: total, gauges: make([]gauge, len(t.measures))}
			byName[name] = b
			buckets = append(buckets, b)
		}
		return b
	}
	if len(t.groups) == 0 { // one row, also where nothing was found
		find("", nil, nil)
	}
	for _, row := range rows {
		w.left -= len(sets) * (len(t.groups) + len(t.measures))
		if err := w.done(); err != nil {
			return nil, err
		}
		values := make([]string, len(t.groups))
		for i := range t.groups {
			values[i] = t.groups[i].value(r, o, row)
		}
		for _, set := range sets {
			b := find(t.nameOf(values, set), values, set)
			for i := range t.measures {
				b.gauges[i].take(&t.measures[i], r, o, row)
			}
		}
	}
	for _, b := range buckets {
		b.close(t)
	}
	slices.SortStableFunc(buckets, t.usual)
	return t.rows(w, buckets)
}

// nameOf tells the groups apart: each value in its folded form behind its length, so that no two are confused.
func (t *tally) nameOf(values []string, total []bool) string {
	var b strings.Builder
	for i, v := range values {
		if total[i] {
			b.WriteByte('*')
			continue
		}
		if v != "" {
			v = comparingOf(&t.groups[i], false).fold(v)
		}
		b.WriteString(strconv.Itoa(len(v)))
		b.WriteByte(':')
		b.WriteString(v)
	}
	return b.String()
}

// usual is the order of groups without ORDER BY: by their values, null first and subtotals last. Orgs promise none.
func (t *tally) usual(a, b *bucket) int {
	for i := range t.groups {
		switch {
		case a.total[i] != b.total[i]:
			if a.total[i] {
				return 1
			}
			return -1
		}
		if c := (&Order{}).between(a.keys[i], b.keys[i]); c != 0 {
			return c
		}
	}
	return 0
}

// take adds the value of a row.
func (g *gauge) take(s *source, r org.Reader, o *org.Object, row uint32) {
	if s.function == "GROUPING" {
		return
	}
	v := s.column.Value(r, o, row)
	if v == "" {
		return
	}
	g.n++
	switch s.function {
	case "COUNT_DISTINCT":
		if g.distinct == nil {
			g.distinct = map[string]bool{}
		}
		g.distinct[comparingOf(&source{column: s.column}, false).fold(v)] = true
	case "SUM", "AVG":
		n, _ := strconv.ParseFloat(v, 64) // a stored number is one
		g.sum += n
	case "MIN", "MAX":
		k := comparingOf(s, true).keyOf(v, s)
		if c := k.compare(g.best); g.n == 1 || (c < 0) == (s.function == "MIN") && c != 0 {
			g.best, g.text = k, v
		}
	}
}

// value is what an aggregate comes to.
func (g *gauge) value(s *source, total []bool) string {
	switch s.function {
	case "GROUPING":
		if total[s.group] {
			return "1"
		}
		return "0"
	case "COUNT":
		return strconv.Itoa(g.n)
	case "COUNT_DISTINCT":
		return strconv.Itoa(len(g.distinct))
	case "MIN", "MAX":
		return g.text
	}
	if g.n == 0 {
		return ""
	}
	if s.function == "AVG" {
		return strconv.FormatFloat(g.sum/float64(g.n), 'f', -1, 64)
	}
	scale := 0
	if f := s.column.stored(); f != nil {
		scale = f.Scale
	}
	return strconv.FormatFloat(g.sum, 'f', scale, 64)
}

// close computes what a bucket comes to, when all its rows are in.
func (b *bucket) close(t *tally) {
	all := make([]string, 0, len(t.groups)+len(t.measures))
	for i := range t.groups {
		v := b.values[i]
		if b.total[i] {
			v = ""
		}
		all = append(all, v)
		b.keys = append(b.keys, comparingOf(&t.groups[i], true).keyOf(v, &t.groups[i]))
	}
	for i := range t.measures {
		all = append(all, b.gauges[i].value(&t.measures[i], b.total))
	}
	b.values = all
}

// rows are the buckets for which HAVING holds, in their order, with the columns that were selected.
func (t *tally) rows(w *work, buckets []*bucket) ([][]string, error) {
	if t.having != nil {
		buckets = slices.DeleteFunc(buckets, func(b *bucket) bool {
			return w.left < 0 || !t.having.holds(w, func(of *source) string { return b.values[of.at] })
		})
		if err := w.done(); err != nil {
			return nil, err
		}
	}
	if t.order != nil {
		var keys []key
		for _, b := range buckets {
			for i := range t.order {
				by := &t.order[i]
				keys = append(keys, by.compare.keyOf(b.values[by.source.at], &by.source))
			}
		}
		before := slices.Clone(buckets)
		for i, at := range permutation(t.order, keys) {
			buckets[i] = before[at]
		}
	}
	out := make([][]string, len(buckets))
	for i, b := range buckets {
		out[i] = make([]string, len(t.shown))
		for j, place := range t.shown {
			out[i][j] = b.values[place]
		}
	}
	return out, nil
}
