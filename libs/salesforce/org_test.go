package salesforce

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testOrg  = "00D000000000001EAA"
	testUser = "005000000000001AAA"
	testJob  = "750000000000001AAA"
	base     = "/services/data/v66.0"
)

// seen is one request that the scripted org was sent.
type seen struct {
	method, uri, token, body, contentType, userAgent string
}

// scriptedOrg is an HTTP server that answers logins itself and everything else by a script.
type scriptedOrg struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	requests []seen
	logins   int
	// login may answer a login itself; nil means a good token named tokenN.
	login func(n int, w http.ResponseWriter, r *http.Request)
	// answer handles all other requests; n counts them from 1.
	answer func(n int, w http.ResponseWriter, r *http.Request)
	// partial says that requests may break off before their end: such ones are none.
	partial bool
}

func newScriptedOrg(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *scriptedOrg {
	t.Helper()
	o := &scriptedOrg{t: t, answer: answer}
	o.server = httptest.NewServer(o)
	t.Cleanup(o.server.Close)
	return o
}

func (o *scriptedOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == tokenPath {
		o.mu.Lock()
		o.logins++
		n, login := o.logins, o.login
		o.mu.Unlock()
		if login != nil {
			login(n, w, r)
			return
		}
		o.grant(w, fmt.Sprintf("token%d", n), testOrg)
		return
	}
	body := ""
	if r.Header.Get("Expect") == "" && r.Method != http.MethodPut {
		b, err := io.ReadAll(r.Body)
		if err != nil && o.partial {
			return
		}
		if err != nil {
			o.t.Errorf("reading a request: %v", err)
		}
		body = string(b)
	}
	o.mu.Lock()
	o.requests = append(o.requests, seen{
		method: r.Method, uri: r.RequestURI, body: body, contentType: r.Header.Get("Content-Type"),
		token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), userAgent: r.Header.Get("User-Agent"),
	})
	n := len(o.requests)
	o.mu.Unlock()
	o.answer(n, w, r)
}

// grant answers a login as Salesforce does.
func (o *scriptedOrg) grant(w http.ResponseWriter, token, org string) {
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": token, "signature": "c2lnbmF0dXJl", "instance_url": o.server.URL, "token_type": "Bearer",
		"id": o.server.URL + "/id/" + org + "/" + testUser, "issued_at": "1700000000000", "api_instance_url": o.server.URL,
	})
}

func (o *scriptedOrg) calls() []seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]seen(nil), o.requests...)
}

func (o *scriptedOrg) loginCount() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.logins
}

// client makes a client of the scripted org whose waits are short.
func (o *scriptedOrg) client(change ...func(*Config)) *Client {
	o.t.Helper()
	cfg := Config{
		LoginURL: o.server.URL, ClientID: "consumer-key", AllowInsecureLoopback: true,
		ClientSecret: func() (string, error) { return "s3cret-value\n", nil },
		Retry:        Retry{Tries: 3, Base: time.Millisecond, Max: 5 * time.Millisecond},
		Timeouts:     Timeouts{Call: 20 * time.Second, Login: 20 * time.Second, Upload: 20 * time.Second, Idle: 20 * time.Second},
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		o.t.Fatalf("New: %v", err)
	}
	o.t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Sforce-Limit-Info", "api-usage=18/5000")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, []map[string]string{{"errorCode": code, "message": message}})
}

func writePage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "\n<!DOCTYPE html><html><title>Sorry</title></html>")
}

func writeCSV(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
	_, _ = io.WriteString(w, body)
}

// cutConnection ends the connection without a word, or in the middle of one.
func cutConnection() { panic(http.ErrAbortHandler) }
