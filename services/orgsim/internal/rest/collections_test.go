package rest_test

import (
	"net/http"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestWhatCallsOfCollectionsDidIsTold(t *testing.T) {
	const upserts = "/services/data/v66.0/composite/sobjects/Account/External_Id__c"
	record := func(members string) string { return `{"attributes":{"type":"Account"},` + members + `}` }
	c := newClient(t)
	c.want(c.send("PATCH", upserts, `{"allOrNone":false,"records":[`+record(`"External_Id__c":"a","Name":"A","Phone":null`)+","+record(`"External_Id__c":"b"`)+`]}`, nil), http.StatusOK)
	c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
	if a := c.send("PATCH", upserts, `{"records":[`+record(`"External_Id__c":"a","Name":"Other"`)+`]}`, nil); a.err == nil {
		t.Fatalf("got an answer: %d", a.status)
	}
	told := c.sim.Collections()
	if len(told) != 2 || told[0].Object != "Account" || told[0].Operation != "upsert" || told[0].User == "" || told[0].Ended.Before(told[0].At) {
		t.Fatalf("%+v", told)
	}
	held, _ := c.sim.Record("Account", "a")
	made, refused := told[0].Rows[0], told[0].Rows[1]
	if made.Outcome != "created" || made.ID != held.ID || made.Error != "" || made.Cells["External_Id__c"] != "a" || made.Cells["Name"] != "A" || made.Cells["Phone"] != "#N/A" {
		t.Errorf("%+v", made)
	}
	if refused.Outcome != "failed" || refused.ID != "" || refused.Error != "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --" {
		t.Errorf("%+v", refused)
	}
	if again := told[1].Rows[0]; again.Outcome != "updated" || again.ID != held.ID {
		t.Errorf("the call whose answer was lost did %+v", again)
	}
	c.sim.Reset()
	if told := c.sim.Collections(); len(told) != 0 {
		t.Errorf("after a reset it tells of %d calls", len(told))
	}
}
