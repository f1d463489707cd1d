package salesforce

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
)

// Bounds of one call of sObject Collections.
const (
	// MaxCollectionRows is the most rows of one call (sObject Collections: 200 records; 400 EXCEEDED_ID_LIMIT above).
	MaxCollectionRows = 200
	// MaxCollectionBytes bounds the body of one call. It is this client's own bound, far below what Salesforce takes: a call is to be over in seconds.
	MaxCollectionBytes = 4 << 20

	collectionsPath        = "composite/sobjects"
	collectionsUpsertRoute = "composite/sobjects/{object}/{field}"

	// nullCell is the cell that clears a field, as in an upload.
	nullCell = "#N/A"
	fieldID  = "Id"
)

// Collection is one call that upserts, updates or deletes up to [MaxCollectionRows] rows of one object at once. Each row has its own end: the
// call is never all or none. It touches the org's data as it is looked at; there is nothing to bind or to close.
type Collection struct {
	// Object is the API name. Operation is upsert, update or delete: an insert has no key by which a lost answer could be made good, and there is
	// no hardDelete.
	Object, Operation string
	// ExternalIDField is the key of an upsert, one of the columns and not Id (Salesforce takes external ids only); empty otherwise.
	ExternalIDField string
	// Columns are the columns of a row as an upload names them: a field, Relationship.Field or Type:Relationship.Field. An update has the column
	// Id, and a delete needs no other.
	Columns []string
	// Rows are the cells as an upload has them: "" leaves the field alone, #N/A clears it. A relationship is not cleared by its parent's key here.
	Rows [][]string
}

// CollectionItem is what became of one row.
type CollectionItem struct {
	// ID is the row's id as the reply has it, of a row that was saved. Nobody has looked whether it is one.
	ID string
	// Saved says that the row is in the org (of a delete: that it is gone). Created says that an upsert made it.
	Saved, Created bool
	// Error is why it was not saved: the first error that the reply names. Of several the others stand in its message.
	Error RowError
}

