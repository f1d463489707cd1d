package conformance

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

func (o *org) queryPatch(id, state string) answer {
	o.t.Helper()
	return o.call("PATCH", queries+"/"+id, text(spec{"state": state}))
}

// queryAt looks at a job at work until it has processed so many records, and returns what a GET shows then.
func (o *org) queryAt(id string, processed float64) map[string]any {
	o.t.Helper()
	for late := time.Now().Add(time.Minute); ; {
		m := decode[map[string]any](o.t, o.want(o.call("GET", queries+"/"+id, ""), http.StatusOK))
		if m["numberRecordsProcessed"] == processed {
			return m
		}
		if time.Now().After(late) {
			o.t.Fatalf("got %v", m)
		}
	}
}

// frozen is an org whose time stands still, so that an age is exact.
func frozen(t *testing.T) *org {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	return aSim(t, simtest.Clock(func() time.Time { return at }))
}

func TestWrongQueryJobs(t *testing.T) {
	o := theOrg(t)
	for _, tc := range []struct{ name, body, code string }{
		{"an operation that is none is an invalid value", `{"operation":"insert","query":"SELECT Id FROM Account"}`, "API_ERROR"},
		{"a job needs an operation", `{"query":"SELECT Id FROM Account"}`, "API_ERROR"},
		{"a job needs a query", `{"operation":"query"}`, "MALFORMED_QUERY"},
		{"what is no query is malformed", `{"operation":"query","query":"SELECT FROM"}`, "MALFORMED_QUERY"},
		{"an unknown object is refused", `{"operation":"query","query":"SELECT Id FROM Nothing"}`, "INVALID_TYPE"},
		{"an unknown field is refused", `{"operation":"query","query":"SELECT Nothing FROM Account"}`, "INVALID_FIELD"},
		{"there is no content type but CSV", `{"operation":"query","query":"SELECT Id FROM Account","contentType":"JSON"}`, "API_ERROR"},
		{"a delimiter that is none is an invalid value", `{"operation":"query","query":"SELECT Id FROM Account","columnDelimiter":"SPACE"}`, "API_ERROR"},
		{"a body that is no JSON is a parser error", `{"operation":`, "JSON_PARSER_ERROR"},
		{"an empty body is a parser error", ``, "JSON_PARSER_ERROR"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := o.call("POST", queries, tc.body)
			o.refused(a, http.StatusBadRequest, tc.code)
			if !strings.HasPrefix(a.body, `[{"errorCode":"`) {
				t.Errorf("the code does not come first: %s", a.body)
			}
		})
	}
	t.Run("what a job cannot run is refused", func(t *testing.T) {
		for _, soql := range []string{
			"SELECT COUNT() FROM Account", "SELECT COUNT(Id) FROM Account", "SELECT Name, COUNT(Id) FROM Account GROUP BY Name", "SELECT Name FROM Account GROUP BY Name",
			"SELECT Id FROM Account LIMIT 5 OFFSET 5", "SELECT TYPEOF Who WHEN Contact THEN LastName END FROM Task",
			"SELECT Id, (SELECT Id FROM Contacts) FROM Account", "SELECT FIELDS(ALL) FROM Account LIMIT 200",
		} {
			if a := o.call("POST", queries, text(spec{"operation": "query", "query": soql})); a.status != http.StatusBadRequest {
				t.Errorf("%s: got %d %s", soql, a.status, a.body)
			}
		}
		a := o.call("POST", queries, text(spec{"operation": "query", "query": "SELECT COUNT() FROM Account"}))
		if got := decode[[]refusal](t, a)[0].Message; !strings.Contains(got, "Aggregate Relationships not supported in Bulk Query") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a double slash inside the path is not found, one before it is", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id FROM Organization"})
		o.want(o.call("GET", data+"/jobs/query//"+id, ""), http.StatusNotFound)
		o.want(o.call("GET", "//services/data/v66.0/jobs/query/"+id+"/", ""), http.StatusOK)
		o.want(o.call("GET", queries+"/"+id+"/RESULTS/", "", func(r *http.Request) { r.Header.Set("Accept", "application/json") }), http.StatusOK)
		o.want(o.call("GET", queries+"/"+id+"/successfulResults", ""), http.StatusNotFound)
	})
	t.Run("a job that never was is not found by any call", func(t *testing.T) {
		for _, a := range []answer{
			o.call("GET", queries+"/"+nobodysJob, ""), o.call("GET", queries+"/x", ""), o.queryPatch(nobodysJob, "Aborted"),
			o.call("DELETE", queries+"/"+nobodysJob, ""), o.call("GET", queries+"/"+nobodysJob+"/results", ""), o.call("GET", queries+"/"+nobodysJob+"/resultPages", ""),
			o.call("GET", queries+"/"+o.create(insertAccount), ""),
		} {
			if got := o.refused(a, 404, "NOT_FOUND"); got != "The requested resource does not exist" {
				t.Errorf("got %s", got)
			}
		}
	})
	t.Run("a method that a resource does not have is named with those that it has", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id FROM Organization"})
		for method, path := range map[string]string{"PUT": "", "POST": "/" + id, "PATCH": "/" + id + "/results", "DELETE": "/" + id + "/resultPages"} {
			if got := o.refused(o.call(method, queries+path, ""), 405, "METHOD_NOT_ALLOWED"); !strings.HasPrefix(got, "HTTP Method '"+method+"' not allowed. Allowed are ") {
				t.Errorf("got %s", got)
			}
		}
	})
	t.Run("a finished job cannot be aborted, but deleted, and then nothing of it is found", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id FROM Organization"})
		if got := o.refused(o.queryPatch(id, "Aborted"), 400, "INVALIDJOBSTATE"); got != "Aborting already Completed Job not allowed" {
			t.Errorf("got %s", got)
		}
		o.none(o.call("DELETE", queries+"/"+id, ""), http.StatusNoContent)
		for _, path := range []string{"", "/results", "/resultPages"} {
			o.refused(o.call("GET", queries+"/"+id+path, ""), 404, "NOT_FOUND")
		}
		o.refused(o.call("DELETE", queries+"/"+id, ""), 404, "NOT_FOUND")
	})
}

