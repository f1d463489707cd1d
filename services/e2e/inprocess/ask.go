package inprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"bulkhead/libs/record"
)

// maxAnswer bounds an answer of ops, in bytes: no test asks for that much.
const maxAnswer = 256 << 20

// OpsURL is the root of ops' HTTP API, without a slash at its end; another one after ops was started again.
func (s *Stack) OpsURL() string { return s.ops }

// Call calls ops' HTTP API. in is sent as JSON; nil = no body. An error is one of the way there; what ops refuses is told by the status.
func (s *Stack) Call(method, path string, in any) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(s.T.Context(), s.options.Patience)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.ops+path, body)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}

// Ask calls ops' HTTP API and reads its answer into out, unless that is nil; anything but 200 ends the test.
func (s *Stack) Ask(method, path string, in, out any) {
	s.T.Helper()
	status, answer, err := s.Call(method, path, in)
	s.Must(err)
	if status != http.StatusOK {
		s.T.Fatalf("%s %s: %d: %s", method, path, status, answer)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		s.T.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

// Get is the answer to a GET, as it is; anything but 200 ends the test.
func (s *Stack) Get(path string) []byte {
	s.T.Helper()
	status, answer, err := s.Call(http.MethodGet, path, nil)
	s.Must(err)
	if status != http.StatusOK {
		s.T.Fatalf("GET %s: %d: %s", path, status, answer)
	}
	return answer
}

// Balance is what ops says of records, with what no term of it counts.
type Balance struct {
	record.Balance

	// Repeats are the records that were known when they were read; Unread are messages.
	Repeats, Unread int64
	// Failed are attempts by class.
	Failed map[string]int64
}

// Calm says whether nothing moves, or waits for something that will come.
func (b Balance) Calm() bool { return b.InFlight+b.Retrying+b.WaitingForParent+b.Unread == 0 }

// Balance asks for the balance of a pipeline ("" = all) and a run ("" = all).
func (s *Stack) Balance(pipeline, run string) Balance {
	s.T.Helper()
	var r struct {
		Balance        record.Balance   `json:"balance"`
		AddsUp         bool             `json:"adds_up"`
		Repeats        int64            `json:"repeats"`
		FailedAttempts map[string]int64 `json:"failed_attempts"`
		Unread         struct {
			Messages int64 `json:"messages"`
		} `json:"unread"`
	}
	s.Ask(http.MethodGet, "/v1/balance?"+url.Values{"pipeline": {pipeline}, "run": {run}}.Encode(), nil, &r)
	if !r.AddsUp || !r.Balance.AddsUp() {
		s.T.Errorf("the balance of pipeline %q, run %q does not add up: %+v", pipeline, run, r.Balance)
	}
	return Balance{Balance: r.Balance, Repeats: r.Repeats, Unread: r.Unread.Messages, Failed: r.FailedAttempts}
}

// Rest waits until a pipeline ("" = all) is calm and holds all of what, as all says; it returns the balance then.
func (s *Stack) Rest(pipeline, what string, all func(Balance) bool) Balance {
	s.T.Helper()
	var b Balance
	s.Eventually(what+" comes to rest", func() bool {
		b = s.Balance(pipeline, "")
		return all(b) && b.Calm()
	})
	return b
}
