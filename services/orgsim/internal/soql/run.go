package soql

import (
	"slices"

	"bulkhead/services/orgsim/internal/org"
)

// Result is what a query found. Its rows are places in the object, so that pages show the values of their time.
type Result struct {
	Object *org.Object
	// Columns are the fields that were selected, one by one in their order; Members are the same, with children besides, as
	// the JSON of a row has them. Both are nil for COUNT() and for aggregates.
	Columns []Column
	Members []*Member
	Rows    []uint32
	// Count is how many rows were found, or for COUNT() counted.
	Count int
	// Tally is the rows of a query for aggregates, nil for others.
	Tally *Tally
}

// maxWork is how many comparisons of a value a query may make before it takes too long: some ten seconds' worth. All rows
// of the largest orgs that fit into memory are a fraction of it.
const maxWork = 100_000_000

// work is what a running query may still do.
type work struct{ left int }

// done refuses a query that did too much.
func (w *work) done() error {
	if w.left < 0 {
		return plain("QUERY_TIMEOUT", "Your query request was running for too long.")
	}
	return nil
}

// Run finds the rows of a query. Errors are of type *Error.
func (q *Query) Run(store *org.Store) (*Result, error) { return q.run(store, false) }

// RunAll is Run over the rows in the recycle bin too.
func (q *Query) RunAll(store *org.Store) (*Result, error) { return q.run(store, true) }

// Look returns what a query would read, without any row.
func (q *Query) Look(store *org.Store) (*Result, error) {
	_, res, err := q.plan(store)
	return res, err
}

func (q *Query) plan(store *org.Store) (*plan, *Result, error) {
	object, err := findObject(store.Model(), q.text, q.From)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPlan(store.Model(), q, object, store.Now())
	if err != nil {
		return nil, nil, err
	}
	res := &Result{Object: object, Columns: p.columns, Members: p.members}
	if p.tally != nil {
		res.Tally = &Tally{Columns: p.tally.columns, Grouped: q.group != nil}
	}
	return p, res, nil
}

func (q *Query) run(store *org.Store, deleted bool) (*Result, error) {
	p, res, err := q.plan(store)
	if err != nil {
		return nil, err
	}
	store.Read(func(r org.Reader) {
		w := &work{left: maxWork}
		if err = p.find(r, w, res, deleted); err == nil {
			err = w.done()
		}
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// find finds the rows of a result.
func (p *plan) find(r org.Reader, w *work, res *Result, deleted bool) error {
	rows, err := p.matching(r, w, deleted)
	if err != nil {
		return err
	}
	if p.tally != nil {
		res.Tally.Rows, err = p.tally.run(r, w, p.object, rows)
		res.Tally.Rows = cut(res.Tally.Rows, p.query)
		res.Count = len(res.Tally.Rows)
		return err
	}
	if err := p.sort(r, w, rows); err != nil {
		return err
	}
	rows = cut(rows, p.query)
	res.Count = len(rows)
	if !p.query.count {
		res.Rows = rows
	}
	for _, sub := range p.subs {
		if err := sub.gather(r, w, p.object, rows, deleted); err != nil {
			return err
		}
	}
	return nil
}

// cut leaves the rows that OFFSET and LIMIT ask for.
func cut[T any](rows []T, q *Query) []T {
	if q.Offset != nil {
		rows = rows[min(*q.Offset, len(rows)):]
	}
	if q.Limit != nil {
		rows = rows[:min(*q.Limit, len(rows))]
	}
	return rows
}

// matching finds the rows for which the condition holds, by the best index that it offers, else by looking through all.
func (p *plan) matching(r org.Reader, w *work, deleted bool) ([]uint32, error) {
	if err := p.where.prepare(r, w, deleted); err != nil {
		return nil, err
	}
	var out []uint32
	keep := func(row uint32) bool {
		if r.Live(p.object, row) || deleted && r.Binned(p.object, row) {
			w.left--
			if p.where == nil || p.where.holds(w, func(of *source) string { return of.value(r, p.object, row) }) {
				out = append(out, row)
			}
		}
		return w.left >= 0
	}
	if rows, ok := p.where.candidates(r, p.object, deleted); ok {
		slices.Sort(rows)
		for _, row := range slices.Compact(rows) {
			if !keep(row) {
				break
			}
		}
		return out, w.done()
	}
	for row := range r.Rows(p.object) {
		if !keep(row) {
			break
		}
	}
	return out, w.done()
}

// prepare runs the sub-queries of semi-joins.
func (f *filter) prepare(r org.Reader, w *work, deleted bool) (err error) {
	if f == nil {
		return nil
	}
	f.tests(func(t *test) {
		if t.sub == nil || err != nil {
			return
		}
		var rows []uint32
		if rows, err = t.sub.matching(r, w, deleted); err != nil {
			return
		}
		t.ids = make(map[string]bool, len(rows))
		for _, row := range rows {
			if id := t.sub.columns[0].Value(r, t.sub.object, row); id != "" {
				t.ids[id[:min(len(id), shortID)]] = true
			}
		}
	})
	return err
}

// candidates returns the rows that an index knows for a test that has to hold; ok is false when there is none.
func (f *filter) candidates(r org.Reader, o *org.Object, deleted bool) ([]uint32, bool) {
	if f == nil {
		return nil, false
	}
	if f.test != nil {
		return f.test.candidates(r, o, deleted)
	}
	if f.join == and {
		for _, part := range f.parts {
			if rows, ok := part.candidates(r, o, deleted); ok {
				return rows, true
			}
		}
	}
	return nil, false
}

func (t *test) candidates(r org.Reader, o *org.Object, deleted bool) ([]uint32, bool) {
	if len(t.source.column.up) > 0 || t.source.date != nil || t.negative {
		return nil, false
	}
	f := t.source.column.field
	var out []uint32
	switch {
	case f.IsID() && t.ids != nil:
		for id := range t.ids {
			if row, ok := r.ByID(o, id); ok {
				out = append(out, row)
			}
		}
		return out, true
	case f.IsID() && t.equals != nil:
		for _, id := range t.equals {
			if row, ok := r.ByID(o, id); ok {
				out = append(out, row)
			}
		}
		return out, true
	case f.Stored == nil || t.equals == nil || deleted: // the other indexes know live rows only
		return nil, false
	}
	for _, v := range t.equals {
		rows, ok := r.ByKey(o, f.Stored, v)
		if !ok {
			return nil, false
		}
		out = append(out, rows...)
	}
	return out, true
}
