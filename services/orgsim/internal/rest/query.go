package rest

import (
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
	c.rows += cur.found.Size()
	for len(c.list) > 1 && (c.rows > cursorRows || cur.at.Sub(c.list[0].at) >= cursorLife) {
		c.rows -= c.list[0].found.Size()
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
	if strings.EqualFold(ex.r.URL.Query().Get("columns"), "true") {
		found, err := q.Look(ex.s.Store)
		if err != nil {
			return err
		}
		return ex.json(http.StatusOK, columnReply(found))
	}
	run := q.Run
	if ex.route.rest[0] == "queryAll" {
		run = q.RunAll
	}
	found, err := run(ex.s.Store)
	if err != nil {
		return err
	}
	cur := &cursor{at: ex.s.Clock.Now(), size: pageSize(ex.r.Header.Get("Sforce-Query-Options")), found: found}
	if found.Tally != nil {
		return ex.tally(cur)
	}
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
