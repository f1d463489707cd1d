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
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/app"
)

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
	opts := app.Options{
		QueueDelay: -1, RowsPerSecond: -1, OrgSeed: 1, ClientID: app.DefaultClientID, ClientSecret: app.DefaultClientSecret,
		JWTPublicKeys: [][]byte{keyPair().public},
	}
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
