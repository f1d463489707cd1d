package soql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/org"
)

// Column is one selected field, resolved.
type Column struct {
	// Parent is the reference that leads to the field, nil for a field of the object itself.
	Parent *org.Field
	Field  *org.Readable
}

// Name is the column as a query names it, in the case of the model: Account.Name.
func (c Column) Name() string {
	if c.Parent == nil {
		return c.Field.Name
	}
	return c.Parent.RelationshipName + "." + c.Field.Name
}

// Result is the rows of a query. They are places in the object, so that pages show the values of their time.
type Result struct {
	Object  *org.Object
	Columns []Column // nil for COUNT()
	Rows    []uint32
	Count   int
}

// test is a condition, resolved.
type test struct {
	column Column
	op     string // = != < <= > >= in notin
	values []string
	nulls  bool // null is among the values
}

// Run finds the rows of a query. Errors are of type *Error.
func (q *Query) Run(store *org.Store, text string) (*Result, error) { return q.run(store, text, false) }

// RunAll is Run over the rows in the recycle bin too.
func (q *Query) RunAll(store *org.Store, text string) (*Result, error) {
	return q.run(store, text, true)
}

func (q *Query) run(store *org.Store, text string, deleted bool) (*Result, error) {
	object := store.Model().Object(q.From.Path)
	if object == nil {
		return nil, &Error{"INVALID_TYPE", at(text, q.From.Pos) + fmt.Sprintf(
			"sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after "+
				"the entity name. Please reference your WSDL or the describe call for the appropriate names.", q.From.Path)}
	}
	res := &Result{Object: object}
	for _, name := range q.Select.Fields {
		c, err := resolve(object, name, text)
		if err != nil {
			return nil, err
		}
		res.Columns = append(res.Columns, c)
	}
	tests := make([]test, 0, len(q.Conditions))
	for _, c := range q.Conditions {
		t, err := c.resolve(object, text)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	var by *Column
	if q.Order != nil {
		c, err := resolve(object, q.Order.Field, text)
		if err != nil {
			return nil, err
		}
		by = &c
	}
	store.Read(func(r org.Reader) {
		res.Rows = matching(r, object, tests, deleted)
		if by != nil {
			q.sort(r, object, *by, res.Rows)
		}
	})
	res.Rows = cut(res.Rows, q.Offset, q.Limit)
	res.Count = len(res.Rows)
	return res, nil
}

func cut(rows []uint32, offset, limit *int) []uint32 {
	if offset != nil {
		rows = rows[min(max(*offset, 0), len(rows)):]
	}
	if limit != nil {
		rows = rows[:min(max(*limit, 0), len(rows))]
	}
	return rows
}

// matching finds the rows by the best index that a condition offers, else by looking through all of them.
func matching(r org.Reader, o *org.Object, tests []test, deleted bool) []uint32 {
	var out []uint32
	keep := func(row uint32) {
		if !r.Live(o, row) && (!deleted || !r.Binned(o, row)) {
			return
		}
		for i := range tests {
			if !tests[i].holds(r, o, row) {
				return
			}
		}
		out = append(out, row)
	}
	for i := range tests {
		if deleted && !tests[i].column.Field.IsID() {
			continue // the other indexes know live rows only
		}
		if rows, ok := tests[i].candidates(r, o); ok {
			slices.Sort(rows)
			for _, row := range slices.Compact(rows) {
				keep(row)
			}
			return out
		}
	}
	for row := range r.Rows(o) {
		keep(row)
	}
	return out
}

// candidates returns the rows that an index knows for the condition.
func (t *test) candidates(r org.Reader, o *org.Object) ([]uint32, bool) {
	if t.column.Parent != nil || t.nulls || (t.op != "=" && t.op != "in") {
		return nil, false
	}
	var out []uint32
	for _, v := range t.values {
		if t.column.Field.IsID() {
			if row, ok := r.ByID(o, v); ok {
				out = append(out, row)
			}
			continue
		}
		if t.column.Field.Stored == nil {
			return nil, false
		}
		rows, ok := r.ByKey(o, t.column.Field.Stored, v)
		if !ok {
			return nil, false
		}
		out = append(out, rows...)
	}
	return out, true
}

// Value reads a column of a row; "" stands for null.
func (c Column) Value(r org.Reader, o *org.Object, row uint32) string {
	if c.Parent == nil {
		return r.Value(o, row, c.Field)
	}
	parent, up, ok := c.ParentRow(r, o, row)
	if !ok {
		return ""
	}
	return c.In(r, parent, up)
}

// In reads the column's field in a row of a parent; "" where the parent has no such field.
func (c Column) In(r org.Reader, parent *org.Object, row uint32) string {
	f := c.Field
	if c.Parent != nil && len(c.Parent.Parents()) > 1 {
		if f = parent.Readable(f.Name); f == nil {
			return ""
		}
	}
	return r.Value(parent, row, f)
}

// ParentRow finds the parent that a column leads to; it is false when the reference is empty.
func (c Column) ParentRow(r org.Reader, o *org.Object, row uint32) (parent *org.Object, up uint32, ok bool) {
	id := r.Value(o, row, o.Readable(c.Parent.Name))
	if parent = c.Parent.ParentOf(id); parent == nil {
		return nil, 0, false
	}
	up, ok = r.ByID(parent, id)
	return parent, up, ok
}

func (t *test) holds(r org.Reader, o *org.Object, row uint32) bool {
	v := t.column.Value(r, o, row)
	switch t.op {
	case "=", "in":
		return t.among(v)
	case "!=", "notin":
		return !t.among(v)
	}
	if v == "" {
		return false
	}
	c := t.compare(v, t.values[0])
	switch t.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

func (t *test) among(v string) bool {
	if v == "" {
		return t.nulls
	}
	for _, w := range t.values {
		if t.compare(v, w) == 0 {
			return true
		}
	}
	return false
}

func (t *test) compare(a, b string) int { return compare(t.column.Field, a, b) }

// compare orders two values as the type of the field does: numbers by size, ids by their short form, texts without
// regard to case unless the field says otherwise.
func compare(f *org.Readable, a, b string) int {
	switch f.Type {
	case org.TypeInt, org.TypeDouble, org.TypeCurrency, org.TypePercent:
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		if errX == nil && errY == nil {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	case org.TypeReference, "id":
		if len(a) >= 15 && len(b) >= 15 {
			return strings.Compare(a[:15], b[:15])
		}
	}
	if f.Stored != nil && f.Stored.CaseSensitive {
		return strings.Compare(a, b)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// sort orders rows by a column; null comes first unless the query says last.
func (q *Query) sort(r org.Reader, o *org.Object, by Column, rows []uint32) {
	values := make(map[uint32]string, len(rows))
	for _, row := range rows {
		values[row] = by.Value(r, o, row)
	}
	slices.SortStableFunc(rows, func(a, b uint32) int {
		x, y := values[a], values[b]
		if (x == "") != (y == "") {
			if (x == "") == q.Order.Last {
				return 1
			}
			return -1
		}
		c := compare(by.Field, x, y)
		if q.Order.Desc {
			return -c
		}
		return c
	})
}
