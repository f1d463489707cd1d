package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/value"
)

// row is one row of a table: what is committed, and what the transaction that holds it has made of it. A nil version is no row.
type row struct {
	committed []any
	pending   []any
	changed   bool // pending counts
	owner     *Tx  // holds the row; nobody else may write or lock it
}

// seen is the version that a transaction sees.
func (r *row) seen(tx *Tx) []any {
	if r.changed && r.owner == tx {
		return r.pending
	}
	return r.committed
}

type column struct {
	name     string
	typ      value.Type
	notNull  bool
	def      *plain // default; nil = none
	identity bool
	always   bool
	next     int64 // of an identity: the last number given out
}

// unique is a unique constraint or index.
type unique struct {
	name  string
	cols  []int
	where *plain // of a partial index
	index *index
}

type check struct {
	name string
	test *plain
}

type table struct {
	schema, name string
	cols         []column
	rows         []*row
	gone         int // rows without any version
	uniques      []*unique
	checks       []check
	lookups      map[int]*index // by column, made when first asked for
	indexed      map[int]bool   // columns that a declared index names
	partitions   []*partition
	partitionBy  int  // column; -1 = not partitioned
	frozen       bool // a copy of one moment
}

// partition is a range of a table's rows with a name of its own; the default one holds what no other one does.
type partition struct {
	schema, name string
	from, to     value.Stamp
	isDefault    bool
}

func (t *table) column(name string) int {
	return slices.IndexFunc(t.cols, func(c column) bool { return c.name == name })
}

// maxKey is how many columns a unique constraint may have.
const maxKey = 4

type key [maxKey]any

// index finds rows by columns. It holds a row under every version that somebody may see; whoever reads it looks at the version that it sees.
type index struct {
	cols []int
	rows map[key][]*row
}

// keyOf is false where the version is in no index: it is none, or a column is NULL.
func (x *index) keyOf(version []any) (key, bool) {
	var k key
	if version == nil {
		return k, false
	}
	for i, c := range x.cols {
		if version[c] == nil {
			return k, false
		}
		k[i] = value.Key(version[c])
	}
	return k, true
}

// move changes a row and keeps the index right.
func (x *index) move(r *row, before, after [2][]any) {
	var old, now [2]key
	var hadOld, hadNow [2]bool
	for i := range 2 {
		old[i], hadOld[i] = x.keyOf(before[i])
		now[i], hadNow[i] = x.keyOf(after[i])
	}
	for i := range 2 {
		if hadOld[i] && !(i == 1 && hadOld[0] && old[0] == old[1]) && !(hadNow[0] && now[0] == old[i]) && !(hadNow[1] && now[1] == old[i]) {
			x.drop(old[i], r)
		}
	}
	for i := range 2 {
		if hadNow[i] && !(i == 1 && hadNow[0] && now[0] == now[1]) && !(hadOld[0] && old[0] == now[i]) && !(hadOld[1] && old[1] == now[i]) {
			x.rows[now[i]] = append(x.rows[now[i]], r)
		}
	}
}

func (x *index) drop(k key, r *row) {
	bucket := x.rows[k]
	i := slices.Index(bucket, r)
	switch {
	case i < 0:
	case len(bucket) == 1:
		delete(x.rows, k)
	default:
		// A new slice: somebody may be walking along the old one.
		x.rows[k] = slices.Concat(bucket[:i], bucket[i+1:])
	}
}

// change sets what a row's holder has made of it.
func (t *table) change(r *row, pending []any, changed bool) {
	t.mutate(r, func() { r.pending, r.changed = pending, changed })
}

// settle makes the holder's version the committed one.
func (t *table) settle(r *row) {
	t.mutate(r, func() { r.committed, r.pending, r.changed = r.pending, nil, false })
}

func (t *table) mutate(r *row, do func()) {
	before := [2][]any{r.committed, nil}
	if r.changed {
		before[1] = r.pending
	}
	do()
	after := [2][]any{r.committed, nil}
	if r.changed {
		after[1] = r.pending
	}
	for _, u := range t.uniques {
		u.index.move(r, before, after)
	}
	for _, x := range t.lookups {
		x.move(r, before, after)
	}
	if (before[0] != nil || before[1] != nil) && after[0] == nil && after[1] == nil {
		t.gone++
	}
	if before[0] == nil && before[1] == nil && (after[0] != nil || after[1] != nil) {
		t.gone--
	}
}

// add puts a new row behind the others; it is the transaction's until it ends.
func (t *table) add(tx *Tx, version []any) *row {
	r := &row{owner: tx}
	t.gone++
	t.compact()
	t.rows = append(t.rows, r)
	tx.note(t, r)
	t.change(r, version, true)
	return r
}

// compact leaves out rows that nobody can see any more.
func (t *table) compact() {
	if t.gone < 64 || t.gone < len(t.rows)/2 {
		return
	}
	kept := make([]*row, 0, len(t.rows)-t.gone+64)
	for _, r := range t.rows {
		if r.committed != nil || r.changed && r.pending != nil {
			kept = append(kept, r)
		}
	}
	t.rows, t.gone = kept, 1 // the one that is being added
}

// lookup finds rows by one column.
func (t *table) lookup(col int) *index {
	x := t.lookups[col]
	if x == nil {
		x = t.newIndex([]int{col})
		if t.lookups == nil {
			t.lookups = map[int]*index{}
		}
		t.lookups[col] = x
	}
	return x
}

func (t *table) newIndex(cols []int) *index {
	x := &index{cols: cols, rows: map[key][]*row{}}
	for _, r := range t.rows {
		after := [2][]any{r.committed, nil}
		if r.changed {
			after[1] = r.pending
		}
		x.move(r, [2][]any{}, after)
	}
	return x
}

// freeze copies what is committed.
func (t *table) freeze() *table {
	f := *t
	f.frozen, f.lookups, f.gone, f.rows = true, nil, 0, make([]*row, 0, len(t.rows))
	for _, r := range t.rows {
		if r.committed != nil {
			f.rows = append(f.rows, &row{committed: r.committed})
		}
	}
	return &f
}
