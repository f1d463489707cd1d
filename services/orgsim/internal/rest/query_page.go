package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// A page ends early when what it holds is large: with the rows of sub-queries in it, or with long texts (Salesforce: a
// page may have fewer rows; where it ends is not known). A record more is written whole.
const (
	pageRows  = 20_000
	pageBytes = 16 << 20
)

// room is what a page may still hold, the records in its records included.
type room struct{ rows, bytes int }

func (m *room) full() bool { return m.rows <= 0 || m.bytes <= 0 }

// page writes the rows of a query from start on. Members come in the order in which Salesforce writes them, so records
// are built by hand.
func (ex *exchange) page(cur *cursor, start int) error {
	var b []byte
	ex.s.Store.Read(func(r org.Reader) { b = ex.appendPage(nil, r, cur, start, &room{pageRows, pageBytes}) })
	return ex.json(http.StatusOK, json.RawMessage(b))
}

// appendPage writes a page of a query or of a sub-query; what is left behind it gets a locator.
func (ex *exchange) appendPage(b []byte, r org.Reader, cur *cursor, start int, left *room) []byte {
	f := cur.found
	end := min(start+cur.size, len(f.Rows))
	var records []byte
	for i := start; i < end; i++ {
		if f.Rows[i] >= r.Rows(f.Object) {
			break // the org was emptied after the rows were found
		}
		if i > start {
			if left.full() {
				end = i
				break
			}
			records = append(records, ',')
		}
		before := len(records)
		records = ex.appendRecord(records, r, f.Object, f.Rows[i], f.Members, &pages{cur, left})
		left.rows--
		left.bytes -= len(records) - before
	}
	b = append(b, `{"totalSize":`...)
	b = strconv.AppendInt(b, int64(f.Count), 10)
	b = append(b, `,"done":`...)
	b = strconv.AppendBool(b, end == len(f.Rows))
	if end < len(f.Rows) {
		if cur.id == "" {
			ex.s.cursors.add(ex.s.Store, cur)
		}
		b = append(b, `,"nextRecordsUrl":`...)
		b = appendJSON(b, ex.base()+"/query/"+cur.id+"-"+strconv.Itoa(end))
	}
	b = append(b, `,"records":[`...)
	b = append(b, records...)
	return append(b, "]}"...)
}

// pages is the query that a record was found by, and the room for what is in it.
type pages struct {
	of   *cursor
	left *room
}

// appendRecord writes one row with what was selected of it. in is nil when no query found it.
func (ex *exchange) appendRecord(b []byte, r org.Reader, o *org.Object, row uint32, members []*soql.Member, in *pages) []byte {
	b = ex.appendAttributes(b, o, r.ID(o, row))
	for _, m := range members {
		b = append(b, ',')
		b = appendJSON(b, m.Name)
		b = append(b, ':')
		switch {
		case m.Children != nil:
			b = ex.appendChildren(b, r, row, m.Children, in)
		case m.Up != nil:
			if parent, up, ok := r.Parent(o, row, m.Up); ok {
				b = ex.appendRecord(b, r, parent, up, m.For(parent), in)
			} else {
				b = append(b, "null"...)
			}
		default:
			b = appendValue(b, m.Type(), m.Value(r, o, row))
		}
	}
	return append(b, '}')
}

// appendChildren writes the rows of a sub-query: null where there are none, else a page with a locator of its own.
func (ex *exchange) appendChildren(b []byte, r org.Reader, row uint32, c *soql.Children, in *pages) []byte {
	rows := c.Rows[row]
	if len(rows) == 0 {
		return append(b, "null"...)
	}
	found := &soql.Result{Object: c.Object, Members: c.Members, Rows: rows, Count: len(rows)}
	return ex.appendPage(b, r, &cursor{at: in.of.at, size: in.of.size, found: found}, 0, in.left)
}

// tally writes the rows of a query for aggregates, which have to be few enough for one page (Salesforce: GROUP BY).
func (ex *exchange) tally(cur *cursor) error {
	t := cur.found.Tally
	if len(t.Rows) > cur.size {
		return &bulk.Error{
			Status: http.StatusBadRequest, Code: "EXCEEDED_ID_LIMIT",
			Message: "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
		}
	}
	b := []byte(`{"totalSize":`)
	b = strconv.AppendInt(b, int64(len(t.Rows)), 10)
	b = append(b, `,"done":true,"records":[`...)
	for i, row := range t.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"attributes":{"type":"AggregateResult"}`...)
		for j, c := range t.Columns {
			b = append(b, ',')
			b = appendJSON(b, c.Name)
			b = append(b, ':')
			b = appendValue(b, c.Type, row[j])
		}
		b = append(b, '}')
	}
	return ex.json(http.StatusOK, json.RawMessage(append(b, "]}"...)))
}

func (ex *exchange) appendAttributes(b []byte, o *org.Object, id string) []byte {
	b = append(b, `{"attributes":{"type":`...)
	b = appendJSON(b, o.Name)
	b = append(b, `,"url":`...)
	b = appendJSON(b, ex.base()+"/sobjects/"+o.Name+"/"+id)
	return append(b, '}')
}

// appendValue writes a stored value in the JSON type of its kind.
func appendValue(b []byte, t org.FieldType, v string) []byte {
	switch {
	case v == "":
		return append(b, "null"...)
	case t == org.TypeBoolean, t == org.TypeInt, t == org.TypeDouble, t == org.TypeCurrency, t == org.TypePercent:
		return append(b, v...) // stored in the form that JSON has too
	default:
		return appendJSON(b, v)
	}
}

func appendJSON(b []byte, s string) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // Salesforce writes < and > as they are
	if err := enc.Encode(s); err != nil {
		return append(b, `""`...) // cannot be: a string always has a JSON form
	}
	return append(b, bytes.TrimRight(text.Bytes(), "\n")...)
}
