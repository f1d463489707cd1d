package salesforce

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestQuery(t *testing.T) {
	t.Run("pages are walked by their locator alone", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				_, _ = io.WriteString(w, `{"totalSize":3,"done":false,"nextRecordsUrl":"https://evil.example/services/data/v66.0/query/0r8xx0000000001-2000","records":[
					{"attributes":{"type":"Contact"},"Id":"003000000000001AAA","Name":"a \"b\"","Account":{"attributes":{},"External_Id__c":"acc1"}},{"Id":"003000000000002AAA","Name":null,"Account":null}]}`)
				return
			}
			_, _ = io.WriteString(w, `{"totalSize":3,"done":true,"records":[{"Id":"003000000000003AAA","Amount":1.50,"IsDeleted":false}]}`)
		})
		soql := "SELECT Id FROM Contact WHERE External_Id__c IN (" + QuoteSOQL("o'neil & \\") + ")"
		var rows []QueryRecord
		for row, err := range o.client().Query(t.Context(), soql) {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		if len(rows) != 3 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, want := range []struct {
			row         int
			field, text string
			ok          bool
		}{
			{0, "Id", "003000000000001AAA", true},
			{0, "id", "003000000000001AAA", true},
			{0, "Name", `a "b"`, true},
			{0, "Account.External_Id__c", "acc1", true},
			{0, "attributes", "", false},
			{0, "Nope", "", false},
			{0, "Name.x", "", false},
			{1, "Name", "", true},
			{1, "Account.External_Id__c", "", true},
			{2, "Amount", "1.50", true},
			{2, "IsDeleted", "false", true},
		} {
			if text, ok := rows[want.row].Text(want.field); text != want.text || ok != want.ok {
				t.Errorf("row %d %s: got %q, %v", want.row, want.field, text, ok)
			}
		}
		calls := o.calls()
		if got, _ := url.Parse(calls[0].uri); got.Query().Get("q") != soql || got.Path != base+"/query" {
			t.Errorf("asked %s", calls[0].uri)
		}
		if calls[1].uri != base+"/query/0r8xx0000000001-2000" {
			t.Errorf("asked %s", calls[1].uri)
		}
	})
	t.Run("a walk may be left early", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/0r8-1","records":[{"Id":"1"},{"Id":"2"}]}`)
		})
		for range o.client().Query(t.Context(), "SELECT Id FROM Contact") {
			break
		}
		if len(o.calls()) != 1 {
			t.Errorf("%d calls", len(o.calls()))
		}
	})
	t.Run("a walk that never ends is ended", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/0r8-1","records":[]}`)
		})
		var last error
		for _, err := range o.client().Query(t.Context(), "SELECT Id FROM Contact") {
			last = err
		}
		if !errors.Is(last, ErrTooLarge) || len(o.calls()) != MaxQueryPages {
			t.Errorf("got %v after %d calls", last, len(o.calls()))
		}
	})
	t.Run("a count is the total", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"totalSize":42,"done":true,"records":[]}`)
		})
		if n, err := o.client().Count(t.Context(), "SELECT COUNT() FROM Contact"); n != 42 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	})
	t.Run("a locator that has expired is told", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, 400, "INVALID_QUERY_LOCATOR", "invalid query locator")
		})
		if _, err := o.client().QueryNext(t.Context(), "0r8-1"); !Definite(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("replies that are no result are refused", func(t *testing.T) {
		for _, reply := range []string{`{}`, `{"totalSize":1}`, `{"totalSize":1,"done":false,"records":[]}`, `{"totalSize":1,"done":false,"nextRecordsUrl":"/limits"}`, `{"totalSize":"x","done":true}`} {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) })
			if _, err := o.client().QueryFirst(t.Context(), "SELECT Id FROM Contact"); err == nil || Definite(err) {
				t.Errorf("%s: %v", reply, err)
			}
		}
	})
	t.Run("a query that does not fit a URI is refused before it is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		_, err := o.client().QueryFirst(t.Context(), "SELECT Id FROM Contact WHERE Name IN ("+strings.Repeat("'x',", 5000)+"'x')")
		if !Definite(err) || !strings.Contains(err.Error(), "fewer values") || len(o.calls()) != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an empty query and a broken locator are refused", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client()
		if _, err := c.QueryFirst(t.Context(), " "); !Definite(err) {
			t.Errorf("got %v", err)
		}
		if _, err := c.QueryNext(t.Context(), "../limits"); !Definite(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Run("fields are found whatever their case, in their own spelling", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"name":"Contact","label":"Contact","keyPrefix":"003","createable":true,"updateable":true,"deletable":true,"queryable":true,"fields":[
				{"name":"External_Id__c","type":"string","length":64,"externalId":true,"idLookup":true,"unique":true,"caseSensitive":false,"createable":true,"updateable":true,"nillable":true,"relationshipName":null,"referenceTo":[],"picklistValues":[]},
				{"name":"AccountId","type":"reference","relationshipName":"Account","referenceTo":["Account"]},
				{"name":"LeadSource","type":"picklist","restrictedPicklist":true,"picklistValues":[{"value":"Web","label":"Web","active":true,"defaultValue":false}]}]}`)
		})
		d, err := o.client().Describe(t.Context(), "contact")
		if err != nil {
			t.Fatal(err)
		}
		f, ok := d.Field("external_id__C")
		if !ok || f.Name != "External_Id__c" || !f.ExternalID || !f.Unique || f.CaseSensitive || f.Length != 64 {
			t.Errorf("got %+v, %v", f, ok)
		}
		if f, _ := d.Field("LeadSource"); len(f.PicklistValues) != 1 || f.PicklistValues[0].Value != "Web" || !f.RestrictedPicklist {
			t.Errorf("got %+v", f)
		}
		if _, ok := d.Field("Nope"); ok || d.KeyPrefix != "003" {
			t.Errorf("got %+v", d)
		}
		if o.calls()[0].uri != base+"/sobjects/contact/describe" {
			t.Errorf("asked %s", o.calls()[0].uri)
		}
	})
	t.Run("an object that is not there is not found", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, 404, "NOT_FOUND", "The requested resource does not exist")
		})
		if _, err := o.client().Describe(t.Context(), "Nope__c"); !IsNotFound(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a name that would change the path, and a reply about something else, are refused", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"name":"Account","fields":[{"name":"Id"}]}`)
		})
		c := o.client()
		if _, err := c.Describe(t.Context(), "../limits"); !Definite(err) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Describe(t.Context(), "Contact"); err == nil || Definite(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUsageAndLimits(t *testing.T) {
	t.Run("every reply tells the usage, refusals too", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			switch n {
			case 1:
				w.Header().Set("Sforce-Limit-Info", "api-usage=10018/100000; api-bursts=1/750")
				w.WriteHeader(http.StatusForbidden)
			default:
				w.Header().Set("Sforce-Limit-Info", "api-usage=many/few")
				_, _ = io.WriteString(w, `{"DailyApiRequests":{"Max":15000,"Remaining":14998,"App":{"Max":0,"Remaining":0}},"Odd":"text","Half":{"Max":1},"Null":null}`)
			}
		})
		c := o.client()
		if _, _, ok := c.Usage(); ok {
			t.Error("usage before any reply")
		}
		_, _ = c.Limits(t.Context())
		if used, allowed, ok := c.Usage(); used != 10018 || allowed != 100000 || !ok {
			t.Errorf("got %d/%d %v", used, allowed, ok)
		}
		limits, err := c.Limits(t.Context())
		if err != nil || len(limits) != 1 || limits["DailyApiRequests"] != (Limit{Max: 15000, Remaining: 14998}) {
			t.Errorf("got %v, %v", limits, err)
		}
		if used, _, ok := c.Usage(); used != 10018 || !ok {
			t.Error("a malformed header was taken")
		}
	})
	for header, ok := range map[string]bool{
		"api-usage=1/2": true, " api-bursts=1/750; api-usage= 3 / 4 ": true, "": false, "api-usage=": false, "api-usage=1": false,
		"api-usage=-1/5": false, "api-usage=1/0": false, "api-usage=99999999999999999999/1": false, "other=1/2": false,
	} {
		t.Run("header "+header, func(t *testing.T) {
			if _, got := parseUsage(header); got != ok {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("each request is told to Observe by a route of a closed set", func(t *testing.T) {
		var routes []string
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, map[string]any{"id": testJob, "state": "Open"})
		})
		c := o.client(func(cfg *Config) {
			cfg.Observe = func(call Call) { routes = append(routes, call.Method+" "+call.Route+" "+http.StatusText(call.Status)) }
		})
		if _, err := c.Job(t.Context(), testJob); err != nil {
			t.Fatal(err)
		}
		if len(routes) != 2 || routes[0] != "POST oauth2/token OK" || routes[1] != "GET jobs/ingest/{id} OK" {
			t.Errorf("got %q", routes)
		}
	})
}
