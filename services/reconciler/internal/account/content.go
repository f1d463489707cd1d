package account

import (
	"cmp"
	"slices"
	"strings"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

const (
	landedFile = salesforce.Successful
	failedFile = salesforce.Failed
)

// How far the matching by content has come.
const (
	levelStrict = iota
	levelRelaxed
	levelDone
)

// files is how many result files there are.
const files = 3

// content matches rows that nothing but their values tells apart: as a multiset of fingerprints. Of equal rows any may be taken for any other,
// so the lowest one is. First the values are compared as they were sent; what is left over then in the form that Salesforce may have given
// them, and this counts only when it explains every result row.
type content struct {
	index   *Index
	columns map[string]int // of the chunk, by name in lower case
	level   int
	said    []said
	kept    []Failure     // failures that said points at
	seen    [files][]bool // by file and column of the chunk: some row has a value there
	strict  []fingerprint // by row; of rows that were not sent nothing is there
	open    []int32       // rows that nothing has matched so far, ascending
	loose   []loose       // of the open rows, in their order
	next    int           // in open: the row that is to come
}

// said is one row of a result file.
type said struct {
	strict, relaxed fingerprint
	kind            salesforce.ResultKind
	id              string // "" = none
	created         bool
	failure         int32 // in kept; -1 = none
	row             int32 // of the chunk; -1 = matches nothing so far
}

// loose are the fingerprints of a row's relaxed values: whole, and by file without the columns that come back blank in that file.
type loose struct {
	whole  fingerprint
	inFile [files]fingerprint
}

func newContent(x *Index) *content {
	c := &content{index: x, columns: make(map[string]int, len(x.chunk.Header)), strict: make([]fingerprint, x.chunk.Rows)}
	for i, name := range x.chunk.Header {
		c.columns[strings.ToLower(name)] = i
	}
	for i := range c.seen {
		c.seen[i] = make([]bool, len(x.chunk.Header))
	}
	return c
}

// find finds our columns in a file's header: the chunk's column for each of the file, -1 for one that is not ours and says nothing of our rows.
func (c *content) find(header []string) []int {
	at := make([]int, len(header))
	for i, name := range header {
		column, ours := c.columns[strings.ToLower(strings.TrimPrefix(name, "\ufeff"))]
		if !ours {
			column = -1
		}
		at[i] = column
	}
	return at
}

// take takes in a row of a result file.
func (c *content) take(f *File, raw salesforce.RawRow) {
	row := raw.Strings()
	s := said{kind: f.kind, created: row.Created, failure: -1, row: -1}
	seen := c.seen[fileNumber(f.kind)]
	for i, column := range f.columns {
		if column < 0 || row.Cells[i] == "" {
			continue
		}
		s.strict.add(cellPrint(column, strict(row.Cells[i])))
		if value := relaxed(row.Cells[i]); value != "" {
			s.relaxed.add(cellPrint(column, value))
			seen[column] = true
		}
	}
	f.r.digest.Add(outcomeOf(f.kind).Byte(), s.strict.bytes(), raw.ID, raw.Error)
	switch f.kind {
	case salesforce.Successful:
		id, ok := f.r.goodID(raw.ID)
		if !ok {
			f.r.badIDs++ // it says landed and names no row: whichever row it speaks of stays in no file
			return
		}
		s.id = string(id)
	case salesforce.Failed:
		s.failure = int32(len(c.kept))
		c.kept = append(c.kept, f.r.refusals.parse(raw.ID, raw.Error))
	case salesforce.Unprocessed:
	}
	c.said = append(c.said, s)
}

func fileNumber(k salesforce.ResultKind) int { return int(k - salesforce.Successful) }

func outcomeOf(k salesforce.ResultKind) record.Outcome {
	switch k {
	case salesforce.Successful:
		return record.OutcomeLanded
	case salesforce.Failed:
		return record.OutcomeFailed
	case salesforce.Unprocessed:
	}
	return record.OutcomeUnprocessed
}

// row takes in a row of the chunk, in order.
func (c *content) row(row int, cells []string) {
	if c.level == levelStrict {
		for column, value := range cells {
			c.strict[row].add(cellPrint(column, strict(value)))
		}
		c.open = append(c.open, int32(row))
		return
	}
	if c.next == len(c.open) || c.open[c.next] != int32(row) {
		return
	}
	l := &c.loose[c.next]
	c.next++
	for column, value := range cells {
		cell := cellPrint(column, relaxed(value))
		l.whole.add(cell)
		for file := range c.seen {
			if c.seen[file][column] {
				l.inFile[file].add(cell)
			}
		}
	}
}

// match goes one level on, and hands the result to the reading after the last one.
func (c *content) match(r *Reading) {
	if c.level == levelStrict {
		c.matchStrict()
		c.level = levelDone
		if c.residue() > 0 && len(c.open) > 0 {
			c.level, c.loose, c.next = levelRelaxed, make([]loose, len(c.open)), 0
			return
		}
	} else {
		c.matchRelaxed()
		c.level, c.loose = levelDone, nil
	}
	for _, s := range c.said {
		if s.row < 0 {
			continue
		}
		row := int(s.row)
		r.mark(row, outcomeOf(s.kind))
		copy(r.ids[row*IDSize:], s.id)
		r.created[row] = s.created && s.kind == salesforce.Successful
		if s.failure >= 0 {
			r.failures[row] = c.kept[s.failure]
		}
	}
}

// residue is how many result rows match no row that was sent.
func (c *content) residue() int {
	n := 0
	for _, s := range c.said {
		if s.row < 0 {
			n++
		}
	}
	return n
}

// candidates are ids of result rows that match nothing, a few of them in order.
func (c *content) candidates() []string {
	var ids []string
	for _, s := range c.said {
		if s.row < 0 && s.id != "" {
			ids = append(ids, s.id)
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), maxCandidates)]
}

