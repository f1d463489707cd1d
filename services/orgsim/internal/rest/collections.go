package rest

import (
	"encoding/json"
	"net/http"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

const (
	// collectionSize is the largest number of records in a call, collectionRuns that of stretches of one type in it
	// (Salesforce: sObject Collections).
	collectionSize = 200
	collectionRuns = 10

	// collectionVersion is the first API version that has collections, collectionUpsertVersion the first that upserts them.
	collectionVersion       = 42
	collectionUpsertVersion = 46
)

// collectionRoute is where a path below /composite/sobjects leads.
func collectionRoute(version float64, get, seg []string) route {
	rt := route{endpoint: fault.Collections, handle: (*exchange).collection, rest: seg}
	switch {
	case version < collectionVersion, len(seg) > 2, len(seg) == 2 && version < collectionUpsertVersion:
		return missing(false)
	case len(seg) == 2:
		rt.methods, rt.object = []string{http.MethodPatch}, seg[0]
	case len(seg) == 1:
		rt.methods, rt.object = append(append([]string{}, get...), http.MethodPost), seg[0]
	default:
		rt.methods = []string{http.MethodPost, http.MethodPatch, http.MethodDelete}
	}
	return rt
}

// collection serves up to 200 records in one call.
func (ex *exchange) collection() error {
	switch {
	case len(ex.route.rest) == 1:
		return ex.readCollection()
	case ex.r.Method == http.MethodDelete:
		return ex.deleteCollection()
	default:
		return ex.saveCollection()
	}
}

// itemError is what is wrong with one record of a collection; it says statusCode where others say errorCode.
type itemError struct {
	StatusCode string   `json:"statusCode"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
}

// item is what became of one record of a collection.
type item struct {
	ID      string      `json:"id,omitempty"` // of a record that was saved
	Success bool        `json:"success"`
	Errors  []itemError `json:"errors"`
	Created *bool       `json:"created,omitempty"` // of an upsert
}

func (ex *exchange) itemOf(o *org.Object, operation org.Operation, out org.Outcome) item {
	if out.Result == org.Failed {
		return item{Errors: []itemError{{out.Error.Code, out.Error.Message, append([]string{}, out.Error.Fields...)}}}
	}
	it := item{ID: ex.s.Store.ID(o, out.ID), Success: true, Errors: []itemError{}}
	if operation == org.Upsert {
		created := out.Result == org.Created
		it.Created = &created
	}
	return it
}

// saveCollection serves insert, update and upsert.
func (ex *exchange) saveCollection() error {
	operation, verb, keyField := org.Insert, "create", ""
	var only *org.Object
	switch {
	case len(ex.route.rest) == 2:
		only = ex.s.Store.Model().Object(ex.route.rest[0])
		if only == nil || externalID(only, ex.route.rest[1]) == nil {
			return bulk.ErrNotFound
		}
		operation, verb, keyField = org.Upsert, "upsert", externalID(only, ex.route.rest[1]).Name
	case ex.r.Method == http.MethodPatch:
		operation, verb = org.Update, "update"
	}
	req, err := readCollectionRequest(ex.body)
	if err != nil {
		return err
	}
	list, err := ex.runs(req.records, only, verb)
	if err != nil {
		return err
	}
	var batches []org.Batch
	for _, r := range list {
		plan, rows, problem := ex.s.Store.NewRecordPlan(r.object, operation, keyField, r.records)
		if problem != nil {
			return badRequest(problem)
		}
		ex.strike(plan, rows)
		batches = append(batches, org.Batch{Plan: plan, Rows: rows})
	}
	return ex.json(http.StatusOK, ex.saveBatches(operation, batches, req.allOrNone))
}

// saveBatches saves and returns what became of each record, in order.
func (ex *exchange) saveBatches(operation org.Operation, batches []org.Batch, allOrNone bool) []item {
	items := []item{}
	began := ex.s.Clock.Now()
	out := ex.saveCall(batches, allOrNone)
	ended := ex.s.Clock.Now()
	for _, b := range batches {
		first := len(items)
		for range b.Rows {
			items = append(items, ex.itemOf(b.Plan.Object, operation, out[len(items)]))
		}
		if ex.n > 0 {
			ex.s.Calls.Save(calls.Saved{
				N: ex.n, At: began, Ended: ended, Object: b.Plan.Object.Name, Operation: string(operation), User: ex.user, Rows: savedRows(b, items[first:], out[first:]),
			})
		}
	}
	return items
}

// resultWords are the results of rows as the control API calls them.
var resultWords = map[org.Result]string{org.Created: "created", org.Updated: "updated", org.Deleted: "deleted", org.Failed: "failed", org.Unprocessed: "unprocessed"}

// savedRows are a batch's rows with what became of them, for the control API.
func savedRows(b org.Batch, items []item, out []org.Outcome) []calls.SavedRow {
	rows := make([]calls.SavedRow, len(b.Rows))
	for i, r := range b.Rows {
		rows[i] = calls.SavedRow{Cells: b.Plan.Said(r.Cells), Outcome: resultWords[out[i].Result], ID: items[i].ID}
		if e := out[i].Error; e != nil {
			rows[i].Error = e.Error()
		}
	}
	return rows
}

// list splits a parameter with commas; nil when it is absent.
func (ex *exchange) list(parameter string) []string {
	text := ex.r.URL.Query().Get(parameter)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// deleteCollection serves DELETE /composite/sobjects?ids=…
func (ex *exchange) deleteCollection() error {
	ids := ex.list("ids")
	switch {
	case ids == nil:
		return missingArgument("ids: the Ids of the records have to be specified")
	case len(ids) > collectionSize:
		return tooMany()
	}
	var list []run
	for _, id := range ids {
		o, err := ex.objectOf(id)
		if err == nil {
			err = writable(o, "delete")
		}
		if err != nil {
			return err
		}
		if len(list) == 0 || list[len(list)-1].object != o {
			list = append(list, run{object: o})
		}
		last := &list[len(list)-1]
		last.records = append(last.records, withKey(&org.Member{}, "Id", strings.TrimSpace(id)))
	}
	if err := tooManyRuns(len(list)); err != nil {
		return err
	}
	var batches []org.Batch
	for _, r := range list {
		plan, rows, problem := ex.s.Store.NewRecordPlan(r.object, org.Delete, "", r.records)
		if problem != nil {
			return badRequest(problem)
		}
		ex.strike(plan, rows)
		batches = append(batches, org.Batch{Plan: plan, Rows: rows})
	}
	allOrNone := strings.EqualFold(ex.r.URL.Query().Get("allOrNone"), "true")
	return ex.json(http.StatusOK, ex.saveBatches(org.Delete, batches, allOrNone))
}

// readCollection answers with the fields of up to 200 records of one object, null for those that are not there.
func (ex *exchange) readCollection() error {
	o := ex.s.Store.Model().Object(ex.route.rest[0])
	if o == nil {
		return bulk.ErrNotFound
	}
	ids, fields := ex.list("ids"), ex.list("fields")
	if ex.r.Method == http.MethodPost {
		var body struct {
			IDs    []string `json:"ids"`
			Fields []string `json:"fields"`
		}
		if err := json.Unmarshal(ex.body, &body); err != nil {
			return notJSON("The body has to be an object with ids and fields, two lists of texts: " + err.Error())
		}
		ids, fields = body.IDs, body.Fields
	}
	switch {
	case len(ids) == 0:
		return missingArgument("ids: the Ids of the records have to be specified")
	case len(fields) == 0:
		return missingArgument("fields: the fields to read have to be specified")
	case len(ids) > collectionSize:
		return tooMany()
	}
	members, err := wanted(o, fields)
	if err != nil {
		return err
	}
	b := []byte{'['}
	ex.s.Store.Read(func(r org.Reader) {
		for i, id := range ids {
			if i > 0 {
				b = append(b, ',')
			}
			if row, ok := r.ByID(o, strings.TrimSpace(id)); ok && r.Live(o, row) {
				b = ex.appendRecord(b, r, o, row, members, nil)
			} else {
				b = append(b, "null"...)
			}
		}
	})
	return ex.json(http.StatusOK, json.RawMessage(append(b, ']')))
}