// Collect makes one call. The items are those of the rows, in their order (Salesforce: "processed and answered in request order").
//
// It is sent once. What has not gone out whole by sendBy never goes out: that is looked at each time before a part of the request is handed to the
// connection, so that a process that was stopped for a while sends nothing late but what it had handed over before. The answer is waited for until
// answerBy, which is not before sendBy. A [*NotSentError] says that the request surely did not go out whole; where [Definite] says no, the org may have
// carried out all of the call, a part, or none, and may do so yet.
func (c *Client) Collect(ctx context.Context, call Collection, sendBy, answerBy time.Time) ([]CollectionItem, error) {
	r, err := call.request()
	if err != nil {
		return nil, err
	}
	var items []CollectionItem
	err = c.withSession(ctx, r, func(ctx context.Context, s *session) (err error) {
		items, err = c.collect(ctx, s, r, len(call.Rows), sendBy, answerBy)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// collect is one try.
func (c *Client) collect(ctx context.Context, s *session, r request, rows int, sendBy, answerBy time.Time) ([]CollectionItem, error) {
	if planted.On(planted.CallSentLate) {
		sendBy = time.Now().Add(time.Minute)
		answerBy = sendBy
	}
	ctx, cancel := context.WithDeadlineCause(ctx, answerBy, errCallTimeout)
	defer cancel()
	g := &gate{deadline: sendBy}
	if g.over() {
		return nil, &NotSentError{Endpoint: r.endpoint(), Err: errLate}
	}
	ctx, done := g.watch(ctx)
	defer done()
	hr, err := c.newRequest(g.trace(ctx, r.body != nil), s, r, nil)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		// Without GetBody the transport cannot send it a second time by itself.
		hr.Body, hr.ContentLength = io.NopCloser(&gatedBody{gate: g, content: bytes.NewReader(r.body)}), int64(len(r.body))
	}
	resp, err := c.send(hr, r)
	if err != nil {
		return nil, g.judge(r, err)
	}
	defer drainAndClose(resp.Body)
	return c.decodeItems(ctx, r, resp, rows)
}

// request checks a call and writes it down.
func (call Collection) request() (request, error) {
	r := request{method: http.MethodPatch, path: collectionsPath, route: collectionsPath}
	if call.Operation == OperationDelete {
		r.method = http.MethodDelete
	}
	if problem := call.problem(); problem != "" {
		return r, &RequestError{Endpoint: r.endpoint(), Problem: problem}
	}
	switch call.Operation {
	case OperationDelete:
		at := columnOf(call.Columns, fieldID)
		ids := make([]string, len(call.Rows))
		for i, row := range call.Rows {
			ids[i] = row[at]
		}
		r.query = url.Values{"ids": {strings.Join(ids, ",")}, "allOrNone": {"false"}}
		return r, nil
	case OperationUpsert:
		r.path = collectionsPath + "/" + call.Object + "/" + call.ExternalIDField
		r.route = collectionsUpsertRoute
	}
	r.body = call.encode()
	if len(r.body) > MaxCollectionBytes {
		return r, &RequestError{Endpoint: r.endpoint(), Problem: fmt.Sprintf("the body has %d bytes, at most %d are sent in one call: send fewer rows at once", len(r.body), MaxCollectionBytes)}
	}
	return r, nil
}

// problem says what is wrong with a call; "" = nothing.
func (call Collection) problem() string {
	if text := CollectionProblem(call.Object, call.Operation, call.ExternalIDField, call.Columns); text != "" {
		return text
	}
	if n := len(call.Rows); n == 0 || n > MaxCollectionRows {
		return fmt.Sprintf("%d rows, from 1 to %d are sent in one call", n, MaxCollectionRows)
	}
	id := columnOf(call.Columns, fieldID)
	for i, row := range call.Rows {
		if len(row) != len(call.Columns) {
			return fmt.Sprintf("row %d has %d cells and the columns are %d", i, len(row), len(call.Columns))
		}
		if call.Operation != OperationUpsert && !plausibleID(row[id]) {
			return fmt.Sprintf("row %d names no id of 15 or 18 characters", i)
		}
		for at, cell := range row {
			// In an upload "#N/A" clears the lookup behind the column; what null says there in JSON is written nowhere.
			if cell == nullCell && strings.Contains(call.Columns[at], ".") {
				return fmt.Sprintf("row %d clears %s by its parent's key: that goes by a job", i, clip(call.Columns[at], maxNameRunes))
			}
		}
	}
	return ""
}

// CollectionProblem says why rows with these columns cannot go by calls of [Client.Collect]; "" = they can. What cannot goes by a job.
func CollectionProblem(object, operation, externalID string, columns []string) string {
	if !apiName.MatchString(object) {
		return fmt.Sprintf("object %q is not an API name", clip(object, maxNameRunes))
	}
	key := fieldID
	switch operation {
	case OperationUpsert:
		// "Upsert by external id field"; Id as the key stands only in the POST of a single record.
		if key = externalID; !apiName.MatchString(key) || strings.EqualFold(key, fieldID) {
			return fmt.Sprintf("an upsert by collections needs the API name of an external id field, got %q", clip(key, maxNameRunes))
		}
		if columnOf(columns, fieldID) >= 0 {
			return "an upsert by an external id has no column Id"
		}
	case OperationUpdate, OperationDelete:
		if externalID != "" {
			return fmt.Sprintf("operation %s takes no external id field", operation)
		}
	default:
		return fmt.Sprintf("operation %q is none of upsert, update, delete", clip(operation, maxNameRunes))
	}
	if columnOf(columns, key) < 0 {
		return fmt.Sprintf("there is no column %s", key)
	}
	seen := map[string]bool{}
	for _, name := range columns {
		member, _, _, ok := columnParts(name)
		if !ok {
			return fmt.Sprintf("column %q is neither a field nor a parent's key", clip(name, maxNameRunes))
		}
		// In JSON a relationship is one member with one key of the parent.
		if folded := strings.ToLower(member); seen[folded] {
			return fmt.Sprintf("two columns fill %s", clip(member, maxNameRunes))
		} else {
			seen[folded] = true
		}
	}
	return ""
}

// columnOf finds a column by its name; -1 = it is not there.
func columnOf(columns []string, name string) int {
	for i, column := range columns {
		if strings.EqualFold(column, name) {
			return i
		}
	}
	return -1
}

// columnParts takes a column's name apart: the member of the record that it fills, and of a relationship the parent's key and, where the column names it,
// the parent's type.
func columnParts(column string) (member, key, kind string, ok bool) {
	if before, after, typed := strings.Cut(column, ":"); typed {
		kind, column = before, after
		if !apiName.MatchString(kind) || !strings.Contains(column, ".") {
			return "", "", "", false
		}
	}
	member, key, related := strings.Cut(column, ".")
	if !apiName.MatchString(member) || related && !apiName.MatchString(key) {
		return "", "", "", false
	}
	return member, key, kind, true
}

// NotSentError says that a call surely had no effect: its request did not go out whole, so there was nothing that could be carried out.
type NotSentError struct {
	// Endpoint is method and path below the version, without the query part.
	Endpoint string
	// Err is why.
	Err error
}

// Error says where and why.
func (e *NotSentError) Error() string {
	return fmt.Sprintf("salesforce %s: not sent whole, so that it had no effect: %s", e.Endpoint, clip(e.Err.Error(), maxMessageRunes))
}

// Unwrap gives the cause.
func (e *NotSentError) Unwrap() error { return e.Err }

// badItems is a 2xx reply that does not tell what became of each row: what the call did is not known.
func badItems(r request, format string, args ...any) error {
	return &Error{Status: http.StatusOK, Endpoint: r.endpoint(), Message: fmt.Sprintf(format, args...), Class: record.ClassTransient}
}
