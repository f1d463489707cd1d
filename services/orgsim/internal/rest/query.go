package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

const (
	// queryPage is the number of rows on a page of a query, queryPageMin the least that a caller may ask for
	// (Salesforce: Sforce-Query-Options batchSize).
	queryPage    = 2000
	queryPageMin = 200
	// cursorLife is how long a query locator is good for (Salesforce: 2 days).
	cursorLife = 48 * time.Hour
	// cursorRows bounds the rows that unfinished queries may hold, four bytes each; the oldest queries go first. Salesforce
	// has no limit on their number.
	cursorRows = 32_000_000
)

// cursor is a query of which pages are left.
type cursor struct {
	id    string
	at    time.Time
	size  int
	found *soql.Result
}

// cursors are the unfinished queries, oldest first.
type cursors struct {
	mu     sync.Mutex
	list   []*cursor
	byID   map[string]*cursor
	rows   int // of all queries in list
	number uint64
}

func (c *cursors) add(store *org.Store, cur *cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	cur.id = store.NewID("0r8", c.number)
	if c.byID == nil {
		c.byID = map[string]*cursor{}
	}
	c.list, c.byID[cur.id] = append(c.list, cur), cur
	c.rows += len(cur.found.Rows)
	for len(c.list) > 1 && (c.rows > cursorRows || cur.at.Sub(c.list[0].at) >= cursorLife) {
		c.rows -= len(c.list[0].found.Rows)
		delete(c.byID, c.list[0].id)
		c.list[0], c.list = nil, c.list[1:]
	}
}

func (c *cursors) find(id string, now time.Time) *cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cur := c.byID[id]; cur != nil && now.Sub(cur.at) < cursorLife {
		return cur
	}
	return nil
}

func (c *cursors) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.byID, c.rows = nil, nil, 0
}

// query answers a query, or a further page of one.
func (ex *exchange) query() error {
	if len(ex.route.rest) == 2 {
		return ex.nextPage(ex.route.rest[1])
	}
	text := ex.r.URL.Query().Get("q")
	if text == "" {
		return &bulk.Error{Status: http.StatusBadRequest, Code: "MALFORMED_QUERY", Message: "A query string has to be specified"}
	}
	q, err := soql.Parse(text)
	if err != nil {
		return err
	}
	run := q.Run
	if ex.route.rest[0] == "queryAll" {
		run = q.RunAll
	}
	found, err := run(ex.s.Store, text)
	if err != nil {
		return err
	}
	if strings.EqualFold(ex.r.URL.Query().Get("columns"), "true") {
		return ex.json(http.StatusOK, columnReply(found))
	}
	cur := &cursor{at: ex.s.Clock.Now(), size: pageSize(ex.r.Header.Get("Sforce-Query-Options")), found: found}
	return ex.page(cur, 0)
}

// pageSize reads "batchSize=500"; anything else leaves the usual size.
func pageSize(options string) int {
	for _, option := range strings.Split(options, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(option), "=")
		if n, err := strconv.Atoi(value); err == nil && strings.EqualFold(name, "batchSize") {
			return min(max(n, queryPageMin), queryPage)
		}
	}
	return queryPage
}

func (ex *exchange) nextPage(locator string) error {
	id, place, _ := strings.Cut(locator, "-")
	start, err := strconv.Atoi(place)
	cur := ex.s.cursors.find(id, ex.s.Clock.Now())
	if err != nil || cur == nil || start < 0 || start > len(cur.found.Rows) {
		return &bulk.Error{Status: http.StatusBadRequest, Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"}
	}
	return ex.page(cur, start)
}

// page writes the rows from start on. Members come in the order in which Salesforce writes them, so records are built
// by hand.
func (ex *exchange) page(cur *cursor, start int) error {
	f := cur.found
	end := min(start+cur.size, len(f.Rows))
	if f.Columns == nil { // COUNT(): no rows at all
		end = start
	}
	done := f.Columns == nil || end == len(f.Rows)
	b := []byte(`{"totalSize":`)
	b = strconv.AppendInt(b, int64(f.Count), 10)
	b = append(b, `,"done":`...)
	b = strconv.AppendBool(b, done)
	if !done {
		if cur.id == "" {
			ex.s.cursors.add(ex.s.Store, cur)
		}
		b = append(b, `,"nextRecordsUrl":`...)
		b = appendJSON(b, ex.base()+"/query/"+cur.id+"-"+strconv.Itoa(end))
	}
	b = append(b, `,"records":[`...)
	ex.s.Store.Read(func(r org.Reader) {
		first := true
		for _, row := range f.Rows[start:end] {
			if row >= r.Rows(f.Object) {
				break // the org was emptied after the rows were found
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = ex.appendRecord(b, r, f.Object, row, f.Columns)
		}
	})
	b = append(b, "]}"...)
	return ex.json(http.StatusOK, json.RawMessage(b))
}

// appendRecord writes one row; the columns of one parent come together in an object of their own.
func (ex *exchange) appendRecord(b []byte, r org.Reader, o *org.Object, row uint32, columns []soql.Column) []byte {
	b = ex.appendAttributes(b, o, r.ID(o, row))
	parents := map[*org.Field]bool{}
	for _, c := range columns {
		b = append(b, ',')
		if c.Parent == nil {
			b = appendMember(b, c.Field, r.Value(o, row, c.Field))
			continue
		}
		if parents[c.Parent] {
			b = b[:len(b)-1]
			continue
		}
		parents[c.Parent] = true
		b = appendJSON(b, c.Parent.RelationshipName)
		b = append(b, ':')
		po, up, ok := c.ParentRow(r, o, row)
		if !ok {
			b = append(b, "null"...)
			continue
		}
		b = ex.appendAttributes(b, po, r.ID(po, up))
		for _, same := range columns {
			if same.Parent == c.Parent {
				b = append(b, ',')
				b = appendMember(b, same.Field, same.In(r, po, up))
			}
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func (ex *exchange) appendAttributes(b []byte, o *org.Object, id string) []byte {
	b = append(b, `{"attributes":{"type":`...)
	b = appendJSON(b, o.Name)
	b = append(b, `,"url":`...)
	b = appendJSON(b, ex.base()+"/sobjects/"+o.Name+"/"+id)
	return append(b, '}')
}

// appendMember writes a field in the JSON type of its values.
func appendMember(b []byte, f *org.Readable, v string) []byte {
	b = appendJSON(b, f.Name)
	b = append(b, ':')
	switch {
	case v == "":
		return append(b, "null"...)
	case f.Type == org.TypeBoolean, f.Type == org.TypeInt, f.Type == org.TypeDouble, f.Type == org.TypeCurrency, f.Type == org.TypePercent:
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
