package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

// firstObject is the object of the first record of a collection whose path names none; "" when it cannot be told, which
// the handler deals with.
func (ex *exchange) firstObject() string {
	if ids := ex.list("ids"); ids != nil {
		if o, err := ex.objectOf(ids[0]); err == nil {
			return o.Name
		}
		return ""
	}
	var body struct {
		Records []struct {
			Attributes struct {
				Type string `json:"type"`
			} `json:"attributes"`
		} `json:"records"`
	}
	if err := json.Unmarshal(ex.body, &body); err != nil || len(body.Records) == 0 {
		return ""
	}
	return body.Records[0].Attributes.Type
}

func tooMany() error {
	return &bulk.Error{
		Status: http.StatusBadRequest, Code: "EXCEEDED_ID_LIMIT",
		Message: fmt.Sprintf("record limit reached. cannot submit more than %d records in this call", collectionSize),
	}
}

func missingArgument(format string, args ...any) error {
	return &bulk.Error{Status: http.StatusBadRequest, Code: "MISSING_ARGUMENT", Message: fmt.Sprintf(format, args...)}
}

// collectionRequest is the body of a call that saves.
type collectionRequest struct {
	allOrNone bool
	records   []org.Member
}

func readCollectionRequest(body []byte) (collectionRequest, error) {
	var req collectionRequest
	root, err := readObject(body)
	if err != nil {
		return req, err
	}
	for i := range root.Members {
		m := &root.Members[i]
		switch {
		case m.Name == "allOrNone" && m.Kind == org.JSONBool:
			req.allOrNone = m.Text == "true"
		case m.Name == "records" && m.Kind == org.JSONArray:
			req.records = m.Members
		case m.Name == "allOrNone", m.Name == "records":
			return req, notJSON(fmt.Sprintf("The value of %s has another type than it must have at [line:%d, column:%d]", m.Name, m.Line, m.Column))
		}
	}
	if root.Member("records") == nil {
		return req, missingArgument("records: the list of records has to be specified")
	}
	if len(req.records) > collectionSize {
		return req, tooMany()
	}
	return req, nil
}

// run is a stretch of records of one object.
type run struct {
	object  *org.Object
	records []org.Member
}

// runs splits records where their type changes. only is the type that all must have, nil for any.
func (ex *exchange) runs(records []org.Member, only *org.Object, verb string) ([]run, error) {
	var list []run
	for i := range records {
		o, err := ex.typeOf(&records[i], i)
		if err != nil {
			return nil, err
		}
		if only != nil && o != only {
			return nil, invalidType("record %d is of type %s, but the call is for %s", i+1, o.Name, only.Name)
		}
		if err := writable(o, verb); err != nil {
			return nil, err
		}
		if len(list) == 0 || list[len(list)-1].object != o {
			list = append(list, run{object: o})
		}
		last := &list[len(list)-1]
		last.records = append(last.records, records[i])
	}
	return list, tooManyRuns(len(list))
}

func tooManyRuns(n int) error {
	if n <= collectionRuns {
		return nil
	}
	return &bulk.Error{
		Status: http.StatusBadRequest, Code: "LIMIT_EXCEEDED", Message: fmt.Sprintf(
			"Cannot have more than %d chunks in a single operation. Please rearrange the data to reduce chunking.", collectionRuns),
	}
}

func invalidType(format string, args ...any) error {
	return &bulk.Error{Status: http.StatusBadRequest, Code: "INVALID_TYPE", Message: fmt.Sprintf(format, args...)}
}

// typeOf is the object that the attributes of a record name.
func (ex *exchange) typeOf(record *org.Member, i int) (*org.Object, error) {
	if record.Kind != org.JSONObject {
		return nil, notJSON(fmt.Sprintf("A record has to be an object at [line:%d, column:%d]", record.Line, record.Column))
	}
	attributes := record.Member("attributes")
	if attributes == nil || attributes.Member("type") == nil || attributes.Member("type").Kind != org.JSONText {
		return nil, missingArgument("record %d: attributes.type has to name the type of the record", i+1)
	}
	name := attributes.Member("type").Text
	o := ex.s.Store.Model().Object(name)
	if o == nil {
		return nil, invalidType("sObject type '%s' is not supported.", name)
	}
	return o, nil
}

// objectOf is the object that an Id belongs to.
func (ex *exchange) objectOf(id string) (*org.Object, error) {
	if short, ok := sfid.Parse(strings.TrimSpace(id)); ok {
		if o := ex.s.Store.Model().ByPrefix(sfid.Prefix(short)); o != nil {
			return o, nil
		}
	}
	return nil, &bulk.Error{Status: http.StatusBadRequest, Code: "MALFORMED_ID", Message: "malformed id " + id}
}
