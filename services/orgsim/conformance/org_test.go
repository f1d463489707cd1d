package conformance

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bulkhead/services/orgsim/simtest"
)

//go:embed model.yaml
var model string

const (
	envURL, envClientID, envSecretFile = "BULKHEAD_ORG_URL", "BULKHEAD_ORG_CLIENT_ID", "BULKHEAD_ORG_SECRET_FILE"
	envKeyFile, envUsername            = "BULKHEAD_ORG_KEY_FILE", "BULKHEAD_ORG_USERNAME"

	// version is the API version that tests use unless they say otherwise.
	version  = "v66.0"
	data     = "/services/data/" + version
	ingest   = data + "/jobs/ingest"
	patience = 20 * time.Minute // for a job of a real org; a simulator takes milliseconds
)

// org is the org on trial, as a caller sees it who hides nothing.
type org struct {
	t        testing.TB
	base     string // where calls go, without a trailing slash
	login    string // where tokens come from
	clientID string
	secret   string
	token    string
	run      string // makes the keys of this run its own
	http     *http.Client
	sim      *simtest.Sim // nil when the org is not the simulator
}

// answer is what came back, as it came; err is a cut connection.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// theOrg is an org for facts that any org shows.
func theOrg(t testing.TB) *org {
	t.Helper()
	o := &org{t: t, run: strings.ToLower(rand.Text()[:10])}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	o.http = &http.Client{
		Transport: transport, Timeout: 10 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.login = strings.TrimRight(os.Getenv(envURL), "/"); o.login != "" {
		o.clientID = os.Getenv(envClientID)
		secret, err := os.ReadFile(os.Getenv(envSecretFile))
		if err != nil && os.Getenv(envKeyFile) == "" {
			t.Fatalf("%s: %v; it or %s says how to come in", envSecretFile, err, envKeyFile)
		}
		o.secret = strings.TrimSpace(string(secret))
	} else {
		o.sim = simtest.Start(t, simtest.Model(model))
		o.login, o.clientID, o.secret = o.sim.URL, o.sim.ClientID, o.sim.Secret
	}
	o.base = o.login
	o.signIn()
	return o
}

// aSim is an org for facts that need the control API to come about. Against a real org the test is left out, and says so.
func aSim(t testing.TB, options ...simtest.Option) *org {
	t.Helper()
	if os.Getenv(envURL) != "" {
		t.Skip("left out: it needs the control API, and " + envURL + " names an org that has none")
	}
	o := &org{t: t, run: "x", http: &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	o.sim = simtest.Start(t, append([]simtest.Option{simtest.Model(model)}, options...)...)
	o.login, o.base, o.clientID, o.secret = o.sim.URL, o.sim.URL, o.sim.ClientID, o.sim.Secret
	o.signIn()
	return o
}

// signIn gets a session by client credentials, or by an assertion where there is no secret, and learns where calls go.
func (o *org) signIn() {
	o.t.Helper()
	var a answer
	if o.secret != "" {
		a = o.tokenRequest(o.clientForm("client_credentials"))
	} else {
		key, user := signer(o.t, o)
		a = o.assert(jwt.SigningMethodRS256, key, jwt.MapClaims{
			"iss": o.clientID, "sub": user, "aud": o.login, "exp": time.Now().Add(3 * time.Minute).Unix(),
		})
	}
	reply := decode[struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}](o.t, a)
	if a.status != http.StatusOK || reply.AccessToken == "" {
		o.t.Fatalf("no session: %d %s", a.status, a.body)
	}
	o.token = reply.AccessToken
	if o.sim == nil {
		o.base = reply.InstanceURL
	}
}

// key is a name that no other run has used.
func (o *org) key(name string) string { return name + "-" + o.run }

// tokenRequest asks the token endpoint.
func (o *org) tokenRequest(form url.Values, change ...func(*http.Request)) answer {
	o.t.Helper()
	return o.at(o.login, "POST", "/services/oauth2/token", form.Encode(), append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Del("Authorization")
	}}, change...)...)
}

