package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// client is a caller of the org's API that hides nothing: every answer is looked at as it came.
type client struct {
	t     testing.TB
	sim   *simtest.Sim
	http  *http.Client
	token string
}

// answer is what came back; err is a cut connection, at the start or inside the body.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

const jobsPath = "/services/data/v66.0/jobs/ingest"

func newClient(t testing.TB, options ...simtest.Option) *client {
	t.Helper()
	c := &client{t: t, sim: simtest.Start(t, options...)}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.login()
	return c
}

func (c *client) login() {
	c.t.Helper()
	a := c.tokenRequest(url.Values{"grant_type": {"client_credentials"}, "client_id": {c.sim.ClientID}, "client_secret": {c.sim.Secret}}, nil)
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != http.StatusOK {
		c.t.Fatalf("token: %d %s %v", a.status, a.body, err)
	}
	c.token = body.AccessToken
}

func (c *client) tokenRequest(form url.Values, change func(*http.Request)) answer {
	c.t.Helper()
	return c.send("POST", "/services/oauth2/token", form.Encode(), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Del("Authorization")
		if change != nil {
			change(r)
		}
	})
}

// send sends one request; a JSON body unless change says otherwise.
func (c *client) send(method, path, body string, change func(*http.Request)) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.sim.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(req)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(text), err: err}
}

func (c *client) get(path string) answer {
	c.t.Helper()
	return c.send("GET", path, "", nil)
}

// want fails the test unless the answer has the status, and returns its body.
func (c *client) want(a answer, status int) string {
	c.t.Helper()
	if a.err != nil || a.status != status {
		c.t.Fatalf("got %d %s %v, want %d", a.status, a.body, a.err, status)
	}
	return a.body
}

func (c *client) create(body string) string {
	c.t.Helper()
	var info struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(c.want(c.send("POST", jobsPath, body, nil), http.StatusOK)), &info); err != nil {
		c.t.Fatal(err)
	}
	return info.ID
}

const upsertContacts = `{"object":"Contact","operation":"upsert","externalIdFieldName":"External_Id__c"}`

func (c *client) upload(id, csv string) answer {
	c.t.Helper()
	return c.send("PUT", jobsPath+"/"+id+"/batches", csv, func(r *http.Request) { r.Header.Set("Content-Type", "text/csv") })
}

func (c *client) patch(id, state string) answer {
	c.t.Helper()
	return c.send("PATCH", jobsPath+"/"+id, `{"state":"`+state+`"}`, nil)
}

// run carries a job to its end and returns its id.
func (c *client) run(spec, csv string) string {
	c.t.Helper()
	id := c.create(spec)
	c.want(c.upload(id, csv), http.StatusCreated)
	c.want(c.patch(id, "UploadComplete"), http.StatusOK)
	c.sim.AwaitJob(id, "finished")
	return id
}

func (c *client) results(id, kind string) string {
	c.t.Helper()
	return c.want(c.get(jobsPath+"/"+id+"/"+kind), http.StatusOK)
}

// info returns the members of a job.
func (c *client) info(id string) map[string]any {
	c.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(c.want(c.get(jobsPath+"/"+id), http.StatusOK)), &m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

var (
	stamps    = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000"`)
	durations = regexp.MustCompile(`ProcessingTime":\d+`)
)

// fixed replaces what differs from run to run.
func fixed(body string, ids ...string) string {
	body = stamps.ReplaceAllString(body, `"STAMP"`)
	body = durations.ReplaceAllString(body, `ProcessingTime":N`)
	for _, id := range ids {
		body = strings.ReplaceAll(body, id, "ID")
	}
	return body
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func ordered(c *client) { c.sim.Set(map[string]any{"shuffle_results": false}) }

func rows(n int, row func(i int) string) string {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(row(i))
		b.WriteByte('\n')
	}
	return b.String()
}