func TestQueryJobVersions(t *testing.T) {
	o := theOrg(t)
	ask := func(version string) (id string, jobs string) {
		jobs = path(version, "/jobs/query")
		id = decode[struct{ ID string }](t, o.want(o.call("POST", jobs, text(spec{"operation": "query", "query": "SELECT Name, Id FROM Organization"})), http.StatusOK)).ID
		o.queryEnd(id)
		return id, jobs
	}
	t.Run("query jobs are there from 47.0 on", func(t *testing.T) {
		o.want(o.call("GET", path("47.0", "/jobs/query"), ""), http.StatusOK)
		o.refused(o.call("GET", path("46.0", "/jobs/query"), ""), http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("columns are in the order of the SELECT from 50.0 on, and in that of the alphabet before", func(t *testing.T) {
		for version, header := range map[string]string{"49.0": `"Id","Name"`, "50.0": `"Name","Id"`} {
			id, jobs := ask(version)
			if a := o.want(o.call("GET", jobs+"/"+id+"/results", ""), http.StatusOK); !strings.HasPrefix(a.body, header+"\n") {
				t.Errorf("%s: got %q", version, a.body)
			}
		}
	})
	t.Run("resultPages are there from 58.0 on", func(t *testing.T) {
		id, jobs := ask("58.0")
		o.want(o.call("GET", jobs+"/"+id+"/resultPages", ""), http.StatusOK)
		id, jobs = ask("57.0")
		o.refused(o.call("GET", jobs+"/"+id+"/resultPages", ""), http.StatusNotFound, "NOT_FOUND")
	})
}

func TestQueryJobStates(t *testing.T) {
	const all = "SELECT Id FROM Account"
	t.Run("a queued job may be aborted, and neither be deleted nor moved elsewhere", func(t *testing.T) {
		o := aSim(t, simtest.Speed(time.Hour, -1))
		id := o.queryJob(spec{"query": all})
		if got := o.refused(o.call("DELETE", queries+"/"+id, ""), 400, "API_ERROR"); got != "Error encountered when deleting the job because the job is not terminated" {
			t.Errorf("got %s", got)
		}
		for _, state := range []string{"UploadComplete", "JobComplete", ""} {
			o.refused(o.queryPatch(id, state), 400, "INVALIDJOBSTATE")
		}
		o.sim.Move(switches.OtherState, switches.APIError)
		o.refused(o.queryPatch(id, "JobComplete"), 400, "API_ERROR")
		a := o.want(o.queryPatch(id, "Aborted"), http.StatusOK)
		if m := decode[map[string]any](t, a); members(t, a.body) != shortMembers || m["state"] != "Aborted" {
			t.Errorf("got %s", a.body)
		}
		o.refused(o.call("GET", queries+"/"+id+"/results", ""), 400, "INVALIDJOBSTATE")
		o.none(o.call("DELETE", queries+"/"+id, ""), http.StatusNoContent)
	})
	t.Run("a job at work shows how far it is, has no time yet, and may be aborted", func(t *testing.T) {
		o := aSim(t)
		o.fill(10, "g")
		o.sim.AddFault(simtest.Fault{Match: simtest.Match{Operation: "query"}, Effect: simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(4)}})
		id := o.queryJob(spec{"query": all})
		o.sim.AwaitJob(id, "InProgress")
		if m := o.queryAt(id, 4); m["state"] != "InProgress" || m["totalProcessingTime"] != 0.0 {
			t.Errorf("got %v", m)
		}
		o.refused(o.call("DELETE", queries+"/"+id, ""), 400, "API_ERROR")
		if a := o.want(o.queryPatch(id, "Aborted"), http.StatusOK); members(t, a.body) != shortMembers {
			t.Errorf("got %s", a.body)
		}
		if m := o.queryEnd(id); m["state"] != "Aborted" || m["numberRecordsProcessed"] != 4.0 {
			t.Errorf("got %v", m)
		}
	})
	t.Run("results of an unfinished job are refused, or a header, or what is known, as the switch says", func(t *testing.T) {
		o := aSim(t)
		o.fill(10, "g")
		o.sim.AddFault(simtest.Fault{Match: simtest.Match{Operation: "query"}, Effect: simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(10)}})
		id := o.queryJob(spec{"query": all})
		o.queryAt(id, 10)
		results := func() answer { return o.call("GET", queries+"/"+id+"/results", "") }
		o.refused(results(), 400, "INVALIDJOBSTATE")
		o.sim.Move(switches.UnfinishedResults, switches.ResultsHeaderOnly)
		if a := o.want(results(), 200); a.body != "\"Id\"\n" || a.header.Get("Sforce-NumberOfRecords") != "0" {
			t.Errorf("got %q", a.body)
		}
		o.sim.Move(switches.UnfinishedResults, switches.ResultsPartial)
		if a := o.want(results(), 200); strings.Count(a.body, "\n") != 11 {
			t.Errorf("got %q", a.body)
		}
		o.refused(o.call("GET", queries+"/"+id+"/resultPages", ""), 400, "INVALIDJOBSTATE")
	})
	t.Run("a job that failed shows no message and has no results, but the control API knows why", func(t *testing.T) {
		o := aSim(t)
		o.sim.AddFault(simtest.Fault{Match: simtest.Match{Operation: "query"}, Effect: simtest.Effect{Kind: simtest.JobFail, Message: "Timeout : It took too long"}})
		id := o.queryJob(spec{"query": all})
		o.queryEnd(id)
		a := o.want(o.call("GET", queries+"/"+id, ""), http.StatusOK)
		if got := members(t, a.body); got != queryMembers || decode[map[string]any](t, a)["state"] != "Failed" {
			t.Errorf("got %s", a.body)
		}
		o.refused(o.call("GET", queries+"/"+id+"/results", ""), 400, "INVALIDJOBSTATE")
		if j := o.sim.AwaitJob(id, "finished"); j.ErrorMessage != "Timeout : It took too long" || j.Query != all {
			t.Errorf("got %+v", j)
		}
		o.refused(o.queryPatch(id, "Aborted"), 400, "INVALIDJOBSTATE")
		o.none(o.call("DELETE", queries+"/"+id, ""), http.StatusNoContent)
	})
	t.Run("a job is retried up to 15 times, and fails by the next", func(t *testing.T) {
		for times, want := range map[int]string{15: "JobComplete", 16: "Failed"} {
			o := aSim(t)
			o.sim.AddFault(simtest.Fault{Match: simtest.Match{Operation: "query"}, Effect: simtest.Effect{Kind: simtest.BatchTimeout, Count: times}})
			if m := o.queryEnd(o.queryJob(spec{"query": all})); m["state"] != want || m["retries"] != 15.0 {
				t.Errorf("%d times: got %v", times, m)
			}
		}
	})
	t.Run("a finished job and its result are gone 7 days after its end", func(t *testing.T) {
		o := frozen(t)
		id := o.queryRan(spec{"query": all})
		o.later(7 * 24 * time.Hour)
		o.want(o.call("GET", queries+"/"+id+"/results", ""), http.StatusOK)
		o.later(time.Second)
		for _, path := range []string{"", "/results", "/resultPages"} {
			o.refused(o.call("GET", queries+"/"+id+path, ""), 404, "NOT_FOUND")
		}
	})
}

func TestOtherUsersQueryJobs(t *testing.T) {
	o := aSim(t)
	o.sim.PutUser("other@simulated.example", nil)
	o.sim.PutUser("manager@simulated.example", map[string]any{"manage_data_integrations": true})
	other, manager := o.user("other@simulated.example"), o.user("manager@simulated.example")
	id := o.queryRan(spec{"query": "SELECT Id FROM Account"})
	t.Run("another user can neither see nor change a query job", func(t *testing.T) {
		for _, a := range []answer{
			other.call("GET", queries+"/"+id, ""), other.queryPatch(id, "Aborted"), other.call("DELETE", queries+"/"+id, ""),
			other.call("GET", queries+"/"+id+"/results", ""), other.call("GET", queries+"/"+id+"/resultPages", ""),
		} {
			o.refused(a, 400, "INVALIDUSER")
		}
	})
	t.Run("who manages data integrations can", func(t *testing.T) {
		manager.want(manager.call("GET", queries+"/"+id+"/results", ""), http.StatusOK)
	})
}