// order is the order in which equal result rows take the rows of the chunk, whatever order they came in.
func (c *content) order(a, b *said) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id), cmp.Compare(c.words(a), c.words(b)))
}

// words are those of a refusal, for comparing.
func (c *content) words(s *said) string {
	if s.failure < 0 {
		return ""
	}
	f := c.kept[s.failure]
	return string(f.Class) + "\x00" + f.Code + "\x00" + f.Message + "\x00" + strings.Join(f.Fields, "\x00")
}

// matchStrict gives each result row the lowest open row of the very same content. Where there are more result rows than rows of a content, none
// of them is given one: values were altered, or the files say what cannot be.
func (c *content) matchStrict() {
	saids := c.unmatched(func(*said) bool { return true })
	slices.SortFunc(saids, func(a, b *said) int { return cmp.Or(a.strict.compare(b.strict), c.order(a, b)) })
	rows := slices.Clone(c.open)
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Or(c.strict[a].compare(c.strict[b]), cmp.Compare(a, b)) })
	matched := map[int32]bool{}
	for len(saids) > 0 {
		p := saids[0].strict
		group := saids[:lengthOf(saids, func(s *said) bool { return s.strict == p })]
		saids = saids[len(group):]
		for len(rows) > 0 && c.strict[rows[0]].compare(p) < 0 {
			rows = rows[1:]
		}
		equal := rows[:lengthOf(rows, func(row int32) bool { return c.strict[row] == p })]
		if len(group) > len(equal) {
			continue
		}
		for i, s := range group {
			s.row = equal[i]
			matched[equal[i]] = true
		}
	}
	c.open = slices.DeleteFunc(c.open, func(row int32) bool { return matched[row] })
}

// unmatched are the result rows without a row so far that are wanted.
func (c *content) unmatched(wanted func(*said) bool) []*said {
	var out []*said
	for i := range c.said {
		if s := &c.said[i]; s.row < 0 && wanted(s) {
			out = append(out, s)
		}
	}
	return out
}

// lengthOf is how many elements at the start satisfy f.
func lengthOf[T any](list []T, f func(T) bool) int {
	if i := slices.IndexFunc(list, func(e T) bool { return !f(e) }); i >= 0 {
		return i
	}
	return len(list)
}
