package salesforce

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// observedTransport tells Observe of the login's request, and remembers whether a reply came: the OAuth library keeps that to itself.
type observedTransport struct {
	client *Client
	next   http.RoundTripper
	status int
	broke  error
}

// RoundTrip sends the request on.
func (t *observedTransport) RoundTrip(hr *http.Request) (*http.Response, error) {
	hr = hr.Clone(hr.Context())
	hr.Header.Set("User-Agent", t.client.cfg.UserAgent)
	hr.Header.Set("Accept", "application/json")
	start := time.Now()
	resp, err := t.next.RoundTrip(hr)
	seen := Call{Method: hr.Method, Route: tokenRoute, Took: time.Since(start)}
	if err == nil {
		t.status, seen.Status = resp.StatusCode, resp.StatusCode
		t.client.noteUsage(resp.Header)
		t.client.noteDate(resp.Header)
		resp.Body = &watchedBody{ReadCloser: resp.Body, broke: &t.broke}
	}
	t.client.cfg.Observe(seen)
	return resp, err
}

// watchedBody remembers the error that a body broke off with.
type watchedBody struct {
	io.ReadCloser
	broke *error
}

// Read reads on.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		*b.broke = err
	}
	return n, err
}
