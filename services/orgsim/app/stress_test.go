package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/orgsim/app"
)

const stressModel = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, type: string, required: true}
      - {name: Key__c, type: string, externalId: true, unique: true}
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: LastName, type: string, required: true}
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: AccountId, type: reference, referenceTo: Account, relationshipName: Account}
`

// caller is somebody who does things to an org at random.
type caller struct {
	t       *testing.T
	handler http.Handler
	random  *rand.Rand
	name    string
	token   string
	jobs    []string
	more    string // the next page of a query
}

const stressBase = "/services/data/v66.0"

// ask sends a request and returns the answer. A fault of the simulator itself fails the test.
func (c *caller) ask(method, path, content, body string) (int, string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(c.t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
	if content != "" {
		r.Header.Set("Content-Type", content)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	c.handler.ServeHTTP(w, r)
	if w.Code >= 500 {
		c.t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Code, w.Body.String()
}

// member is a text of a JSON object, "" for anything else.
func member(body, name string) string {
	var m map[string]any
	if json.Unmarshal([]byte(body), &m) != nil {
		return ""
	}
	text, _ := m[name].(string)
	return text
}

func (c *caller) signIn() {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.DefaultClientID}, "client_secret": {app.DefaultClientSecret}}
	_, body := c.ask("POST", "/services/oauth2/token", "application/x-www-form-urlencoded", form.Encode())
	c.token = member(body, "access_token")
}

func (c *caller) someJob() string {
	if len(c.jobs) == 0 {
		return "750000000000001AAA"
	}
	return c.jobs[max(len(c.jobs)-1-c.random.IntN(4), 0)]
}

// newJob makes a job of contacts under few accounts.
func (c *caller) newJob() {
	status, body := c.ask("POST", stressBase+"/jobs/ingest", "application/json", `{"object":"Contact","operation":"upsert","externalIdFieldName":"Key__c"}`)
	if status == http.StatusUnauthorized {
		c.signIn()
		return
	}
	id := member(body, "id")
	if id == "" {
		return // the day has no more batches, or the org was emptied meanwhile
	}
	c.jobs = append(c.jobs, id)
	var csv bytes.Buffer
	c.ask("PATCH", fmt.Sprintf("%s/sobjects/Account/Key__c/a%d", stressBase, c.random.IntN(5)), "application/json", `{"Name":"A"}`)
	csv.WriteString("Key__c,LastName,Account.Key__c\n")
	for range c.random.IntN(600) {
		fmt.Fprintf(&csv, "k%d,N,a%d\n", c.random.IntN(2_000), c.random.IntN(5))
	}
	c.ask("PUT", stressBase+"/jobs/ingest/"+id+"/batches", "text/csv", csv.String())
	c.state(id, "UploadComplete")
}

func (c *caller) state(job, to string) {
	c.ask("PATCH", stressBase+"/jobs/ingest/"+job, "application/json", `{"state":"`+to+`"}`)
}

func (c *caller) query() {
	path := c.more
	if path == "" {
		path = stressBase + "/query?q=" + url.QueryEscape("SELECT Id, LastName, Account.Name FROM Contact ORDER BY LastName")
	}
	_, body := c.ask("GET", path, "", "")
	c.more = member(body, "nextRecordsUrl")
}

func (c *caller) control(method, path, body string) {
	c.ask(method, "/sim/"+path, "application/json", body)
}

// step does one thing.
func (c *caller) step() {
	job := stressBase + "/jobs/ingest/" + c.someJob()
	steps := []func(){
		c.newJob, c.newJob, c.newJob, c.newJob, c.newJob, c.query, c.query,
		func() { c.state(c.someJob(), "Aborted") },
		func() { c.state(c.someJob(), "UploadComplete") },
		func() { c.ask("DELETE", job, "", "") },
		func() { c.ask("GET", job, "", "") },
		func() { c.ask("GET", job+"/successfulResults", "", "") },
		func() { c.ask("GET", job+"/failedResults", "", "") },
		func() { c.ask("GET", job+"/unprocessedrecords", "", "") },
		func() { c.ask("GET", stressBase+"/jobs/ingest", "", "") },
		func() {
			c.ask("DELETE", fmt.Sprintf("%s/sobjects/Contact/Key__c/k%d", stressBase, c.random.IntN(2_000)), "", "")
		},
		func() { c.control("GET", "counts?digest=1", "") },
		func() { c.control("GET", "records/Contact?versions=all&deleted=1", "") },
		func() { c.control("GET", "groups/Contact", "") },
		func() { c.control("GET", "jobs", "") },
		func() { c.control("GET", "jobs/"+c.someJob()+"/rows", "") },
		func() { c.control("GET", "jobs/"+c.someJob()+"/upload", "") },
		func() { c.control("GET", "calls?newest=1&limit=50", "") },
		func() { c.ask("GET", "/sim/page/jobs/"+c.someJob(), "", "") },
		func() { c.control("POST", "clock", fmt.Sprintf(`{"advance":"%dm"}`, 1<<c.random.IntN(14))) },
		func() { c.control("POST", "switches", `{"unfinished_results":"partial","parallel_keys":"raced"}`) },
		func() {
			c.control("POST", "settings", fmt.Sprintf(`{"parallel_batches":%d,"rows_per_second":%d,"lock_wait":"1ms","batch_rows":200,"transaction_rows":50,"gone_job_bytes":%d}`,
				1+c.random.IntN(5), 100_000*c.random.IntN(3), 5_000*c.random.IntN(3)))
		},
	}
	if c.random.IntN(200) == 0 {
		c.control("POST", "reset", "")
		return
	}
	steps[c.random.IntN(len(steps))]()
}

// TestEverythingAtOnce lets several callers do everything to one org at a time: jobs that meet each other's locks, are
// aborted, deleted and outlived while they are worked on and read, and an org that is emptied meanwhile.
func TestEverythingAtOnce(t *testing.T) {
	a, err := app.New(app.Options{Model: []byte(stressModel), QueueDelay: -1, RowsPerSecond: -1, DailyAPILimit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 6 {
		c := &caller{t: t, handler: a.Handler(), random: rand.New(rand.NewPCG(7, uint64(i))), name: fmt.Sprint(i)}
		all.Go(func() {
			c.signIn()
			for range 150 {
				c.step()
			}
		})
	}
	all.Wait()

	t.Run("and the org works as before", func(t *testing.T) {
		c := &caller{t: t, handler: a.Handler(), random: rand.New(rand.NewPCG(1, 1))}
		c.control("POST", "reset", "")
		c.signIn()
		c.ask("PATCH", stressBase+"/sobjects/Account/Key__c/a1", "application/json", `{"Name":"A"}`)
		_, body := c.ask("POST", stressBase+"/jobs/ingest", "application/json", `{"object":"Contact","operation":"insert"}`)
		c.jobs = []string{member(body, "id")}
		c.ask("PUT", stressBase+"/jobs/ingest/"+c.jobs[0]+"/batches", "text/csv", "Key__c,LastName,Account.Key__c\nk,N,a1\nl,N,nobody\n")
		c.state(c.jobs[0], "UploadComplete")
		if _, body := c.ask("GET", "/sim/jobs/"+c.jobs[0]+"?wait=finished", "", ""); !strings.Contains(body, `"state":"JobComplete"`) || !strings.Contains(body, `"processed":2,"failed":1`) {
			t.Errorf("got %s", body)
		}
		if _, body := c.ask("GET", "/sim/counts", "", ""); !strings.Contains(body, `"Contact":{"rows":1,`) {
			t.Errorf("got %s", body)
		}
	})
	t.Run("and nothing of it goes on after the stop", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stacks.String(), "orgsim/internal/") {
			t.Errorf("left: %s", &stacks)
		}
	})
}

func TestTheControlAPISaysWhenRowsAreNotKeptAnyMore(t *testing.T) {
	a, err := app.New(app.Options{Model: []byte(stressModel), QueueDelay: -1, RowsPerSecond: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Stop(context.WithoutCancel(t.Context())) })
	c := &caller{t: t, handler: a.Handler(), random: rand.New(rand.NewPCG(1, 1))}
	c.signIn()
	c.control("POST", "settings", `{"gone_job_bytes":0}`)
	c.newJob()
	job := "/sim/jobs/" + c.someJob()
	if _, body := c.ask("GET", job+"?wait=finished", "", ""); !strings.Contains(body, `"state":"JobComplete"`) {
		t.Fatalf("got %s", body)
	}
	for _, path := range []string{job + "/rows", job + "/upload"} {
		if status, body := c.ask("GET", path, "", ""); status != http.StatusOK || body == "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := c.ask("DELETE", stressBase+"/jobs/ingest/"+c.someJob(), "", ""); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	if _, body := c.ask("GET", job, "", ""); !strings.Contains(body, `"gone":"deleted","dropped":true`) || strings.Contains(body, `"upload_rows":0`) {
		t.Errorf("got %s", body)
	}
	for _, path := range []string{job + "/rows", job + "/upload"} {
		if status, body := c.ask("GET", path, "", ""); status != http.StatusGone || !strings.Contains(body, "gone_job_bytes") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
