package salesforce

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/record"
)

func TestCreateJob(t *testing.T) {
	const created = `{"id":"750000000000001AAA","operation":"upsert","object":"Contact","createdById":"005000000000001AAA",
		"createdDate":"2026-01-02T19:26:52.000+0000","systemModstamp":"2026-01-02T19:26:53.000+0000","state":"Open",
		"externalIdFieldName":"External_Id__c","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":66.0,
		"contentUrl":"services/data/v66.0/jobs/ingest/750000000000001AAA/batches","lineEnding":"LF","columnDelimiter":"COMMA"}`
	t.Run("an upsert names object, operation and key, and fixes the file's form", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, created) })
		info, err := o.client().CreateJob(t.Context(), JobSpec{Object: "Contact", Operation: OperationUpsert, ExternalIDField: "External_Id__c"})
		if err != nil {
			t.Fatal(err)
		}
		want := JobInfo{
			ID: testJob, Object: "Contact", Operation: "upsert", ExternalIDField: "External_Id__c", State: StateOpen, CreatedByID: testUser,
			CreatedDate: info.CreatedDate, SystemModstamp: info.SystemModstamp,
		}
		if info != want || !info.CreatedDate.Equal(time.Date(2026, 1, 2, 19, 26, 52, 0, time.UTC)) || info.Ended() {
			t.Errorf("got %+v", info)
		}
		call := o.calls()[0]
		var body map[string]string
		if err := json.Unmarshal([]byte(call.body), &body); err != nil {
			t.Fatal(err)
		}
		if call.method != "POST" || call.uri != base+"/jobs/ingest" || !strings.HasPrefix(call.contentType, "application/json") || len(body) != 6 ||
			body["object"] != "Contact" || body["operation"] != "upsert" || body["externalIdFieldName"] != "External_Id__c" ||
			body["lineEnding"] != "LF" || body["columnDelimiter"] != "COMMA" || body["contentType"] != "CSV" {
			t.Errorf("sent %+v", call)
		}
	})
	t.Run("an insert names no key", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, created) })
		if _, err := o.client().CreateJob(t.Context(), JobSpec{Object: "Contact", Operation: OperationInsert}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.calls()[0].body, "externalIdFieldName") {
			t.Errorf("sent %s", o.calls()[0].body)
		}
	})
	for name, spec := range map[string]JobSpec{
		"an object that is no name":    {Object: "Contact; DROP", Operation: OperationInsert},
		"an empty object":              {Operation: OperationInsert},
		"an operation that is none":    {Object: "Contact", Operation: "Upsert"},
		"an upsert without a key":      {Object: "Contact", Operation: OperationUpsert},
		"an insert with a key":         {Object: "Contact", Operation: OperationInsert, ExternalIDField: "Id"},
		"an upsert with a broken name": {Object: "Contact", Operation: OperationUpsert, ExternalIDField: "Account.Ext__c"},
	} {
		t.Run(name+" is refused before anything is sent", func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			if _, err := o.client().CreateJob(t.Context(), spec); !Definite(err) || o.loginCount() != 0 || !strings.Contains(err.Error(), "not sent") {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, reply := range map[string]string{
		"without an id": `{"state":"Open"}`, "with a broken id": `{"id":"../x","state":"Open"}`, "in another state": `{"id":"750000000000001AAA","state":"UploadComplete"}`,
	} {
		t.Run("a reply "+name+" is an unknown effect", func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) })
			_, err := o.client().CreateJob(t.Context(), JobSpec{Object: "Contact", Operation: OperationInsert})
			if err == nil || Definite(err) || ClassOf(err) != record.ClassTransient || len(o.calls()) != 1 {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a lost reply is not followed by a second job", func(t *testing.T) {
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) { cutConnection() })
		_, err := o.client().CreateJob(t.Context(), JobSpec{Object: "Contact", Operation: OperationInsert})
		if err == nil || Definite(err) || len(o.calls()) != 1 {
			t.Errorf("got %v after %d calls", err, len(o.calls()))
		}
	})
}

func TestChangingAJobsState(t *testing.T) {
	short := func(state string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, map[string]any{"id": testJob, "operation": "upsert", "object": "Contact", "state": state, "apiVersion": 66.0})
		}
	}
	t.Run("close", func(t *testing.T) {
		o := newScriptedOrg(t, short("UploadComplete"))
		info, err := o.client().CloseJob(t.Context(), testJob)
		call := o.calls()[0]
		if err != nil || info.State != StateUploadComplete || info.HasCounters || call.method != "PATCH" || call.uri != base+"/jobs/ingest/"+testJob || call.body != `{"state":"UploadComplete"}` {
			t.Errorf("got %+v, %v, sent %+v", info, err, call)
		}
	})
	t.Run("abort", func(t *testing.T) {
		o := newScriptedOrg(t, short("Aborted"))
		info, err := o.client().AbortJob(t.Context(), testJob[:15])
		if err != nil || !info.Ended() || o.calls()[0].body != `{"state":"Aborted"}` {
			t.Errorf("got %+v, %v", info, err)
		}
	})
	t.Run("an id that would change the path is refused", func(t *testing.T) {
		o := newScriptedOrg(t, short("Aborted"))
		c := o.client()
		for _, id := range []string{"", "../../limits", "750000000000001/x", "750 00000000001", strings.Repeat("7", 16)} {
			if _, err := c.AbortJob(t.Context(), id); !Definite(err) {
				t.Errorf("%q: %v", id, err)
			}
			if _, err := c.Job(t.Context(), id); !Definite(err) {
				t.Errorf("%q: %v", id, err)
			}
		}
		if len(o.calls()) != 0 {
			t.Error("something was sent")
		}
	})
}