// call sends one request under the session; a body is JSON unless a change says otherwise.
func (o *org) call(method, path, body string, change ...func(*http.Request)) answer {
	o.t.Helper()
	return o.at(o.base, method, path, body, change...)
}

func (o *org) at(base, method, path, body string, change ...func(*http.Request)) answer {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if o.token != "" {
		req.Header.Set("Authorization", "Bearer "+o.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(req)
	}
	res, err := o.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(text), err: err}
}

// csvBody makes a request's body a CSV.
func csvBody(r *http.Request) { r.Header.Set("Content-Type", "text/csv") }

// want fails the test unless the answer has the status; it returns the answer.
func (o *org) want(a answer, status int) answer {
	o.t.Helper()
	if a.err != nil || a.status != status {
		o.t.Fatalf("got %d %v, want %d: %s", a.status, a.err, status, a.body)
	}
	return a
}

// refusal is the first object of an error reply.
type refusal struct {
	Message   string   `json:"message"`
	ErrorCode string   `json:"errorCode"`
	Fields    []string `json:"fields"`
}

// refused fails the test unless the answer is an error of this status and code; it returns the error's message.
func (o *org) refused(a answer, status int, code string) string {
	o.t.Helper()
	o.want(a, status)
	list := decode[[]refusal](o.t, a)
	if len(list) == 0 || list[0].ErrorCode != code {
		o.t.Fatalf("got %s, want code %s", a.body, code)
	}
	return list[0].Message
}

func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return v
}

// text is v as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// spec is the create request of a job.
type spec map[string]any

// create makes a job and returns its id.
func (o *org) create(s spec) string {
	o.t.Helper()
	return decode[struct {
		ID string `json:"id"`
	}](o.t, o.want(o.call("POST", ingest, text(s)), http.StatusOK)).ID
}

// upload sends a job its CSV.
func (o *org) upload(id, content string) {
	o.t.Helper()
	o.want(o.call("PUT", ingest+"/"+id+"/batches", content, csvBody), http.StatusCreated)
}

// patch asks for another state of a job.
func (o *org) patch(id, state string) answer {
	o.t.Helper()
	return o.call("PATCH", ingest+"/"+id, text(spec{"state": state}))
}

// info is what a GET of the job shows.
func (o *org) info(id string) map[string]any {
	o.t.Helper()
	return decode[map[string]any](o.t, o.want(o.call("GET", ingest+"/"+id, ""), http.StatusOK))
}

// ended waits until a job has ended and returns what a GET shows then.
func (o *org) ended(id string) map[string]any {
	o.t.Helper()
	if o.sim != nil {
		o.sim.AwaitJob(id, "finished")
		return o.info(id)
	}
	late := time.After(patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		m := o.info(id)
		switch m["state"] {
		case "JobComplete", "Failed", "Aborted":
			return m
		}
		select {
		case <-time.After(pause):
		case <-late:
			o.t.Fatalf("job %s has not ended: %v", id, m)
		}
	}
}

// process makes a job, uploads, closes, and waits for its end.
func (o *org) process(s spec, content string) (id string, info map[string]any) {
	o.t.Helper()
	id = o.create(s)
	o.upload(id, content)
	o.want(o.patch(id, "UploadComplete"), http.StatusOK)
	return id, o.ended(id)
}

// The names of the result files.
const (
	successful  = "successfulResults"
	failed      = "failedResults"
	unprocessed = "unprocessedrecords"
)

// file is a result file as it came.
func (o *org) file(id, name string) string {
	o.t.Helper()
	return o.want(o.call("GET", ingest+"/"+id+"/"+name, ""), http.StatusOK).body
}

// rows are the rows of a result file, by column.
func (o *org) rows(id, name string) []map[string]string {
	o.t.Helper()
	return table(o.t, o.file(id, name), ',')
}

func table(t testing.TB, content string, comma rune) []map[string]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader([]byte(content)))
	r.Comma = comma
	all, err := r.ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%v: %q", err, content)
	}
	var out []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		out = append(out, row)
	}
	return out
}
