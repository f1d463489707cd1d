package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

const twoContacts = "External_Id__c,LastName\na,A\nb,B\n"

// prepared is a client with a job that waits for its close, and how often the org closed it.
func prepared(t *testing.T) (*client, string) {
	t.Helper()
	c := newClient(t)
	id := c.create(upsertContacts)
	c.want(c.upload(id, twoContacts), http.StatusCreated)
	return c, id
}

func TestRequestFaults(t *testing.T) {
	t.Run("a reply that is lost after the effect", func(t *testing.T) {
		c, id := prepared(t)
		rule := c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
		if a := c.patch(id, "UploadComplete"); a.err == nil {
			t.Fatalf("got an answer: %d", a.status)
		}
		if j := c.sim.AwaitJob(id, "finished"); j.State != "JobComplete" || c.sim.Counts()["Contact"].Rows != 2 {
			t.Errorf("the effect is missing: %+v", j)
		}
		call := c.sim.AwaitCall(0, simtest.Close, true)
		if !call.Applied || call.Status != 0 || len(call.Faults) != 1 || call.Faults[0] != rule || c.sim.Hits(rule) != 1 {
			t.Errorf("the call log says %+v", call)
		}
	})
	t.Run("a connection that is cut before the effect", func(t *testing.T) {
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropBefore}})
		if a := c.patch(id, "UploadComplete"); a.err == nil {
			t.Fatalf("got an answer: %d", a.status)
		}
		if got := c.info(id)["state"]; got != "Open" {
			t.Errorf("the job is %v", got)
		}
		if call := c.sim.AwaitCall(0, simtest.Close, true); call.Applied || call.Status != 0 {
			t.Errorf("the call log says %+v", call)
		}
		c.want(c.patch(id, "UploadComplete"), 200)
	})
	t.Run("an upload that is cut in the middle leaves no data", func(t *testing.T) {
		c := newClient(t)
		id := c.create(upsertContacts)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Upload}, Effect: simtest.Effect{Kind: simtest.DropMid, Bytes: 10}})
		if a := c.upload(id, twoContacts); a.err == nil {
			t.Fatalf("got an answer: %d", a.status)
		}
		if j := c.sim.AwaitJob(id, "Open"); j.Uploaded {
			t.Errorf("got %+v", j)
		}
	})
	t.Run("a job is created although nobody learns its id", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Create, Object: "Contact"}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
		if a := c.send("POST", jobsPath, upsertContacts, nil); a.err == nil {
			t.Fatalf("got an answer: %d", a.status)
		}
		jobs := c.sim.Jobs()
		if len(jobs) != 1 || jobs[0].State != "Open" {
			t.Fatalf("got %+v", jobs)
		}
		if call := c.sim.AwaitCall(0, simtest.Create, true); call.Job != jobs[0].ID || !call.Applied {
			t.Errorf("the call log says %+v", call)
		}
	})
	for _, tc := range []struct {
		does   string
		effect simtest.Effect
		status int
		body   string
		effectIsThere
	}{
		{"a status with its usual error", simtest.Effect{Kind: simtest.Status, Status: 503}, 503, `"errorCode":"SERVER_UNAVAILABLE"`, false},
		{"a 401", simtest.Effect{Kind: simtest.Status, Status: 401}, 401, `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`, false},
		{"a 403", simtest.Effect{Kind: simtest.Status, Status: 403}, 403, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`, false},
		{"a status with a code of its own", simtest.Effect{Kind: simtest.Status, Status: 400, Code: "INVALIDJOBSTATE", Message: "No."}, 400, `[{"errorCode":"INVALIDJOBSTATE","message":"No."}]`, false},
		{"an HTML page from the edge", simtest.Effect{Kind: simtest.Status, Status: 502, Body: "<html>"}, 502, "<html>", false},
		{"a status after the effect", simtest.Effect{Kind: simtest.Status, Status: 500, When: "after"}, 500, `"errorCode":"UNKNOWN_EXCEPTION"`, true},
		{"a wait before the effect", simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(time.Millisecond)}, 200, `"state":"UploadComplete"`, true},
		{"a wait after the effect", simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(time.Millisecond), When: "after"}, 200, `"state":"UploadComplete"`, true},
		{"a slow answer", simtest.Effect{Kind: simtest.Slow, BytesPerSecond: 10_000}, 200, `"state":"UploadComplete"`, true},
	} {
		t.Run(tc.does, func(t *testing.T) {
			c, id := prepared(t)
			c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: tc.effect})
			if got := c.want(c.patch(id, "UploadComplete"), tc.status); !strings.Contains(got, tc.body) {
				t.Errorf("got %s", got)
			}
			if closed := c.sim.AwaitJob(id, "Open").Closed; closed != bool(tc.effectIsThere) {
				t.Errorf("closed is %v", closed)
			}
			if call := c.sim.AwaitCall(0, simtest.Close, true); call.Applied != bool(tc.effectIsThere) || call.Status != tc.status {
				t.Errorf("the call log says %+v", call)
			}
		})
	}
	t.Run("a refusal of the token endpoint has its own form", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Token}, Effect: simtest.Effect{Kind: simtest.Status, Status: 400, Code: "invalid_grant", Message: "user is inactive"}})
		if got := c.want(c.tokenRequest(nil, nil), 400); got != `{"error":"invalid_grant","error_description":"user is inactive"}` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a request that is late has its effect although its caller has gone", func(t *testing.T) {
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(200 * time.Millisecond), When: "late"}})
		c.http.Timeout = 50 * time.Millisecond
		if a := c.patch(id, "UploadComplete"); a.err == nil {
			t.Fatalf("got an answer: %d", a.status)
		}
		if c.sim.AwaitJob(id, "Open").Closed {
			t.Error("the job is closed before its time")
		}
		if call := c.sim.AwaitCall(0, simtest.Close, true); !call.Applied || !c.sim.AwaitJob(id, "closed").Closed {
			t.Errorf("the call log says %+v", call)
		}
	})
	t.Run("an answer that never comes ends when the caller gives up", func(t *testing.T) {
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(time.Hour), When: "after"}})
		c.http.Timeout = 50 * time.Millisecond
		if a := c.patch(id, "UploadComplete"); a.err == nil {
			t.Fatalf("got an answer: %d", a.status)
		}
		if call := c.sim.AwaitCall(0, simtest.Close, true); !call.Applied || call.Status != 0 {
			t.Errorf("the call log says %+v", call)
		}
	})
}

type effectIsThere bool

func TestDownloadsBreakOff(t *testing.T) {
	c := newClient(t)
	id := c.run(upsertContacts, "External_Id__c,LastName\n"+rows(5_000, func(i int) string { return fmt.Sprintf("k%d,N", i) }))
	whole := c.results(id, "successfulResults")
	at := func(kind simtest.Effect) answer {
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Successful, Job: id}, Effect: kind})
		return c.get(jobsPath + "/" + id + "/successfulResults")
	}
	t.Run("with an error", func(t *testing.T) {
		a := at(simtest.Effect{Kind: simtest.HalfReply, Bytes: 1_000})
		if a.err == nil || a.status != 200 || a.body != whole[:1_000] {
			t.Errorf("got %d, %d bytes, %v", a.status, len(a.body), a.err)
		}
	})
	t.Run("without an error", func(t *testing.T) {
		a := at(simtest.Effect{Kind: simtest.Truncate, Bytes: 1_000})
		if a.err != nil || a.status != 200 || a.body != whole[:1_000] {
			t.Errorf("got %d, %d bytes, %v", a.status, len(a.body), a.err)
		}
	})
	t.Run("and are whole the next time", func(t *testing.T) {
		if c.results(id, "successfulResults") != whole {
			t.Error("the file differs")
		}
	})
}

func TestRowFaults(t *testing.T) {
	c := newClient(t)
	ordered(c)
	t.Run("a lock that a retry heals", func(t *testing.T) {
		c.sim.AddFault(simtest.Fault{Where: &simtest.Where{Keys: []string{"B"}}, TimesPerKey: 1, Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError}})
		first, second := c.run(upsertContacts, twoContacts), c.run(upsertContacts, twoContacts)
		if got := lines(c.results(first, "failedResults")); len(got) != 2 || !strings.Contains(got[1], "UNABLE_TO_LOCK_ROW") || !strings.HasSuffix(got[1], `"b","B"`) {
			t.Errorf("first: %q", got)
		}
		if got := c.info(second)["numberRecordsFailed"]; got != 0.0 {
			t.Errorf("second: %v failed", got)
		}
	})
	t.Run("an error by the value of a field", func(t *testing.T) {
		c.sim.AddFault(simtest.Fault{Where: &simtest.Where{Field: "LastName", In: []string{"A"}}, Effect: simtest.Effect{Kind: simtest.RowError, Error: "FIELD_CUSTOM_VALIDATION_EXCEPTION:no A:--"}})
		id := c.run(upsertContacts, twoContacts)
		if got := lines(c.results(id, "failedResults")); len(got) != 2 || !strings.HasSuffix(got[1], `"a","A"`) {
			t.Errorf("got %q", got)
		}
	})
}

func TestJobFaults(t *testing.T) {
	const n = 1_000
	upload := "External_Id__c,LastName\n" + rows(n, func(i int) string { return fmt.Sprintf("k%d,N", i) })
	counts := func(c *client, id string) string {
		return fmt.Sprint(len(lines(c.results(id, "successfulResults")))-1, len(lines(c.results(id, "failedResults")))-1, len(lines(c.results(id, "unprocessedrecords")))-1)
	}
	start := func(t *testing.T, e simtest.Effect) (*client, string) {
		t.Helper()
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Effect: e})
		id := c.create(upsertContacts)
		c.want(c.upload(id, upload), 201)
		c.want(c.patch(id, "UploadComplete"), 200)
		return c, id
	}
	t.Run("an abort after some rows", func(t *testing.T) {
		c, id := start(t, simtest.Effect{Kind: simtest.JobAbort, Rows: simtest.AfterRows(300)})
		if j := c.sim.AwaitJob(id, "finished"); j.State != "Aborted" || j.Processed != 300 {
			t.Fatalf("got %+v", j)
		}
		if got := counts(c, id); got != "300 0 700" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a failure after some rows", func(t *testing.T) {
		c, id := start(t, simtest.Effect{Kind: simtest.JobFail, Rows: simtest.AfterRows(450), Message: "TooManyLockFailure : Too many lock failure 200 Trying again later."})
		c.sim.AwaitJob(id, "finished")
		if info := c.info(id); info["state"] != "Failed" || info["errorMessage"] != "TooManyLockFailure : Too many lock failure 200 Trying again later." {
			t.Fatalf("got %v", info)
		}
		if got := counts(c, id); got != "450 0 550" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a stall that somebody ends", func(t *testing.T) {
		c, id := start(t, simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(200)})
		c.sim.AwaitJob(id, "InProgress")
		for c.info(id)["numberRecordsProcessed"] != 200.0 { // rows that are saved are noted a moment later
		}
		c.want(c.patch(id, "Aborted"), 200)
		if got := counts(c, id); got != "200 0 800" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a stall that ends by itself", func(t *testing.T) {
		c, id := start(t, simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(200), Duration: simtest.Duration(5 * time.Millisecond)})
		c.sim.AwaitJob(id, "finished")
		if got := counts(c, id); got != "1000 0 0" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a job that vanishes when its rows are saved", func(t *testing.T) {
		c, id := start(t, simtest.Effect{Kind: simtest.JobVanish})
		for c.sim.Jobs()[0].Gone == "" {
		}
		c.want(c.get(jobsPath+"/"+id), 404)
		if rows := c.sim.Counts()["Contact"].Rows; rows != n {
			t.Errorf("%d rows are saved", rows)
		}
	})
}

func TestResultFaults(t *testing.T) {
	t.Run("rows that stand in no file are saved all the same", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Times: simtest.Times(5), Effect: simtest.Effect{Kind: simtest.LoseRows}})
		id := c.run(upsertContacts, "External_Id__c,LastName\n"+rows(300, func(i int) string { return fmt.Sprintf("k%d,N", i) }))
		files := c.results(id, "successfulResults") + c.results(id, "failedResults") + c.results(id, "unprocessedrecords")
		if got := len(lines(files)) - 3; got != 295 {
			t.Errorf("%d rows are in the files", got)
		}
		lost := 0
		for _, r := range c.sim.Rows(id) {
			if r.Lost {
				lost++
				if _, ok := c.sim.Record("Contact", r.Key); !ok || r.Outcome != "created" || strings.Contains(files, `"`+r.Key+`"`) {
					t.Errorf("got %+v", r)
				}
			}
		}
		if info := c.info(id); lost != 5 || info["numberRecordsProcessed"] != 300.0 || c.sim.Counts()["Contact"].Rows != 300 {
			t.Errorf("%d lost, %v", lost, info)
		}
	})
	t.Run("rows that stand there twice, and rows of nobody", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Where: &simtest.Where{Keys: []string{"a"}}, Effect: simtest.Effect{Kind: simtest.DoubleRows}})
		c.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.ForeignRows, Rows: simtest.AfterRows(2)}})
		id := c.run(upsertContacts, twoContacts)
		got := c.results(id, "successfulResults")
		if strings.Count(got, `"a"`) != 2 || strings.Count(got, `"b"`) != 1 || strings.Count(got, `"foreign-`+id) != 2 || len(lines(got)) != 6 {
			t.Errorf("got %s", got)
		}
	})
}

