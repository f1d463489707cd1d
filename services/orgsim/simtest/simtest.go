// Package simtest starts the simulated Salesforce org inside a test and asks it what it holds and what it was sent.
//
// Start gives every test an org of its own on a free port, stopped when the test ends. The org is fast by default: no
// queue, no speed limit; options change that. All questions go through the control API over HTTP, so a test with its
// own process can ask the same. A question that cannot be answered fails the test at once.
package simtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/app"
	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
)

// The control API's words, for callers.
type (
	Fault    = fault.Rule     // a fault rule; see package fault for every member
	Match    = fault.Match    // what a fault applies to
	Where    = fault.Where    // which rows a fault applies to
	Effect   = fault.Effect   // what a fault does
	Endpoint = fault.Endpoint // a sort of request
	Call     = calls.Call     // a request that the org was sent
	Job      = bulk.View      // a job as the org knows it
	Row      = bulk.RowView   // the truth about one uploaded row
	Record   = org.Record     // a row of the org with its history
	Count    = org.Count      // the rows of an object
	Duration = settings.Duration
)

// Endpoints, for faults and for choosing calls.
const (
	Token       = fault.Token
	Limits      = fault.Limits
	Describe    = fault.Describe
	Query       = fault.Query
	Create      = fault.Create
	Upload      = fault.Upload
	Close       = fault.Close
	Abort       = fault.Abort
	Info        = fault.Info
	List        = fault.List
	Remove      = fault.Remove
	Successful  = fault.Successful
	FailedRows  = fault.FailedRows
	Unprocessed = fault.Unprocessed
)

// Kinds of effect; package fault says what each does.
const (
	Status      = fault.Status
	Latency     = fault.Latency
	DropBefore  = fault.DropBefore
	DropMid     = fault.DropMid
	DropAfter   = fault.DropAfter
	HalfReply   = fault.HalfReply
	Truncate    = fault.Truncate
	Slow        = fault.Slow
	RowError    = fault.RowError
	JobStall    = fault.JobStall
	JobAbort    = fault.JobAbort
	JobFail     = fault.JobFail
	JobVanish   = fault.JobVanish
	LoseRows    = fault.LoseRows
	DoubleRows  = fault.DoubleRows
	ForeignRows = fault.ForeignRows
)

// LockError is the error text of a row that met a lock; a retry heals it.
const LockError = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001000000000001:--"

const (
	// patience bounds every question, and is how long waits last.
	patience = 30 * time.Second
	// stopTime bounds the end of the org.
	stopTime = 5 * time.Second
)

// Option changes the options that an org is started with.
type Option func(*app.Options)

// Seed makes the org another one: other ids.
func Seed(n int64) Option { return func(o *app.Options) { o.OrgSeed = n } }

// Model gives the org another object model, in YAML.
func Model(text string) Option { return func(o *app.Options) { o.Model = []byte(text) } }

// Clock gives the org another time.
func Clock(now func() time.Time) Option { return func(o *app.Options) { o.Clock = now } }

// Speed sets the queue delay and the rows a second.
func Speed(queue time.Duration, rowsPerSecond int) Option {
	return func(o *app.Options) { o.QueueDelay, o.RowsPerSecond = queue, rowsPerSecond }
}

// With changes any option.
func With(change func(*app.Options)) Option { return change }

// Sim is an org under a test. Its methods may be called from several goroutines as far as testing.TB allows.
type Sim struct {
	URL      string // base URL without a trailing slash
	ClientID string
	Secret   string
	Username string

	t    testing.TB
	http *http.Client
}

