package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// MaxLookupValues is the most values of one [Client.Lookup].
	MaxLookupValues = 10_000
	// MaxLookupRows is the most rows that a Lookup tells of one value: enough to see that a value is not unique, and who has it.
	MaxLookupRows = 2_000
	// MaxRecordFields is the most fields of one [Client.Record].
	MaxRecordFields = 200

	// lookupURIReserve is what a query's URI holds beside the query: instance, version path and "?q=".
	lookupURIReserve = 512
	// lookupPageRows is how many rows one query of a Lookup may give before it is asked with fewer values: five pages.
	lookupPageRows = 10_000
	// describeAge is how long a Lookup trusts what the org said of an object. A field that is not in it is asked for again at once.
	describeAge = time.Hour
)

// Found is one row that a [Client.Lookup] found.
type Found struct {
	// ID is the row's Salesforce id, 18 characters.
	ID string
	// Value is the looked-up field's value as the org holds it. Salesforce compares most texts without regard to case, so it may differ from
	// what was asked: the caller folds both.
	Value string
	// More are the further fields that were asked for, by the names that they were asked with; "" for null.
	More map[string]string
}

// Lookup finds all rows of object whose field has one of values, with further fields (dotted for a parent's) if asked. The org matches
// the values by the field's own rules. Rows come in no order; a value that no row has gives none, a value that more than [MaxLookupRows] rows
// have gives that many.
//
// Values are literals of the field's type as describe tells it; a value that a field of that type cannot hold (no number, no date, no id)
// matches nothing and is not sent. Blank values are refused, since no row is meant by them, and more than [MaxLookupValues] too. The values are
// spread over as few queries as fit [MaxURIBytes], each of them bounded in time and sent again as any reading call; an error gives no rows at all.
func (c *Client) Lookup(ctx context.Context, object, field string, values []string, more ...string) ([]Found, error) {
	if err := checkLookup(object, field, values, more); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, nil
	}
	kind, err := c.fieldKind(ctx, object, field)
	if err != nil {
		return nil, err
	}
	l := lookup{c: c, field: field, more: more, head: "SELECT " + selected(field, more) + " FROM " + object + " WHERE " + field + " IN ("}
	literals := make([]string, 0, len(values))
	for _, v := range values {
		if literal, ok := literalOf(kind, v); ok {
			literals = append(literals, literal)
		}
	}
	slices.Sort(literals)
	literals = slices.Compact(literals)
	for batch := range batches(literals, MaxURIBytes-lookupURIReserve-encodedLen(l.head)-encodedLen(")")) {
		if err := l.ask(ctx, batch); err != nil {
			return nil, err
		}
	}
	return l.found, nil
}

func checkLookup(object, field string, values, more []string) error {
	problem := ""
	switch {
	case !apiName.MatchString(object):
		problem = fmt.Sprintf("object %q is not an API name", clip(object, maxNameRunes))
	case !apiName.MatchString(field):
		problem = fmt.Sprintf("field %q is not an API name", clip(field, maxNameRunes))
	case len(values) > MaxLookupValues:
		problem = fmt.Sprintf("%d values, at most %d at once", len(values), MaxLookupValues)
	case slices.ContainsFunc(values, func(v string) bool { return strings.TrimSpace(v) == "" }):
		problem = "a blank value finds every row without one: leave it out"
	case len(more) > MaxRecordFields:
		problem = fmt.Sprintf("%d further fields, at most %d at once", len(more), MaxRecordFields)
	}
	for _, name := range more {
		if !fieldPath(name) {
			problem = fmt.Sprintf("field %q is not an API name", clip(name, maxNameRunes))
		}
	}
	if problem == "" {
		return nil
	}
	return &RequestError{Endpoint: http.MethodGet + " query", Problem: "look-up: " + problem}
}

// fieldPath says whether name is a field, or a field of a parent: at most five relationships up (SOQL limits).
func fieldPath(name string) bool {
	steps := strings.Split(name, ".")
	return len(steps) <= 6 && !slices.ContainsFunc(steps, func(s string) bool { return !apiName.MatchString(s) })
}

