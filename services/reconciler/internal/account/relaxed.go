package account

import (
	"cmp"
	"slices"

	"bulkhead/libs/salesforce"
)

// relaxing is the second try of matching by content. It changes nothing until all of it is known to hold.
type relaxing struct {
	c     *content
	taken []bool          // by place in open
	pairs map[*said]int32 // result row → place in open
}

// matchRelaxed matches what is left over by relaxed values. All of it must find a row; else nothing of it counts: a file that holds one row of
// somebody else may hold any.
func (c *content) matchRelaxed() {
	x := relaxing{c: c, taken: make([]bool, len(c.open)), pairs: map[*said]int32{}}
	left := c.unmatched(func(*said) bool { return true })
	for _, kinds := range c.projections() {
		x.match(kinds, c.unmatched(func(s *said) bool { return slices.Contains(kinds, s.kind) }))
	}
	if len(x.pairs) < len(left) {
		return
	}
	for s, at := range x.pairs {
		s.row = c.open[at]
	}
	rest := c.open[:0]
	for at, row := range c.open {
		if !x.taken[at] {
			rest = append(rest, row)
		}
	}
	c.open = rest
}

// projections are the files by the columns in which they show values, those that show the most first: their rows say the most of themselves.
func (c *content) projections() [][]salesforce.ResultKind {
	shown := func(kind salesforce.ResultKind) (n int) {
		for _, seen := range c.seen[fileNumber(kind)] {
			if seen {
				n++
			}
		}
		return n
	}
	var groups [][]salesforce.ResultKind
	for _, kind := range []salesforce.ResultKind{salesforce.Successful, salesforce.Failed, salesforce.Unprocessed} {
		at := slices.IndexFunc(groups, func(g []salesforce.ResultKind) bool {
			return slices.Equal(c.seen[fileNumber(g[0])], c.seen[fileNumber(kind)])
		})
		if at >= 0 {
			groups[at] = append(groups[at], kind)
		} else {
			groups = append(groups, []salesforce.ResultKind{kind})
		}
	}
	slices.SortStableFunc(groups, func(a, b []salesforce.ResultKind) int { return cmp.Compare(shown(b[0]), shown(a[0])) })
	return groups
}

// match pairs result rows of files that show the same columns with open rows that are equal in these.
func (x *relaxing) match(kinds []salesforce.ResultKind, saids []*said) {
	c, file := x.c, fileNumber(kinds[0])
	of := func(at int32) fingerprint { return c.loose[at].inFile[file] }
	var rows []int32
	for at := range c.open {
		if !x.taken[at] {
			rows = append(rows, int32(at))
		}
	}
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Or(of(a).compare(of(b)), cmp.Compare(a, b)) })
	slices.SortFunc(saids, func(a, b *said) int { return cmp.Or(a.relaxed.compare(b.relaxed), c.order(a, b)) })
	for len(saids) > 0 {
		p := saids[0].relaxed
		group := saids[:lengthOf(saids, func(s *said) bool { return s.relaxed == p })]
		saids = saids[len(group):]
		for len(rows) > 0 && of(rows[0]).compare(p) < 0 {
			rows = rows[1:]
		}
		equal := rows[:lengthOf(rows, func(at int32) bool { return of(at) == p })]
		if !x.interchangeable(group, equal) {
			continue
		}
		for i, s := range group {
			x.pairs[s] = equal[i]
			x.taken[equal[i]] = true
		}
	}
}

// interchangeable says whether it is all one which of the rows each result row means: the rows are equal, or, where they differ in columns
// that the file does not show, the file says the same of every one of them.
func (x *relaxing) interchangeable(group []*said, rows []int32) bool {
	if len(group) > len(rows) {
		return false
	}
	first := x.c.loose[rows[0]].whole
	if !slices.ContainsFunc(rows, func(at int32) bool { return x.c.loose[at].whole != first }) {
		return true
	}
	if len(group) < len(rows) || group[0].kind == salesforce.Successful {
		return false // whose id is it
	}
	return !slices.ContainsFunc(group, func(s *said) bool {
		return s.kind != group[0].kind || x.c.words(s) != x.c.words(group[0])
	})
}
