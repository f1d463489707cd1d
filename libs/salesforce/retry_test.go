package salesforce

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestRetryWait(t *testing.T) {
	policy := Retry{Tries: 4, Base: 500 * time.Millisecond, Max: 8 * time.Second}
	busy := &Error{Status: http.StatusServiceUnavailable}
	t.Run("the wait grows to its bound and stays between a tenth and all of it", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p := Retry{Tries: 100, Base: policy.Base, Max: policy.Max}
			attempt := rapid.IntRange(1, 99).Draw(t, "attempt")
			draw := rapid.Float64Range(0, 0.999).Draw(t, "draw")
			wait, again := retryWait(p, attempt, busy, draw)
			ceiling := p.Max
			if attempt < 5 {
				ceiling = p.Base << (attempt - 1)
			}
			if !again || wait < ceiling/10 || wait > ceiling {
				t.Fatalf("wait %v of %v, %v", wait, ceiling, again)
			}
		})
	})
	for _, test := range []struct {
		name    string
		attempt int
		err     error
		again   bool
	}{
		{"the last try is the last", 4, busy, false},
		{"an edge without a route is tried again", 1, &Error{Status: 420}, true},
		{"too many requests are tried again", 1, &Error{Status: 429}, true},
		{"an error of the server is tried again", 1, &Error{Status: 500, Code: "UNKNOWN_EXCEPTION"}, true},
		{"a bad gateway is tried again", 1, &Error{Status: 502, HTML: true}, true},
		{"a gateway's timeout is tried again", 1, &Error{Status: 504}, true},
		{"a page with status 200 is tried again", 1, &Error{Status: 200, HTML: true}, true},
		{"a lost connection is tried again", 1, &TransportError{Err: io.ErrUnexpectedEOF}, true},
		{"our own timeout is tried again", 1, &TransportError{Err: errCallTimeout}, true},
		{"a bad certificate is not", 1, &TransportError{Err: &tls.CertificateVerificationError{Err: errors.New("expired")}}, false},
		{"what the caller cancelled is not", 1, &TransportError{Err: context.Canceled}, false},
		{"a refusal is not", 1, &Error{Status: 400, Code: "INVALIDJOB"}, false},
		{"a used-up quota is not", 1, &Error{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Class: record.ClassQuota}, false},
		{"a job that is not there is not", 1, &Error{Status: 404, Code: "NOT_FOUND"}, false},
		{"an unimplemented method is not", 1, &Error{Status: 501}, false},
		{"a request that was never sent is not", 1, &RequestError{}, false},
		{"a wait that the server asks for beyond the bound is the caller's", 1, &Error{Status: 503, retryAfter: 9 * time.Second}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, again := retryWait(policy, test.attempt, test.err, 0.5); again != test.again {
				t.Errorf("again is %v", again)
			}
		})
	}
	t.Run("a wait that the server asks for is kept", func(t *testing.T) {
		if wait, again := retryWait(policy, 1, &Error{Status: 503, retryAfter: 5 * time.Second}, 0); !again || wait != 5*time.Second {
			t.Errorf("got %v, %v", wait, again)
		}
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "abc": 0, "120": 2 * time.Minute, "0": time.Second, "-1": time.Second, "0.2": time.Second, "NaN": time.Second,
		"315360000": 15 * time.Minute, "1e300": 15 * time.Minute, "Inf": 15 * time.Minute,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2020 03:05:05 GMT": time.Second, "Fri, 02 Jan 2099 03:05:05 GMT": 15 * time.Minute,
	} {
		t.Run("Retry-After "+value, func(t *testing.T) {
			if got := parseRetryAfter(value, now); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestReadingCallsAreRepeated(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter){
		"420 of the edge": func(w http.ResponseWriter) { writePage(w, 420) },
		"429":             func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
		"500":             func(w http.ResponseWriter) { writeError(w, 500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.") },
		"502":             func(w http.ResponseWriter) { writePage(w, http.StatusBadGateway) },
		"503":             func(w http.ResponseWriter) { writeError(w, 503, "SERVER_UNAVAILABLE", "Server is busy") },
		"504":             func(w http.ResponseWriter) { writePage(w, http.StatusGatewayTimeout) },
		"a page with 200": func(w http.ResponseWriter) { writePage(w, http.StatusOK) },
		"half a reply": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":`)
		},
		"JSON that breaks off":      func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"id":"75`) },
		"a closed connection":       func(http.ResponseWriter) { cutConnection() },
		"an array that is no error": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `[1,2]`) },
		"a job without a state":     func(w http.ResponseWriter) { writeJSON(w, 200, map[string]string{"id": testJob}) },
		"an answer of another job": func(w http.ResponseWriter) {
			writeJSON(w, 200, map[string]string{"id": "750000000000002", "state": "Open"})
		},
		"an empty body instead of it": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					fault(w)
					return
				}
				writeJSON(w, http.StatusOK, map[string]any{"id": testJob, "state": "InProgress"})
			})
			info, err := o.client().Job(t.Context(), testJob)
			if name == "a job without a state" || name == "an answer of another job" {
				// These are answers of the API itself, odd ones: reported, not repeated.
				if err == nil || Definite(err) {
					t.Errorf("got %+v, %v", info, err)
				}
				return
			}
			if err != nil || info.State != StateInProgress || len(o.calls()) != 2 {
				t.Errorf("got %+v, %v after %d calls", info, err, len(o.calls()))
			}
		})
		t.Run(name+": a close is sent once, its effect unknown", func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fault(w) })
			_, err := o.client().CloseJob(t.Context(), testJob)
			if err == nil || Definite(err) || len(o.calls()) != 1 {
				t.Errorf("got %v after %d calls", err, len(o.calls()))
			}
		})
	}
	t.Run("tries are bounded", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { writePage(w, http.StatusServiceUnavailable) })
		_, err := o.client().Job(t.Context(), testJob)
		if !IsUnreachable(err) || len(o.calls()) != 3 {
			t.Errorf("got %v after %d calls", err, len(o.calls()))
		}
	})
	t.Run("the end of the context ends the waiting, and both errors are told", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writePage(w, http.StatusServiceUnavailable)
		})
		c := o.client(func(cfg *Config) {
			cfg.Retry = Retry{Tries: 5, Base: time.Hour, Max: time.Hour}
			cfg.Observe = func(call Call) {
				if call.Status == http.StatusServiceUnavailable {
					cancel()
				}
			}
		})
		_, err := c.Job(ctx, testJob)
		if !errors.Is(err, context.Canceled) || (!strings.Contains(err.Error(), "503") && !strings.Contains(err.Error(), "no answer")) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a call without a reply ends with the call's timeout, not as if cancelled", func(t *testing.T) {
		release := make(chan struct{})
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) { <-release })
		defer close(release)
		c := o.client(func(cfg *Config) { cfg.Timeouts.Call, cfg.Retry.Tries = 30*time.Millisecond, 2 })
		_, err := c.Job(t.Context(), testJob)
		if !errors.Is(err, errCallTimeout) || !IsUnreachable(err) || Definite(err) || errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