func TestJobInfoReadsWhatIsThere(t *testing.T) {
	for _, test := range []struct {
		name, reply string
		want        JobInfo
	}{
		{
			"a finished job", `{"id":"i","state":"JobComplete","numberRecordsProcessed":10,"numberRecordsFailed":3,"retries":2,"totalProcessingTime":1500,"apiActiveProcessingTime":900,"jobType":"V2Ingest"}`,
			JobInfo{ID: "i", State: StateJobComplete, Processed: 10, Failed: 3, HasCounters: true, Retries: 2, TotalProcessingTime: 1500 * time.Millisecond, APIActiveProcessingTime: 900 * time.Millisecond, JobType: "V2Ingest"},
		},
		{"an open job without counters", `{"id":"i","state":"Open","retries":0,"totalProcessingTime":0}`, JobInfo{ID: "i", State: StateOpen}},
		{
			"a failed job", `{"id":"i","state":"Failed","numberRecordsProcessed":0,"numberRecordsFailed":0,"errorMessage":"InvalidBatch : Field name not found : X"}`,
			JobInfo{ID: "i", State: StateFailed, HasCounters: true, ErrorMessage: "InvalidBatch : Field name not found : X"},
		},
		{"a state in lower case", `{"id":"i","state":"jobcomplete"}`, JobInfo{ID: "i", State: StateJobComplete}},
		{"a state that is new", `{"id":"i","state":"Paused"}`, JobInfo{ID: "i", State: "Paused"}},
		{"counters as text", `{"id":"i","state":"JobComplete","numberRecordsProcessed":"10","numberRecordsFailed":"3"}`, JobInfo{ID: "i", State: StateJobComplete, Processed: 10, Failed: 3, HasCounters: true}},
		{"negative counters are none", `{"id":"i","state":"JobComplete","numberRecordsProcessed":-1,"numberRecordsFailed":0}`, JobInfo{ID: "i", State: StateJobComplete}},
		{"counters that are no numbers are none", `{"id":"i","state":"JobComplete","numberRecordsProcessed":"many","numberRecordsFailed":0}`, JobInfo{ID: "i", State: StateJobComplete}},
		{"one counter alone is none", `{"id":"i","state":"JobComplete","numberRecordsProcessed":1}`, JobInfo{ID: "i", State: StateJobComplete}},
		{"more failed than processed is none", `{"id":"i","state":"JobComplete","numberRecordsProcessed":1,"numberRecordsFailed":2}`, JobInfo{ID: "i", State: StateJobComplete}},
		{"counters beyond reason are none", `{"id":"i","state":"JobComplete","numberRecordsProcessed":9223372036854775807,"numberRecordsFailed":0}`, JobInfo{ID: "i", State: StateJobComplete}},
		{"a date that is none", `{"id":"i","state":"Open","createdDate":"yesterday"}`, JobInfo{ID: "i", State: StateOpen}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got JobInfo
			if err := json.Unmarshal([]byte(test.reply), &got); err != nil || got != test.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestListingJobs(t *testing.T) {
	t.Run("pages are followed by their locator alone", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				_, _ = io.WriteString(w, `{"done":false,"records":[{"id":"`+testJob+`","state":"Open","jobType":"V2Ingest"}],"nextRecordsUrl":"https://evil.example/services/data/v66.0/jobs/ingest?queryLocator=01gR0000000opRTIAY-2000"}`)
				return
			}
			_, _ = io.WriteString(w, `{"done":true,"records":[],"nextRecordsUrl":null}`)
		})
		c := o.client()
		page, err := c.Jobs(t.Context(), "")
		if err != nil || len(page.Jobs) != 1 || page.Jobs[0].State != StateOpen || page.Next != "01gR0000000opRTIAY-2000" {
			t.Fatalf("got %+v, %v", page, err)
		}
		if page, err = c.Jobs(t.Context(), page.Next); err != nil || len(page.Jobs) != 0 || page.Next != "" {
			t.Errorf("got %+v, %v", page, err)
		}
		if calls := o.calls(); calls[0].uri != base+"/jobs/ingest?jobType=V2Ingest" || calls[1].uri != base+"/jobs/ingest?queryLocator=01gR0000000opRTIAY-2000" {
			t.Errorf("calls: %+v", calls)
		}
	})
	t.Run("a list that leads nowhere or in a circle is refused", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			next := `null`
			if n == 2 {
				next = `"/services/data/v66.0/jobs/ingest?queryLocator=abc-1"`
			}
			_, _ = io.WriteString(w, `{"done":false,"records":[],"nextRecordsUrl":`+next+`}`)
		})
		c := o.client()
		if _, err := c.Jobs(t.Context(), ""); err == nil {
			t.Error("no error without a locator")
		}
		if _, err := c.Jobs(t.Context(), "abc-1"); err == nil {
			t.Error("no error for the same page again")
		}
		if _, err := c.Jobs(t.Context(), "a b"); !Definite(err) {
			t.Errorf("a broken locator: %v", err)
		}
	})
}