func TestTheCallLogIsWhole(t *testing.T) {
	c := newClient(t)
	since := c.sim.Calls(0, "")
	id := c.run(upsertContacts, twoContacts)
	c.results(id, "failedResults")
	c.want(c.get("/nowhere"), 404)
	var got []string
	for _, call := range c.sim.Calls(since[len(since)-1].N, "") {
		got = append(got, fmt.Sprintf("%s %d %v %d", call.Endpoint, call.Status, call.Job == id, call.Rows))
	}
	want := "create 200 true 0, upload 201 true 2, close 200 true 0, failed 200 true 0, other 404 false 0"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("\n got %s\nwant %s", s, want)
	}
}

func TestAResetOrgIsEmpty(t *testing.T) {
	c := newClient(t)
	id := c.run(upsertContacts, twoContacts)
	c.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.DropAfter}})
	c.sim.Reset()
	if c.sim.Counts()["Contact"].Rows != 0 || len(c.sim.Jobs()) != 0 || len(c.sim.Faults()) != 0 || len(c.sim.Calls(0, "")) != 0 {
		t.Error("something is left")
	}
	if other := c.run(upsertContacts, twoContacts); other == id {
		t.Error("a job id was given out twice")
	}
	c.want(c.get(jobsPath+"/"+id), http.StatusNotFound)
}
