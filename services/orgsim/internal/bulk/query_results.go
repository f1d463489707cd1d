package bulk

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
	"bulkhead/services/orgsim/internal/switches"
)

// resultPages is how many pages are named at a time for those who fetch them side by side (Salesforce: up to five).
const resultPages = 5

// QueryPage is a page of the result of a query job, ready to be written.
type QueryPage struct {
	Rows    int    // of this page
	Locator string // of the next page; "null" when this is the last

	w      queryWriter
	places []uint32
}

// QueryResults returns the page at a locator, "" being the first one. maxRecords is how many rows the caller wants at most,
// "" for as many as there are on a page; a page may have fewer. While the job has not ended, it is refused or has part of
// the rows, as the switch unfinished_results says. asked is the API version of the request.
func (m *Manager) QueryResults(id, at, maxRecords string, asked float64) (*QueryPage, error) {
	q, err := m.findQuery(id)
	if err != nil {
		return nil, err
	}
	size := m.Settings.Get().QueryPageRows
	most := size
	if maxRecords != "" {
		if most, err = strconv.Atoi(maxRecords); err != nil || most < 1 {
			return nil, invalidValue(maxRecords, "maxRecords")
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.sameVersion(asked); err != nil {
		return nil, err
	}
	rows, err := q.readable(m.Switches.Get(switches.UnfinishedResults))
	if err != nil {
		return nil, err
	}
	from, err := m.rowAt(q, at, len(rows))
	if err != nil {
		return nil, err
	}
	to := min(nextPage(from, size), from+min(most, size), len(rows))
	p := &QueryPage{Rows: to - from, Locator: lastPage, w: m.queryWriter(q), places: rows[from:to]}
	if to < len(rows) {
		p.Locator = m.locator(q, to).String()
	}
	return p, nil
}

// QueryPages returns the locators of up to five pages from the one at a locator on, and the locator of the page behind
// them, "" when there is none.
func (m *Manager) QueryPages(id, at string, asked float64) (pages []string, next string, err error) {
	q, err := m.findQuery(id)
	if err != nil {
		return nil, "", err
	}
	size := m.Settings.Get().QueryPageRows
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.sameVersion(asked); err != nil {
		return nil, "", err
	}
	rows, err := q.readable(switches.ResultsRefused)
	if err != nil {
		return nil, "", err
	}
	from, err := m.rowAt(q, at, len(rows))
	if err != nil {
		return nil, "", err
	}
	for len(pages) < resultPages {
		pages = append(pages, m.locator(q, from).String())
		if from = nextPage(from, size); from >= len(rows) {
			return pages, "", nil
		}
	}
	return pages, m.locator(q, from).String(), nil
}

// nextPage is the row with which the page begins that follows the one of this row. However few rows a caller asks for, no
// page goes beyond that: an org divides a result where it divided the work.
func nextPage(row, size int) int { return (row/size + 1) * size }

// sameVersion refuses results to callers of another API version than the one that created the job. The status is
// documented, code and text are not.
func (q *QueryJob) sameVersion(asked float64) error {
	if asked == q.Spec.Version {
		return nil
	}
	return refuse(409, "INVALIDVERSION", "InvalidVersion : The results of the job have to be read with the API version that created it, %.1f", q.Spec.Version)
}

// readable returns the rows whose result may be read; the caller holds mu.
func (q *QueryJob) readable(unfinished switches.Position) ([]uint32, error) {
	switch {
	case q.state == JobComplete:
		return q.rows, nil
	case q.state.Terminal(): // whatever was found has no result
	case unfinished == switches.ResultsHeaderOnly:
		return nil, nil
	case unfinished == switches.ResultsPartial:
		return q.rows[:min(int64(len(q.rows)), q.processed)], nil
	}
	return nil, refuse(400, "INVALIDJOBSTATE", "InvalidJobState : Results are available only when the job is complete; it is in state %s", q.state)
}

// locator is the place of a row in the result of a job.
func (m *Manager) locator(q *QueryJob, row int) locator {
	return locator{m.Store.NewID("0Ga", q.number), row}
}

// rowAt is the row at a locator of the job, which has so many rows.
func (m *Manager) rowAt(q *QueryJob, at string, rows int) (int, error) {
	if at == "" {
		return 0, nil
	}
	result, row, ok := ParseLocator(at)
	if !ok || result != m.locator(q, 0).result || (row > 0 && row >= rows) {
		return 0, errLocator
	}
	return row, nil
}

// WriteTo writes the page: the header, which every page has, and its rows.
func (p *QueryPage) WriteTo(w io.Writer) (int64, error) {
	var total int64
	p.w.header()
	for left := p.places; len(left) > 0; {
		left = left[p.w.rows(left):]
		n, err := w.Write(p.w.out)
		total += int64(n)
		p.w.out = p.w.out[:0]
		if err != nil {
			return total, fmt.Errorf("results of a query job: %w", err)
		}
	}
	n, err := w.Write(p.w.out) // of a page without rows
	return total + int64(n), err
}

const (
	// lockRows is how many rows are read under one lock.
	lockRows = 500
	// lockBytes is after how many bytes of CSV that ends, whatever the number of rows: a row may have megabytes.
	lockBytes = 1 << 20
)

// queryWriter writes the CSV of a query job: every value quoted, the header too. The values are those of the moment at
// which the rows were found.
type queryWriter struct {
	store   *org.Store
	object  *org.Object
	columns []soql.Column
	moment  org.Moment
	form    form
	out     []byte
}

// queryWriter returns the writer of a job; the caller holds its lock.
func (m *Manager) queryWriter(q *QueryJob) queryWriter {
	w := queryWriter{
		store: m.Store, object: q.object, columns: q.columns, moment: q.moment,
		form: form{delimiter: delimiters[q.Spec.ColumnDelimiter], ending: "\n"},
	}
	if q.Spec.LineEnding == "CRLF" {
		w.form.ending = "\r\n"
	}
	return w
}

func (w *queryWriter) header() {
	for i := range w.columns {
		w.cell(i, w.columns[i].Name())
	}
	w.out = append(w.out, w.form.ending...)
}

// rows writes the first rows of some and returns how many they are.
func (w *queryWriter) rows(places []uint32) (written int) {
	w.store.ReadAt(w.moment, func(r org.Reader) {
		for _, row := range places[:min(len(places), lockRows)] {
			if len(w.out) >= lockBytes {
				return
			}
			if row >= r.Rows(w.object) {
				written = len(places)
				return // the org was emptied after the rows were found
			}
			written++
			for i, c := range w.columns {
				w.cell(i, csvText(c.Type(), c.Value(r, w.object, row)))
			}
			w.out = append(w.out, w.form.ending...)
		}
	})
	return written
}

func (w *queryWriter) cell(i int, value string) {
	if i > 0 {
		w.out = append(w.out, w.form.delimiter)
	}
	w.out = appendQuoted(w.out, value)
}

// csvText is a value as results of query jobs write it: as JSON has it, but with times that end in Z. Null is empty.
func csvText(t org.FieldType, value string) string {
	if t == org.TypeDateTime {
		if moment, ok := strings.CutSuffix(value, "+0000"); ok {
			return moment + "Z"
		}
	}
	return value
}