// selected is the list of fields, each once: SOQL refuses a field that is named twice.
func selected(field string, more []string) string {
	out := []string{"Id"}
	for _, name := range append([]string{field}, more...) {
		if !slices.ContainsFunc(out, func(have string) bool { return strings.EqualFold(have, name) }) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// lookup is one Lookup under way.
type lookup struct {
	c     *Client
	field string
	more  []string
	head  string
	found []Found
}

// ask runs one query. One that gives very many rows is asked again in halves, so that the rows of a single value can be cut off without
// losing those of its neighbours.
func (l *lookup) ask(ctx context.Context, literals []string) error {
	page, err := l.c.QueryFirst(ctx, l.head+strings.Join(literals, ",")+")")
	if err != nil {
		return err
	}
	if page.TotalSize > lookupPageRows && len(literals) > 1 {
		half := len(literals) / 2
		if err := l.ask(ctx, literals[:half]); err != nil {
			return err
		}
		return l.ask(ctx, literals[half:])
	}
	for got := 0; ; {
		for _, row := range page.Records {
			if len(literals) == 1 && got == MaxLookupRows {
				return nil
			}
			if err := l.take(row); err != nil {
				return err
			}
			got++
		}
		if page.Next == "" || len(literals) == 1 && got >= MaxLookupRows {
			return nil
		}
		if got > lookupPageRows || len(page.Records) == 0 {
			return unusable(request{method: http.MethodGet, path: "query"}, "the pages of the result do not add up to its size")
		}
		if page, err = l.c.QueryNext(ctx, page.Next); err != nil {
			return err
		}
	}
}

func (l *lookup) take(row QueryRecord) error {
	query := request{method: http.MethodGet, path: "query"}
	id, _ := row.Text("Id")
	full, err := ID18(id)
	if err != nil {
		return unusable(query, "a row of the result has no id")
	}
	value, ok := row.Text(l.field)
	if !ok {
		return unusable(query, "a row of the result lacks the field that was asked for")
	}
	f := Found{ID: full, Value: value}
	if len(l.more) > 0 {
		f.More = make(map[string]string, len(l.more))
		for _, name := range l.more {
			f.More[name], _ = row.Text(name)
		}
	}
	l.found = append(l.found, f)
	return nil
}

// batches cuts literals into runs whose encoded length, with the commas between them, fits in room. A literal that does not fit alone gets a
// query of its own, which is then refused with its length.
func batches(literals []string, room int) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(literals) > 0 {
			n, used := 1, encodedLen(literals[0])
			for n < len(literals) {
				used += encodedLen(",") + encodedLen(literals[n])
				if used > room {
					break
				}
				n++
			}
			if !yield(literals[:n]) {
				return
			}
			literals = literals[n:]
		}
	}
}

// encodedLen is the length of text in a URI's query part.
func encodedLen(text string) int { return len(url.QueryEscape(text)) }

// Record reads fields of one row by its id; id has 15 or 18 characters. The result has an entry for each field, "" for null. [IsNotFound] says
// that there is no such row, that it is deleted, or that the user may not see it. It may be sent again.
func (c *Client) Record(ctx context.Context, object, id string, fields ...string) (map[string]string, error) {
	r := request{method: http.MethodGet, path: "sobjects/" + object + "/" + id, route: "sobjects/{object}/{id}", repeat: true}
	problem := ""
	switch {
	case !apiName.MatchString(object):
		problem = fmt.Sprintf("object %q is not an API name", clip(object, maxNameRunes))
	case !plausibleID(id):
		problem = fmt.Sprintf("%q is not an id of 15 or 18 characters", clip(id, maxNameRunes))
	case len(fields) == 0 || len(fields) > MaxRecordFields:
		problem = fmt.Sprintf("%d fields, between 1 and %d are asked at once", len(fields), MaxRecordFields)
	}
	for _, name := range fields {
		if !apiName.MatchString(name) {
			problem = fmt.Sprintf("field %q is not an API name", clip(name, maxNameRunes))
		}
	}
	if problem != "" {
		return nil, &RequestError{Endpoint: r.method + " " + r.route, Problem: problem}
	}
	r.query = url.Values{"fields": {strings.Join(fields, ",")}}
	var row QueryRecord
	if err := c.call(ctx, r, &row); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(fields))
	for _, name := range fields {
		text, ok := row.Text(name)
		if !ok {
			return nil, unusable(r, fmt.Sprintf("the reply lacks the field %s", name))
		}
		out[name] = text
	}
	return out, nil
}
