package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

func TestQueryJobList(t *testing.T) {
	o := aSim(t)
	var made []string
	for range 1_001 {
		made = append(made, o.queryJob(spec{"query": "SELECT Id FROM Account"}))
	}
	o.create(insertAccount)
	ids := func(page listed) (out []string) {
		for _, r := range page.Records {
			var job struct{ ID string }
			if err := json.Unmarshal(r, &job); err != nil {
				t.Fatal(err)
			}
			out = append(out, job.ID)
		}
		return out
	}
	first, _ := o.list(queries)
	t.Run("a page has 1,000 jobs, and an item stops at columnDelimiter", func(t *testing.T) {
		if len(first.Records) != 1_000 || first.Done || first.Next == nil {
			t.Fatalf("%d jobs, next %v", len(first.Records), first.Next)
		}
		if got := members(t, string(first.Records[0])); got != shortMembers+" jobType lineEnding columnDelimiter" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("the path of the next page is that of ingest jobs, and its locator leads on under either path", func(t *testing.T) {
		if !regexp.MustCompile(`^/services/data/v66\.0/jobs/ingest\?queryLocator=01g[A-Za-z0-9]{15}-[0-9]+$`).MatchString(*first.Next) {
			t.Fatalf("got %s", *first.Next)
		}
		next, err := url.Parse(*first.Next)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{*first.Next, queries + "?" + next.RawQuery} {
			rest, _ := o.list(path)
			got := append(ids(first), ids(rest)...)
			slices.Sort(got)
			slices.Sort(made)
			if !rest.Done || !slices.Equal(got, made) {
				t.Errorf("%s: %d of %d jobs are listed", path, len(slices.Compact(got)), len(made))
			}
		}
		o.refused(o.call("GET", queries+"?queryLocator=01g000000000000AAA-1", ""), 400, "INVALID_QUERY_LOCATOR")
	})
	t.Run("filters choose by sort of job", func(t *testing.T) {
		for path, want := range map[string]int{
			queries + "?jobType=V2Query": 1_000, queries + "?jobType=V2Ingest": 1, queries + "?jobType=Classic": 0, queries + "?concurrencyMode=parallel": 1_000,
			queries + "?concurrencyMode=serial": 0, queries + "?isPkChunkingEnabled=true": 0, ingest: 1, ingest + "?jobType=V2Query": 1_000,
		} {
			if page, _ := o.list(path); len(page.Records) != want {
				t.Errorf("%s lists %d jobs", path, len(page.Records))
			}
		}
	})
	t.Run("the control API shows query jobs among the others, with their query", func(t *testing.T) {
		jobs := o.sim.Jobs()
		if len(jobs) != 1_002 || jobs[0].Query != "SELECT Id FROM Account" || jobs[0].Operation != "query" || jobs[1_001].Operation != "insert" {
			t.Errorf("%d jobs, %+v", len(jobs), jobs[0])
		}
	})
}

func TestLimitsOfQueryJobs(t *testing.T) {
	o := frozen(t)
	left := func(name string) int {
		return decode[map[string]struct{ Max, Remaining int }](t, o.want(o.call("GET", data+"/limits", ""), http.StatusOK))[name].Remaining
	}
	o.fill(5_000, "g")
	jobs, storage := left("DailyBulkV2QueryJobs"), left("DailyBulkV2QueryFileStorageMB")
	batches := left("DailyBulkApiBatches")
	t.Run("a job counts one of 10,000 a day, its result by its size, and no batch", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id, Name FROM Account"})
		if left("DailyBulkV2QueryJobs") != jobs-1 || left("DailyBulkV2QueryFileStorageMB") != storage-1 || left("DailyBulkApiBatches") != batches {
			t.Errorf("%d jobs, %d MB and %d batches are left", left("DailyBulkV2QueryJobs"), left("DailyBulkV2QueryFileStorageMB"), left("DailyBulkApiBatches"))
		}
		body, _, _ := o.resultPage(id, "")
		if got := o.sim.AwaitJob(id, "finished").ResultBytes; got != int64(len(body)-len("\"Id\",\"Name\"\n")) {
			t.Errorf("%d bytes are counted", got)
		}
		o.later(24 * time.Hour)
		if left("DailyBulkV2QueryJobs") != jobs || left("DailyBulkV2QueryFileStorageMB") != storage {
			t.Error("yesterday still counts")
		}
	})
	t.Run("a job beyond the limit is refused, and one whose result is beyond it fails", func(t *testing.T) {
		o.sim.Set(map[string]any{"daily_query_kilobytes": 50})
		if m := o.queryEnd(o.queryJob(spec{"query": "SELECT Id, Name FROM Account"})); m["state"] != "Failed" {
			t.Errorf("got %v", m)
		}
		o.queryRan(spec{"query": "SELECT Id FROM Account WHERE Name = 'n1'"})
		o.sim.Set(map[string]any{"daily_query_job_limit": 2})
		o.refused(o.call("POST", queries, text(spec{"operation": "query", "query": "SELECT Id FROM Account"})), 400, "EXCEEDEDQUOTA")
	})
}

func TestFaultsOfQueryJobs(t *testing.T) {
	o := aSim(t)
	o.fill(10, "g")
	t.Run("results and their pages are endpoints of their own, the others are those of ingest jobs", func(t *testing.T) {
		o.sim.Script(`[
			{"match":{"endpoint":"create","operation":"queryAll","object":"Account"},"effect":{"kind":"status","status":503}},
			{"match":{"endpoint":"query_results"},"effect":{"kind":"half_reply","bytes":10}},
			{"match":{"endpoint":"result_pages"},"effect":{"kind":"status","status":500}},
			{"match":{"endpoint":"delete","operation":"query"},"effect":{"kind":"drop_after"}}]`)
		create := spec{"operation": "queryAll", "query": "SELECT Id FROM Account"}
		o.want(o.call("POST", queries, text(create)), 503)
		id := o.queryRan(create)
		if a := o.call("GET", queries+"/"+id+"/results", ""); a.err == nil || len(a.body) > 10 {
			t.Errorf("got %v %q", a.err, a.body)
		}
		o.want(o.call("GET", queries+"/"+id+"/resultPages", ""), 500)
		mine := o.queryRan(spec{"query": "SELECT Id FROM Account"})
		if a := o.call("DELETE", queries+"/"+mine, ""); a.err == nil {
			t.Errorf("got %d", a.status)
		}
		o.want(o.call("GET", queries+"/"+mine, ""), 404)
		if calls := o.sim.Calls(0, simtest.QueryResults); len(calls) != 1 || calls[0].Job != id || calls[0].Object != "Account" {
			t.Errorf("got %+v", calls)
		}
	})
	t.Run("faults of jobs strike, those of rows and results do not", func(t *testing.T) {
		o.sim.ClearFaults()
		o.sim.Script(`[
			{"match":{"fraction":1},"effect":{"kind":"row_error","error":"A_CODE:no:--"}},
			{"match":{"fraction":1},"effect":{"kind":"lose_rows"}},
			{"match":{"operation":"query"},"times":1,"effect":{"kind":"job_backwards","count":1}}]`)
		id := o.queryRan(spec{"query": "SELECT Id FROM Account"})
		if m := decode[map[string]any](t, o.call("GET", queries+"/"+id, "")); m["state"] != "InProgress" || m["numberRecordsProcessed"] != 0.0 {
			t.Errorf("got %v", m)
		}
		if _, _, rows := o.resultPage(id, ""); rows != 10 {
			t.Errorf("%d rows", rows)
		}
		o.sim.Script(`{"match":{"operation":"query"},"effect":{"kind":"job_vanish"}}`)
		gone := o.queryJob(spec{"query": "SELECT Id FROM Account"})
		o.sim.AwaitJob(gone, "finished")
		o.want(o.call("GET", queries+"/"+gone, ""), 404)
	})
	t.Run("a create beyond the quota is refused by the fault of jobs", func(t *testing.T) {
		o.sim.Script(`{"effect":{"kind":"quota","quota":"jobs"}}`)
		o.refused(o.call("POST", queries, text(spec{"operation": "query", "query": "SELECT Id FROM Account"})), 400, "EXCEEDEDQUOTA")
	})
	t.Run("the control API has no rows and no upload of a query job", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id FROM Account"})
		for _, path := range []string{"/rows", "/upload"} {
			o.want(o.at(o.base, "GET", "/sim/jobs/"+id+path, ""), http.StatusNotFound)
		}
	})
}
