package rest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// The bodies below are the wire formats of the fact sheet, member by member.
func TestJobBodies(t *testing.T) {
	c := newClient(t, simtest.Speed(time.Hour, -1))
	a := c.send("POST", jobsPath, upsertContacts, nil)
	body := c.want(a, http.StatusOK)
	id := regexp.MustCompile(`"id":"(750[A-Za-z0-9]{15})"`).FindStringSubmatch(body)[1]
	user := regexp.MustCompile(`"createdById":"(005[A-Za-z0-9]{15})"`).FindStringSubmatch(body)[1]
	const begin = `{"id":"ID","operation":"upsert","object":"Contact","createdById":"ID","createdDate":"STAMP","systemModstamp":"STAMP","state":"%s",` +
		`"externalIdFieldName":"External_Id__c","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":66.0`
	same := func(what, got, want string) {
		t.Helper()
		if got = fixed(got, id, user); got != want {
			t.Errorf("%s\n got %s\nwant %s", what, got, want)
		}
	}
	const format = `"lineEnding":"LF","columnDelimiter":"COMMA"`
	url := `"contentUrl":"services/data/v66.0/jobs/ingest/ID/batches",`
	times := `"retries":0,"totalProcessingTime":N,"apiActiveProcessingTime":N,"apexProcessingTime":0`
	times = durations.ReplaceAllString(times, `ProcessingTime":N`)
	same("create", body, fmt.Sprintf(begin, "Open")+","+url+format+"}")
	if got := a.header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
		t.Errorf("Content-Type %s", got)
	}
	same("GET while Open", c.want(c.get(jobsPath+"/"+id), 200), fmt.Sprintf(begin, "Open")+`,"jobType":"V2Ingest",`+url+format+","+times+"}")
	same("list", c.want(c.get(jobsPath), 200), `{"done":true,"records":[`+fmt.Sprintf(begin, "Open")+`,"jobType":"V2Ingest",`+url+format+`}],"nextRecordsUrl":null}`)
	a = c.upload(id, "External_Id__c,LastName\na,A\n")
	if body := c.want(a, http.StatusCreated); body != "" {
		t.Errorf("PUT answered %q", body)
	}
	same("PATCH", c.want(c.patch(id, "UploadComplete"), 200), fmt.Sprintf(begin, "UploadComplete")+"}")
	same("GET after the close", c.want(c.get(jobsPath+"/"+id[:15]+"/"), 200), fmt.Sprintf(begin, "UploadComplete")+`,"jobType":"V2Ingest",`+format+
		`,"numberRecordsProcessed":0,"numberRecordsFailed":0,`+times+`,"isPkChunkingSupported":false}`)
	same("abort", c.want(c.patch(id, "Aborted"), 200), fmt.Sprintf(begin, "Aborted")+"}")
	c.want(c.send("DELETE", jobsPath+"/"+id, "", nil), http.StatusNoContent)
	same("GET after the delete", c.want(c.get(jobsPath+"/"+id), 404), `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)

	t.Run("a failed job says why and counts nothing", func(t *testing.T) {
		c.sim.Set(map[string]any{"queue_delay": "0s"})
		id := c.run(`{"object":"Account","operation":"insert","lineEnding":"CRLF","columnDelimiter":"TAB"}`, "Nope\r\nx\r\n")
		want := `{"id":"ID","operation":"insert","object":"Account","createdById":"ID","createdDate":"STAMP","systemModstamp":"STAMP","state":"Failed",` +
			`"concurrencyMode":"Parallel","contentType":"CSV","apiVersion":66.0,"jobType":"V2Ingest","lineEnding":"CRLF","columnDelimiter":"TAB",` +
			`"numberRecordsProcessed":0,"numberRecordsFailed":0,` + times + `,"errorMessage":"InvalidBatch : Field name not found : Nope","isPkChunkingSupported":false}`
		if got := fixed(c.want(c.get(jobsPath+"/"+id), 200), id, user); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		if got := c.results(id, "unprocessedrecords"); got != "Nope\nx\n" {
			t.Errorf("unprocessed %q", got)
		}
	})
}

func TestResultFiles(t *testing.T) {
	c := newClient(t)
	ordered(c)
	c.sim.Seed("Account", map[string]string{"Name": "Parent", "External_Id__c": "P1"})
	c.run(upsertContacts, "External_Id__c,LastName\nold,Old\n")
	id := c.run(upsertContacts, "External_Id__c,\"LastName\",email,Account.External_Id__c\n"+
		"new,One,a@b.example,P1\n"+
		"old,\"Two \"\"T\"\"\",,\n"+
		"bad,,c@d.example,\n"+
		"orphan,\"Fo\nur\",,P9\n")
	t.Run("the header is the uploaded one behind quoted sf__ columns, values are quoted, a column of another case is blank", func(t *testing.T) {
		got := regexp.MustCompile(`"003[A-Za-z0-9]{15}"`).ReplaceAllString(c.results(id, "successfulResults"), `"ID"`)
		want := "\"sf__Id\",\"sf__Created\",External_Id__c,\"LastName\",email,Account.External_Id__c\n" +
			"\"ID\",\"true\",\"new\",\"One\",\"\",\"P1\"\n" +
			"\"ID\",\"false\",\"old\",\"Two \"\"T\"\"\",\"\",\"\"\n"
		if got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	})
	t.Run("failed rows carry the error and no id", func(t *testing.T) {
		want := "\"sf__Id\",\"sf__Error\",External_Id__c,\"LastName\",email,Account.External_Id__c\n" +
			"\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --\",\"bad\",\"\",\"\",\"\"\n" +
			"\"\",\"INVALID_FIELD:Foreign key external ID: P9 not found for field External_Id__c in entity Account:--\",\"orphan\",\"Fo\nur\",\"\",\"P9\"\n"
		if got := c.results(id, "failedResults/"); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	})
	t.Run("no unprocessed rows is the header alone, under either spelling", func(t *testing.T) {
		for _, name := range []string{"unprocessedrecords", "unprocessedRecords/"} {
			if got := c.results(id, name); got != "External_Id__c,\"LastName\",email,Account.External_Id__c\n" {
				t.Errorf("got %q", got)
			}
		}
	})
	t.Run("the content type is CSV whatever the caller accepts", func(t *testing.T) {
		a := c.send("GET", jobsPath+"/"+id+"/successfulResults", "", func(r *http.Request) { r.Header.Set("Accept", "application/json") })
		c.want(a, 200)
		if got := a.header.Get("Content-Type"); got != "text/csv; charset=UTF-8" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("callers that accept gzip get it", func(t *testing.T) {
		a := c.send("GET", jobsPath+"/"+id+"/failedResults", "", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
		z, err := gzip.NewReader(strings.NewReader(c.want(a, 200)))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != c.results(id, "failedResults") {
			t.Errorf("got %q, %v", text, err)
		}
	})
	t.Run("failed updates carry the id from 53.0 on", func(t *testing.T) {
		rec, _ := c.sim.Record("Contact", "old")
		id := c.run(`{"object":"Contact","operation":"update"}`, "Id,Email\n"+rec.ID+",nonsense\n")
		if got := lines(c.results(id, "failedResults"))[1]; !strings.HasPrefix(got, `"`+rec.ID+`"`) {
			t.Errorf("got %s", got)
		}
		old := c.want(c.get(strings.Replace(jobsPath, "66", "52", 1)+"/"+id+"/failedResults"), 200)
		if got := lines(old)[1]; !strings.HasPrefix(got, `"",`) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("the order of rows is mixed, the same for the same seed", func(t *testing.T) {
		c.sim.Set(map[string]any{"shuffle_results": true})
		upload := rows(500, func(i int) string { return fmt.Sprintf("m%d,N", i) })
		id := c.run(upsertContacts, "External_Id__c,LastName\n"+upload)
		one, two := lines(c.results(id, "successfulResults")), lines(c.results(id, "successfulResults"))
		if !slices.Equal(one, two) || strings.Contains(one[1], "m0") && strings.Contains(one[2], "m1") {
			t.Errorf("got %s …", one[1])
		}
		c.sim.Set(map[string]any{"shuffle_seed": 9})
		if slices.Equal(one, lines(c.results(id, "successfulResults"))) {
			t.Error("another seed gives the same order")
		}
	})
}

func TestWrongUse(t *testing.T) {
	c := newClient(t)
	for _, tc := range []struct{ does, body, want string }{
		{"an unknown object", `{"object":"Foo","operation":"insert"}`, `[{"errorCode":"INVALIDJOB","message":"InvalidJob : Unable to find object: Foo"}]`},
		{"a read-only object", `{"object":"User","operation":"insert"}`, `[{"errorCode":"INVALIDJOB","message":"InvalidJob : Unable to find object: User"}]`},
		{"no external id", `{"object":"Account","operation":"upsert"}`, `[{"errorCode":"INVALIDJOB","message":"InvalidJob : External ID was blank for Account. An External ID must be specified for upsert."}]`},
		{"a field that is no external id", `{"object":"Account","operation":"upsert","externalIdFieldName":"Foo__c"}`, `[{"errorCode":"INVALIDJOB","message":"InvalidJob : Field name provided, Foo__c does not match an External ID for Account"}]`},
		{"an unknown operation", `{"object":"Account","operation":"x"}`, `[{"errorCode":"API_ERROR","message":"Invalid value: 'x' supplied for property: 'operation'"}]`},
		{"an operation in another case", `{"object":"Account","operation":"Insert"}`, `[{"errorCode":"API_ERROR","message":"Invalid value: 'Insert' supplied for property: 'operation'"}]`},
		{"no operation", `{"object":"Account"}`, `[{"errorCode":"API_ERROR","message":"Invalid value: '' supplied for property: 'operation'"}]`},
		{"another content type", `{"object":"Account","operation":"insert","contentType":"JSON"}`, `[{"errorCode":"API_ERROR","message":"Invalid value: 'JSON' supplied for property: 'contentType'"}]`},
		{"another line ending", `{"object":"Account","operation":"insert","lineEnding":"CR"}`, `[{"errorCode":"API_ERROR","message":"Invalid value: 'CR' supplied for property: 'lineEnding'"}]`},
		{"another delimiter", `{"object":"Account","operation":"insert","columnDelimiter":"SPACE"}`, `[{"errorCode":"API_ERROR","message":"Invalid value: 'SPACE' supplied for property: 'columnDelimiter'"}]`},
		{"hardDelete without permission", `{"object":"Account","operation":"hardDelete"}`, `[{"errorCode":"FEATURENOTENABLED","message":"FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator"}]`},
		{"no JSON", `{`, `[{"errorCode":"JSON_PARSER_ERROR","message":"unexpected end of JSON input"}]`},
		{"nothing", ` `, `[{"errorCode":"JSON_PARSER_ERROR","message":"The HTTP entity body is required, but this request has no entity body."}]`},
		{"a list", `[]`, `[{"errorCode":"JSON_PARSER_ERROR","message":"Unexpected start of the document: an object has to come first"}]`},
		{"null", `null`, `[{"errorCode":"JSON_PARSER_ERROR","message":"Unexpected start of the document: an object has to come first"}]`},
		{"a number for a name", `{"object":5}`, `[{"errorCode":"JSON_PARSER_ERROR","message":"Cannot deserialize the value of 'object' from a number"}]`},
	} {
		t.Run("create with "+tc.does, func(t *testing.T) {
			if got := c.want(c.send("POST", jobsPath, tc.body, nil), 400); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
	t.Run("an empty external id and unknown members are fine where they mean nothing", func(t *testing.T) {
		c.create(`{"object":"Account","operation":"insert","externalIdFieldName":"","nonsense":1}`)
	})
	t.Run("a second upload", func(t *testing.T) {
		id := c.create(upsertContacts)
		c.want(c.upload(id, "External_Id__c\n"), 201)
		want := `[{"errorCode":"BULK_API_ERROR","message":"Found multipe contents for job: <` + id[:15] + //nolint:misspell // as real orgs write it
			`>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job."}]`
		if got := c.want(c.upload(id, "External_Id__c\n"), 400); got != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("an upload that is no CSV", func(t *testing.T) {
		id := c.create(upsertContacts)
		c.want(c.send("PUT", jobsPath+"/"+id+"/batches", "{}", nil), 415)
	})
	t.Run("an upload above the limit leaves the job without data", func(t *testing.T) {
		c.sim.Set(map[string]any{"max_upload_bytes": 40})
		id := c.create(upsertContacts)
		if got := c.want(c.upload(id, strings.Repeat("x", 31)), 400); !strings.Contains(got, "BULK_API_ERROR") {
			t.Errorf("got %s", got)
		}
		c.want(c.upload(id, strings.Repeat("x", 30)), 201)
	})
	finished := c.run(upsertContacts, "External_Id__c\n")
	for _, tc := range []struct {
		does string
		do   func() answer
		want string
	}{
		{"upload after the close", func() answer { return c.upload(finished, "x") }, "INVALIDJOBSTATE"},
		{"close twice", func() answer { return c.patch(finished, "UploadComplete") }, "INVALIDJOBSTATE"},
		{"abort a finished job", func() answer { return c.patch(finished, "Aborted") }, `[{"errorCode":"INVALIDJOBSTATE","message":"Aborting already Completed Job not allowed"}]`},
		{"patch to another state", func() answer { return c.patch(finished, "JobComplete") }, "INVALIDJOBSTATE"},
		{"delete an open job", func() answer { return c.send("DELETE", jobsPath+"/"+c.create(upsertContacts), "", nil) }, `[{"errorCode":"API_ERROR","message":"Error encountered when deleting the job because the job is not terminated"}]`},
		{"read results of an open job", func() answer { return c.get(jobsPath + "/" + c.create(upsertContacts) + "/successfulResults") }, "INVALIDJOBSTATE"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := c.want(tc.do(), 400); !strings.Contains(got, tc.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("an unknown job is not found by any call", func(t *testing.T) {
		const nobody = "750000000000001AAA"
		for _, a := range []answer{
			c.get(jobsPath + "/" + nobody), c.get(jobsPath + "/x"), c.upload(nobody, "x"), c.patch(nobody, "UploadComplete"), c.patch(nobody, "x"),
			c.get(jobsPath + "/" + nobody + "/failedResults"), c.send("DELETE", jobsPath+"/"+nobody, "", nil), c.get(jobsPath + "/" + nobody + "/x"),
		} {
			if got := c.want(a, 404); got != `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]` {
				t.Errorf("got %s", got)
			}
		}
	})
}

func TestWhatIsFoundOnlyAfterTheClose(t *testing.T) {
	c := newClient(t)
	const lf = `{"object":"Account","operation":"insert"}`
	const crlf = `{"object":"Account","operation":"insert","lineEnding":"CRLF"}`
	for _, tc := range []struct{ does, spec, csv, state, message string }{
		{"Windows line ends in an LF file", lf, "Name\r\nA\r\n", "Failed", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
		{"Unix line ends in a CRLF file", crlf, "Name\nA\n", "Failed", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF"},
		{"one wrong line end is enough", lf, "Name\nA\nB\r\n", "Failed", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
		{"a break inside quotes that equals the line end", lf, "Name\n\"A\nB\"\n", "JobComplete", ""},
		{"a break inside quotes that does not", lf, "Name\n\"A\r\nB\"\n", "Failed", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
		{"a byte order mark", lf, "\ufeffName\nA\n", "Failed", "InvalidBatch : Field name not found : \ufeffName"},
		{"another delimiter", lf, "Name;Phone\nA;1\n", "Failed", "InvalidBatch : Field name not found : Name;Phone"},
		{"the declared delimiter", `{"object":"Account","operation":"insert","columnDelimiter":"SEMICOLON"}`, "Name;Phone\nA;1\n", "JobComplete", ""},
		{"a header alone", lf, "Name\n", "JobComplete", ""},
		{"an empty upload", lf, "", "Failed", "InvalidBatch : No data was uploaded for the job"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			info := c.info(c.run(tc.spec, tc.csv))
			message, _ := info["errorMessage"].(string)
			if info["state"] != tc.state || message != tc.message {
				t.Errorf("got %v %q", info["state"], message)
			}
		})
	}
	t.Run("no upload at all", func(t *testing.T) {
		id := c.create(lf)
		c.want(c.patch(id, "UploadComplete"), 200)
		if j := c.sim.AwaitJob(id, "finished"); j.State != "Failed" {
			t.Errorf("got %s", j.State)
		}
		if got := c.results(id, "unprocessedrecords"); got != "\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a row that is no CSV fails by itself", func(t *testing.T) {
		info := c.info(c.run(lf, "Name,Phone\nA,1\n\"B\" ,2\nC\n"))
		if info["state"] != "JobComplete" || info["numberRecordsProcessed"] != 3.0 || info["numberRecordsFailed"] != 2.0 {
			t.Errorf("got %v", info)
		}
	})
}

func TestAJobTakesItsTime(t *testing.T) {
	t.Run("states follow each other and counters move in steps of a transaction", func(t *testing.T) {
		c := newClient(t, simtest.Speed(time.Millisecond, 4_000))
		id := c.create(upsertContacts)
		c.want(c.upload(id, "External_Id__c,LastName\n"+rows(1_000, func(i int) string { return fmt.Sprintf("k%d,N", i) })), 201)
		c.want(c.patch(id, "UploadComplete"), 200)
		for {
			info := c.info(id)
			if n := int(info["numberRecordsProcessed"].(float64)); n%200 != 0 {
				t.Fatalf("%d rows are no number of transactions", n)
			}
			if info["state"] == "JobComplete" {
				break
			}
			if info["state"] == "Open" || info["totalProcessingTime"] != 0.0 {
				t.Fatalf("got %v", info)
			}
		}
		var seen []string
		for _, h := range c.sim.AwaitJob(id, "finished").History {
			seen = append(seen, string(h.State))
		}
		if got := strings.Join(seen, " "); got != "Open UploadComplete InProgress JobComplete" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("an abort keeps what is saved and leaves the rest unprocessed", func(t *testing.T) {
		c := newClient(t, simtest.Speed(time.Millisecond, 20_000))
		const n = 30_000
		id := c.create(upsertContacts)
		c.want(c.upload(id, "External_Id__c,LastName\n"+rows(n, func(i int) string { return fmt.Sprintf("k%d,N", i) })), 201)
		c.want(c.patch(id, "UploadComplete"), 200)
		for c.info(id)["numberRecordsProcessed"].(float64) == 0 {
		}
		c.want(c.patch(id, "Aborted"), 200)
		// A transaction that was under way is saved first and noted then.
		saved := c.sim.Counts()["Contact"].Rows
		for c.sim.AwaitJob(id, "finished").Processed != int64(saved) {
			saved = c.sim.Counts()["Contact"].Rows
		}
		good, left := len(lines(c.results(id, "successfulResults")))-1, len(lines(c.results(id, "unprocessedrecords")))-1
		if good != saved || good == 0 || left == 0 || good+left != n {
			t.Errorf("%d saved, %d successful, %d unprocessed", saved, good, left)
		}
		if state := c.info(id)["state"]; state != "Aborted" {
			t.Errorf("state %v", state)
		}
	})
	t.Run("a deleted queued job is never processed", func(t *testing.T) {
		c := newClient(t, simtest.Speed(time.Hour, -1))
		id := c.create(upsertContacts)
		c.want(c.upload(id, "External_Id__c,LastName\na,A\n"), 201)
		c.want(c.patch(id, "UploadComplete"), 200)
		c.want(c.send("DELETE", jobsPath+"/"+id, "", nil), 204)
		if j := c.sim.AwaitJob(id, "finished"); j.Gone != "deleted" || c.sim.Counts()["Contact"].Rows != 0 {
			t.Errorf("got %+v", j)
		}
	})
}

func TestJobsGrowOld(t *testing.T) {
	c := newClient(t)
	open, done := c.create(upsertContacts), c.run(upsertContacts, "External_Id__c\n")
	c.sim.Advance(24*time.Hour + time.Second)
	c.login()
	if got := c.info(open)["state"]; got != "Aborted" {
		t.Errorf("an open job is %v after a day", got)
	}
	c.want(c.upload(open, "x"), 400)
	c.sim.Advance(6 * 24 * time.Hour)
	c.login()
	c.want(c.get(jobsPath+"/"+done), 404)
	c.want(c.get(jobsPath+"/"+done+"/successfulResults"), 404)
	c.want(c.get(jobsPath+"/"+open), 200)
	c.sim.Advance(24 * time.Hour)
	c.login()
	c.want(c.get(jobsPath+"/"+open), 404)
	if jobs := c.sim.Jobs(); len(jobs) != 2 || jobs[0].Gone != "expired" {
		t.Errorf("the control API shows %+v", jobs)
	}
}

func TestTheListHasPages(t *testing.T) {
	c := newClient(t)
	want := map[string]bool{}
	for range 2_100 {
		want[c.create(upsertContacts)] = true
	}
	type page struct {
		Done    bool
		Records []struct{ ID string }
		Next    *string `json:"nextRecordsUrl"`
	}
	path, pages := jobsPath+"/?isPkChunkingEnabled=false&jobType=V2Ingest", 0
	for path != "" {
		var p page
		if err := json.Unmarshal([]byte(c.want(c.get(path), 200)), &p); err != nil {
			t.Fatal(err)
		}
		pages++
		for _, j := range p.Records {
			if !want[j.ID] {
				t.Fatalf("%s is unknown or there twice", j.ID)
			}
			delete(want, j.ID)
		}
		if path = ""; p.Next != nil {
			path = *p.Next
		}
		if p.Done != (path == "") {
			t.Fatalf("done is %v, next is %q", p.Done, path)
		}
	}
	if pages != 3 || len(want) != 0 {
		t.Errorf("%d pages, %d jobs are missing", pages, len(want))
	}
	if got := c.want(c.get(jobsPath+"?jobType=V2Query"), 200); got != `{"done":true,"records":[],"nextRecordsUrl":null}` {
		t.Errorf("got %s", got)
	}
	c.want(c.get(jobsPath+"?queryLocator=nonsense"), 400)
}

func TestUploadsMayBeCompressed(t *testing.T) {
	c := newClient(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "External_Id__c,LastName\na,A\n")
	_ = z.Close()
	id := c.create(upsertContacts)
	c.want(c.send("PUT", jobsPath+"/"+id+"/batches", packed.String(), func(r *http.Request) {
		r.Header.Set("Content-Type", "text/csv; charset=UTF-8")
		r.Header.Set("Content-Encoding", "gzip")
		r.ContentLength = -1
	}), 201)
	if got := string(c.sim.UploadOf(id)); got != "External_Id__c,LastName\na,A\n" {
		t.Errorf("got %q", got)
	}
	id = c.create(upsertContacts)
	a := c.send("PUT", jobsPath+"/"+id+"/batches", "no gzip", func(r *http.Request) {
		r.Header.Set("Content-Type", "text/csv")
		r.Header.Set("Content-Encoding", "gzip")
	})
	c.want(a, 400)
}

func TestParallelBatchesContendForParents(t *testing.T) {
	c := newClient(t, simtest.Speed(-1, 40_000))
	c.sim.Set(map[string]any{"lock_wait": "1ms", "batch_rows": 200})
	c.sim.Seed("Account", map[string]string{"Name": "Parent", "External_Id__c": "P"})
	id := c.run(upsertContacts, "External_Id__c,LastName,Account.External_Id__c\n"+rows(2_000, func(i int) string { return fmt.Sprintf("k%d,N,P", i) }))
	failed := lines(c.results(id, "failedResults"))[1:]
	if len(failed) == 0 {
		t.Fatal("no batch met another one's lock")
	}
	for _, line := range failed {
		if !strings.Contains(line, "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001") {
			t.Fatalf("got %s", line)
		}
	}
}
