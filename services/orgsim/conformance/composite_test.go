package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// subreply is the answer to one request of a composite one.
type subreply struct {
	Body        json.RawMessage   `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

func inner(method, url, reference string, body any) spec {
	s := spec{"method": method, "url": url, "referenceId": reference}
	if body != nil {
		s["body"] = body
	}
	return s
}

func (o *org) composite(allOrNone bool, list ...spec) []subreply {
	o.t.Helper()
	return decode[struct {
		Parts []subreply `json:"compositeResponse"`
	}](o.t, o.want(o.call("POST", data+"/composite", text(spec{"allOrNone": allOrNone, "compositeRequest": list})), http.StatusOK)).Parts
}

func TestComposite(t *testing.T) {
	o := theOrg(t)
	t.Run("up to 25 requests are answered in order", func(t *testing.T) {
		list := []spec{}
		for i := range 25 {
			list = append(list, inner("POST", objects+"Account", fmt.Sprintf("r%d", i), spec{"Name": "x", "Conf_Group__c": o.key("composite")}))
		}
		got := o.composite(false, list...)
		for i, p := range got {
			if p.Status != http.StatusCreated || p.ReferenceID != fmt.Sprintf("r%d", i) || p.Headers["Location"] == "" {
				t.Errorf("got %+v", p)
			}
			matches(t, string(p.Body), `\{"id":"`+anyID+`","success":true,"errors":\[\]\}`)
		}
		if n := o.count("Account", "Conf_Group__c", o.key("composite")); len(got) != 25 || n != 25 {
			t.Errorf("%d answers, %d records", len(got), n)
		}
		o.want(o.call("POST", data+"/composite", text(spec{"compositeRequest": append(list, inner("GET", objects+"Account/describe", "more", nil))})), http.StatusBadRequest)
	})
	t.Run("a failure leaves the others alone, and an answer without a body has null", func(t *testing.T) {
		id := o.put("Account", spec{"Name": "x"})
		got := o.composite(false, inner("POST", objects+"Contact", "bad", spec{"FirstName": "x"}), inner("PATCH", objects+"Account/"+id, "good", spec{"Name": "y"}))
		if got[0].Status != http.StatusBadRequest || got[1].Status != http.StatusNoContent || string(got[1].Body) != "null" || o.fields("Account", id, "Name")["Name"] != "y" {
			t.Errorf("got %+v", got)
		}
		matches(t, string(got[0].Body), `\[\{"message":"Required fields are missing: \[LastName\]","errorCode":"REQUIRED_FIELD_MISSING","fields":\["LastName"\]\}\]`)
	})
	t.Run("a request may name what an earlier one answered", func(t *testing.T) {
		got := o.composite(false, inner("POST", objects+"Account", "parent", spec{"Name": "x"}),
			inner("POST", objects+"Contact", "child", spec{"LastName": "x", "AccountId": "@{parent.id}"}),
			inner("GET", objects+"Contact/@{child.id}?fields=AccountId", "read", nil),
			inner("GET", objects+"Contact/@{nobody.id}", "lost", nil))
		var account saved
		var contact map[string]any
		if json.Unmarshal(got[0].Body, &account) != nil || json.Unmarshal(got[2].Body, &contact) != nil || contact["AccountId"] != account.ID {
			t.Errorf("got %s", got[2].Body)
		}
		if got[3].Status != http.StatusBadRequest {
			t.Errorf("got %+v", got[3])
		}
	})
	t.Run("with allOrNone one failure takes back what all did", func(t *testing.T) {
		id := o.put("Account", spec{"Name": "before"})
		got := o.composite(true,
			inner("POST", collections, "many", spec{"records": []spec{of("Account", spec{"Name": "x", "Conf_Group__c": o.key("back")})}}),
			inner("DELETE", objects+"Account/"+id, "gone", nil),
			inner("POST", objects+"Contact", "bad", spec{"FirstName": "x"}))
		for i, p := range got {
			if p.Status != http.StatusBadRequest {
				t.Errorf("%d got %+v", i, p)
			}
		}
		if n := o.count("Account", "Conf_Group__c", o.key("back")); n != 0 || o.fields("Account", id, "Name")["Name"] != "before" {
			t.Errorf("%d records stayed", n)
		}
	})
	t.Run("references must differ, and other resources stay outside", func(t *testing.T) {
		twice := inner("GET", objects+"Account/describe", "same", nil)
		o.want(o.call("POST", data+"/composite", text(spec{"compositeRequest": []spec{twice, twice}})), http.StatusBadRequest)
		if got := o.composite(false, inner("POST", ingest, "job", spec{"object": "Account", "operation": "insert"})); got[0].Status != http.StatusBadRequest {
			t.Errorf("got %+v", got)
		}
	})
}
