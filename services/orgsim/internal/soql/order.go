package soql

import (
	"slices"

	"bulkhead/services/orgsim/internal/org"
)

// sort orders rows; those that are equal keep the order in which they were made.
func (p *plan) sort(r org.Reader, w *work, rows []uint32) error {
	if w.left -= len(rows) * len(p.order); p.order == nil || w.left < 0 {
		return w.done()
	}
	keys := make([]key, 0, len(rows)*len(p.order))
	for _, row := range rows {
		for i := range p.order {
			by := &p.order[i]
			keys = append(keys, by.compare.keyOf(by.source.value(r, p.object, row), &by.source))
		}
	}
	before := slices.Clone(rows)
	for i, at := range permutation(p.order, keys) {
		rows[i] = before[at]
	}
	return nil
}

// permutation says which row comes when, by the keys of all rows one behind the other.
func permutation(order []ordering, keys []key) []int {
	n := len(order)
	places := make([]int, len(keys)/n)
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int {
		for i := range order {
			if c := order[i].between(keys[a*n+i], keys[b*n+i]); c != 0 {
				return c
			}
		}
		return 0
	})
	return places
}

// between orders two keys; null comes first, also when the others are in descending order, unless it is told to be last.
func (o *Order) between(a, b key) int {
	if a.set != b.set {
		if a.set == o.Last {
			return -1
		}
		return 1
	}
	c := a.compare(b)
	if o.Desc {
		return -c
	}
	return c
}