// Start starts an org that ends with the test.
func Start(t testing.TB, options ...Option) *Sim {
	t.Helper()
	opts := app.Options{QueueDelay: -1, RowsPerSecond: -1, OrgSeed: 1, ClientID: app.DefaultClientID, ClientSecret: app.DefaultClientSecret}
	for _, o := range options {
		o(&opts)
	}
	a, err := app.New(opts)
	if err == nil {
		err = a.Start(t.Context())
	}
	if err != nil {
		t.Fatalf("simulator: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	s := Attach(t, a.URL())
	s.ClientID, s.Secret = opts.ClientID, opts.ClientSecret
	return s
}

// Attach speaks to an org that runs elsewhere, with the default client.
func Attach(t testing.TB, base string) *Sim {
	// A transport of its own, so that no idle connection outlives the test.
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Sim{
		URL: strings.TrimRight(base, "/"), ClientID: app.DefaultClientID, Secret: app.DefaultClientSecret, Username: app.DefaultUsername,
		t: t, http: &http.Client{Transport: transport},
	}
}

// ask sends one control request and returns the body of its answer; the second result is false for 404.
func (s *Sim) ask(method, path string, body any) ([]byte, bool) {
	s.t.Helper()
	// Not the test's context: the org is asked in cleanups too.
	ctx, cancel := context.WithTimeout(context.Background(), patience+5*time.Second)
	defer cancel()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatalf("simulator: %s %s: %v", method, path, err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/sim/"+path, in)
	if err != nil {
		s.t.Fatalf("simulator: %s %s: %v", method, path, err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatalf("simulator: %s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("simulator: %s %s: %v", method, path, err)
	}
	if res.StatusCode == http.StatusNotFound {
		return out, false
	}
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("simulator: %s %s: %s: %s", method, path, res.Status, out)
	}
	return out, true
}

func decode[T any](s *Sim, path string, body []byte) T {
	s.t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		s.t.Fatalf("simulator: %s: %v", path, err)
	}
	return v
}

func get[T any](s *Sim, path string) T {
	s.t.Helper()
	body, ok := s.ask(http.MethodGet, path, nil)
	if !ok {
		s.t.Fatalf("simulator: GET %s: %s", path, body)
	}
	return decode[T](s, path, body)
}

func lines[T any](s *Sim, path string) []T {
	s.t.Helper()
	body, ok := s.ask(http.MethodGet, path, nil)
	if !ok {
		s.t.Fatalf("simulator: GET %s: %s", path, body)
	}
	var out []T
	sc := bufio.NewScanner(bytes.NewReader(body))
	sc.Buffer(nil, len(body)+1)
	for sc.Scan() {
		out = append(out, decode[T](s, path, sc.Bytes()))
	}
	return out
}

// ControlURL is the base URL of the control API, with a trailing slash.
func (s *Sim) ControlURL() string { return s.URL + "/sim/" }

// OrgID is the 18-character id of the org.
func (s *Sim) OrgID() string {
	s.t.Helper()
	return get[struct {
		OrgID string `json:"org_id"`
	}](s, "").OrgID
}

// APICalls is the number of calls counted against the daily limit.
func (s *Sim) APICalls() int {
	s.t.Helper()
	return get[struct {
		APICalls int `json:"api_calls"`
	}](s, "").APICalls
}

// Counts returns the rows of every object that jobs may write, with digests.
func (s *Sim) Counts() map[string]Count {
	s.t.Helper()
	return get[map[string]Count](s, "counts?digest=1")
}

// Record returns a row by external id or Id with all its versions; it is false when the org does not hold it.
func (s *Sim) Record(object, key string) (Record, bool) {
	s.t.Helper()
	path := "records/" + url.PathEscape(object) + "/" + url.PathEscape(key)
	body, ok := s.ask(http.MethodGet, path, nil)
	if !ok {
		return Record{}, false
	}
	return decode[Record](s, path, body), true
}

// Records returns every row of an object, with its history if asked.
func (s *Sim) Records(object string, history bool) []Record {
	s.t.Helper()
	path := "records/" + url.PathEscape(object)
	if history {
		path += "?versions=all"
	}
	return lines[Record](s, path)
}

// Calls returns the calls with numbers above since; an empty endpoint means all.
func (s *Sim) Calls(since int64, endpoint Endpoint) []Call {
	s.t.Helper()
	return s.callList(url.Values{"since": {strconv.FormatInt(since, 10)}, "endpoint": {string(endpoint)}})
}

// AwaitCall waits for a call with a number above since to begin (or, with done, to end) and returns it.
func (s *Sim) AwaitCall(since int64, endpoint Endpoint, done bool) Call {
	s.t.Helper()
	list := s.callList(url.Values{
		"since": {strconv.FormatInt(since, 10)}, "endpoint": {string(endpoint)}, "wait": {patience.String()},
		"done": {strconv.FormatBool(done)}, "limit": {"1"},
	})
	if len(list) == 0 {
		s.t.Fatalf("simulator: no %s call after number %d within %s", endpoint, since, patience)
	}
	return list[0]
}

func (s *Sim) callList(q url.Values) []Call {
	s.t.Helper()
	return get[struct {
		Calls []Call `json:"calls"`
	}](s, "calls?"+q.Encode()).Calls
}

// Jobs returns every job there was, oldest first, deleted ones too.
func (s *Sim) Jobs() []Job {
	s.t.Helper()
	return get[[]Job](s, "jobs")
}

// AwaitJob waits until a job is finished, closed, uploaded or in a state (or past it) and returns it.
func (s *Sim) AwaitJob(id, until string) Job {
	s.t.Helper()
	return get[Job](s, "jobs/"+url.PathEscape(id)+"?"+url.Values{"wait": {until}, "timeout": {patience.String()}}.Encode())
}

// UploadOf returns the CSV that a job was sent, byte for byte.
func (s *Sim) UploadOf(id string) []byte {
	s.t.Helper()
	body, ok := s.ask(http.MethodGet, "jobs/"+url.PathEscape(id)+"/upload", nil)
	if !ok {
		s.t.Fatalf("simulator: upload of %s: %s", id, body)
	}
	return body
}

// Rows returns the truth about every row of a job, in upload order.
func (s *Sim) Rows(id string) []Row {
	s.t.Helper()
	return lines[Row](s, "jobs/"+url.PathEscape(id)+"/rows")
}

// Seed puts records into the org as if they had always been there.
func (s *Sim) Seed(object string, records ...map[string]string) {
	s.t.Helper()
	s.ask(http.MethodPost, "seed", map[string]any{"object": object, "records": records})
}

// AddFault adds a rule and returns its id.
func (s *Sim) AddFault(rule Fault) string {
	s.t.Helper()
	body, _ := s.ask(http.MethodPost, "faults", []Fault{rule})
	return decode[struct {
		IDs []string `json:"ids"`
	}](s, "faults", body).IDs[0]
}

// Faults returns the rules with their hits.
func (s *Sim) Faults() []Fault {
	s.t.Helper()
	return get[[]Fault](s, "faults")
}

// Hits is how often a rule took effect.
func (s *Sim) Hits(id string) int {
	s.t.Helper()
	for _, f := range s.Faults() {
		if f.ID == id {
			return f.Hits
		}
	}
	s.t.Fatalf("simulator: there is no fault %q", id)
	return 0
}

// ClearFaults removes the rules with these ids, or all.
func (s *Sim) ClearFaults(ids ...string) {
	s.t.Helper()
	s.ask(http.MethodDelete, "faults?"+url.Values{"id": ids}.Encode(), nil)
}

// Set changes settings by their JSON names, such as "daily_api_limit".
func (s *Sim) Set(values map[string]any) {
	s.t.Helper()
	s.ask(http.MethodPost, "settings", values)
}

// Advance moves the org's clock forward.
func (s *Sim) Advance(d time.Duration) {
	s.t.Helper()
	s.ask(http.MethodPost, "clock", map[string]string{"advance": d.String()})
}

// ExpireTokens ends every session, so that the next call of each client is answered 401.
func (s *Sim) ExpireTokens() {
	s.t.Helper()
	s.ask(http.MethodPost, "tokens/expire", nil)
}

// Reset empties the org.
func (s *Sim) Reset() {
	s.t.Helper()
	s.ask(http.MethodPost, "reset", nil)
}

// Times is for Fault.Times: n effects, 0 = for ever.
func Times(n int) *int { return &n }

// AfterRows is for Effect.Rows.
func AfterRows(n int) *int { return &n }

// String names the org in failure messages.
func (s *Sim) String() string { return fmt.Sprintf("simulated org at %s", s.URL) }
