package rest

import (
	"errors"
	"net/http"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

const (
	// createdVersion is the first API version whose upsert says whether it created the record.
	createdVersion = 46
	// upsertIDVersion is the first that takes an upsert by Id without an Id.
	upsertIDVersion = 37
)

// recordRoute is where a path below /sobjects/X leads: a record by its Id, or by an external id field and its value.
func recordRoute(version float64, get, seg []string) route {
	methods := append(append([]string{}, get...), http.MethodPatch, http.MethodDelete)
	switch {
	case len(seg) == 1:
		methods = append(append([]string{}, get...), http.MethodPost)
	case len(seg) == 2 && strings.EqualFold(seg[1], "Id"): // an upsert by Id without an Id
		if version < upsertIDVersion {
			return missing(false)
		}
		methods = []string{http.MethodPost}
	}
	return route{endpoint: fault.Records, object: seg[0], methods: methods, handle: (*exchange).record, rest: seg}
}

// recordOperation is what a request does to a record or a collection, in the words of jobs, for faults; "" = it reads.
func recordOperation(rt *route, method string) string {
	byKey := rt.endpoint == fault.Records && len(rt.rest) == 3 || rt.endpoint == fault.Collections && len(rt.rest) == 2
	switch {
	case method == http.MethodPost && rt.endpoint == fault.Collections && rt.object != "":
		return ""
	case method == http.MethodPost:
		return string(org.Insert)
	case method == http.MethodPatch && byKey:
		return string(org.Upsert)
	case method == http.MethodPatch:
		return string(org.Update)
	case method == http.MethodDelete:
		return string(org.Delete)
	default:
		return ""
	}
}

// saved is the answer to a create or an upsert.
type saved struct {
	ID      string   `json:"id"`
	Success bool     `json:"success"`
	Errors  []string `json:"errors"`
	Created *bool    `json:"created,omitempty"`
}

// dataError is what is wrong with a record. Unlike other errors of the REST API it always has fields.
type dataError struct {
	Message   string   `json:"message"`
	ErrorCode string   `json:"errorCode"`
	Fields    []string `json:"fields"`
}

// recordError refuses a request for what its only record is or says.
type recordError struct {
	status int
	why    *org.RowError
}

func (e *recordError) Error() string { return e.why.Error() }

// failRecord answers with the errors that only records have; it is false for all others.
func (ex *exchange) failRecord(err error) bool {
	var refused *recordError
	var many *several
	switch {
	case errors.As(err, &refused):
		w := refused.why
		_ = ex.json(refused.status, []dataError{{Message: w.Message, ErrorCode: w.Code, Fields: append([]string{}, w.Fields...)}})
	case errors.As(err, &many):
		_ = ex.json(http.StatusMultipleChoices, many.urls)
	case errors.Is(err, unchanged{}):
		ex.w.WriteHeader(http.StatusNotModified)
	default:
		return false
	}
	return true
}

// badRequest is a refusal of a whole request for what its records say.
func badRequest(why *org.RowError) error {
	return &bulk.Error{Status: http.StatusBadRequest, Code: why.Code, Message: why.Message}
}

// record serves one record, or the object itself where the path names no record.
func (ex *exchange) record() error {
	o := ex.s.Store.Model().Object(ex.route.rest[0])
	if o == nil {
		return bulk.ErrNotFound
	}
	switch ex.r.Method {
	case http.MethodPost:
		return ex.createRecord(o)
	case http.MethodPatch:
		return ex.patchRecord(o)
	case http.MethodDelete:
		return ex.deleteRecord(o)
	}
	if len(ex.route.rest) == 1 {
		return ex.json(http.StatusOK, map[string]any{
			"objectDescribe": o.Describe(ex.base()+"/sobjects/"+o.Name, false), "recentItems": []string{},
		})
	}
	return ex.readRecord(o)
}

// writable refuses objects that nobody may write through the API.
func writable(o *org.Object, verb string) error {
	if o.QueryOnly {
		return &bulk.Error{
			Status: http.StatusBadRequest, Code: "INVALID_TYPE_FOR_OPERATION", Message: "entity type " + o.Name + " does not support " + verb,
		}
	}
	return nil
}

// createRecord serves POST /sobjects/X, and POST /sobjects/X/Id: an upsert by Id that names none.
func (ex *exchange) createRecord(o *org.Object) error {
	if err := writable(o, "create"); err != nil {
		return err
	}
	body, err := readObject(ex.body)
	if err != nil {
		return err
	}
	byID := len(ex.route.rest) == 2
	if byID && body.Member("Id") != nil {
		return namedTwice("Id")
	}
	out, err := ex.save(o, org.Insert, "", *body)
	if err != nil {
		return err
	}
	if out.Result == org.Failed {
		return &recordError{http.StatusBadRequest, out.Error}
	}
	return ex.answerSaved(http.StatusCreated, o, out.ID, byID, true)
}

// answerSaved answers with the id of a record that was saved; upsert says whether created belongs to the answer.
func (ex *exchange) answerSaved(status int, o *org.Object, row uint32, upsert, created bool) error {
	body := saved{ID: ex.s.Store.ID(o, row), Success: true, Errors: []string{}}
	if upsert && ex.route.version >= createdVersion {
		body.Created = &created
	}
	if created {
		ex.w.Header().Set("Location", ex.base()+"/sobjects/"+o.Name+"/"+body.ID)
	}
	return ex.json(status, body)
}

func namedTwice(field string) error {
	return &bulk.Error{
		Status: http.StatusBadRequest, Code: "INVALID_FIELD", Message: "The " + field + " field should not be specified in the sobject data.",
	}
}

// noContent answers with a status alone.
func (ex *exchange) noContent(status int) error {
	ex.w.WriteHeader(status)
	return nil
}

// patchRecord serves an update by Id and an upsert by an external id.
func (ex *exchange) patchRecord(o *org.Object) error {
	verb := "update"
	if len(ex.route.rest) == 3 {
		verb = "upsert"
	}
	if err := writable(o, verb); err != nil {
		return err
	}
	body, err := readObject(ex.body)
	if err != nil {
		return err
	}
	if body.Member("Id") != nil {
		return namedTwice("Id")
	}
	if len(ex.route.rest) == 3 && !strings.EqualFold(ex.route.rest[1], "Id") {
		return ex.upsertRecord(o, body)
	}
	id := ex.route.rest[len(ex.route.rest)-1]
	row, err := ex.only(o)
	if err != nil {
		return err
	}
	if err := ex.conditions(o, row); err != nil {
		return err
	}
	return ex.update(o, id, body, len(ex.route.rest) == 3)
}

// update changes the record with an id.
func (ex *exchange) update(o *org.Object, id string, body *org.Member, upsert bool) error {
	out, err := ex.save(o, org.Update, "", withKey(body, "Id", id))
	switch {
	case err != nil:
		return err
	case out.Result == org.Failed:
		return &recordError{http.StatusBadRequest, out.Error}
	case upsert && ex.route.version >= createdVersion:
		return ex.answerSaved(http.StatusOK, o, out.ID, true, false)
	default:
		return ex.noContent(http.StatusNoContent)
	}
}

// withKey is a record with the key that the path has, as if its body began with it.
func withKey(body *org.Member, field, value string) org.Member {
	members := append([]org.Member{{Name: field, Kind: org.JSONText, Text: value, Line: 1, Column: 1}}, body.Members...)
	return org.Member{Kind: org.JSONObject, Members: members}
}

func (ex *exchange) upsertRecord(o *org.Object, body *org.Member) error {
	f := externalID(o, ex.route.rest[1])
	if f == nil {
		return bulk.ErrNotFound
	}
	if body.Member(f.Name) != nil {
		return namedTwice(f.Name)
	}
	if strings.EqualFold(ex.r.URL.Query().Get("updateOnly"), "true") {
		row, err := ex.only(o)
		if err != nil {
			return err
		}
		return ex.update(o, ex.s.Store.ID(o, row), body, true)
	}
	out, err := ex.save(o, org.Upsert, f.Name, withKey(body, f.Name, ex.route.rest[2]))
	switch {
	case err != nil:
		return err
	case out.Result == org.Created:
		return ex.answerSaved(http.StatusCreated, o, out.ID, true, true)
	case out.Result != org.Failed && ex.route.version < createdVersion:
		return ex.noContent(http.StatusNoContent)
	case out.Result != org.Failed:
		return ex.answerSaved(http.StatusOK, o, out.ID, true, false)
	case out.Error.Code == "DUPLICATE_EXTERNAL_ID":
		// The value named several records: the answer lists them, unless they have become fewer meanwhile.
		if _, err := ex.only(o); err != nil {
			return err
		}
	}
	return &recordError{http.StatusBadRequest, out.Error}
}

// deleteRecord serves DELETE of a record by Id or by an external id.
func (ex *exchange) deleteRecord(o *org.Object) error {
	if err := writable(o, "delete"); err != nil {
		return err
	}
	row, err := ex.only(o)
	if err != nil {
		return err
	}
	if err := ex.conditions(o, row); err != nil {
		return err
	}
	out, err := ex.save(o, org.Delete, "", withKey(&org.Member{}, "Id", ex.s.Store.ID(o, row)))
	switch {
	case err != nil:
		return err
	case out.Result == org.Failed:
		return &recordError{http.StatusBadRequest, out.Error}
	default:
		return ex.noContent(http.StatusNoContent)
	}
}

// externalID finds a field by which an upsert may find a record; nil when there is none of the name.
func externalID(o *org.Object, name string) *org.Field {
	if f := o.Field(name); f != nil && f.ExternalID {
		return f
	}
	return nil
}
