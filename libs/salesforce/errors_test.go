package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"bulkhead/libs/record"
)

func TestWhatAnAnswerMeans(t *testing.T) {
	type verdict struct {
		definite, notFound, auth, quota, unreachable bool
		class                                        record.Class
	}
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   verdict
	}{
		{"an unknown object is a definite refusal by configuration", func(w http.ResponseWriter) {
			writeError(w, 400, "INVALIDJOB", "InvalidJob : Unable to find object: Foo")
		}, verdict{definite: true, class: record.ClassPermission}},
		{"a state that forbids it is definite", func(w http.ResponseWriter) {
			writeError(w, 400, "INVALIDJOBSTATE", "InvalidJobState : Aborting already Completed Job not allowed")
		}, verdict{definite: true, class: record.ClassUnclassified}},
		{"a second upload is definite", func(w http.ResponseWriter) {
			writeError(w, 400, "BULK_API_ERROR", "Found multipe contents for job: <750000000000001>") //nolint:misspell // Salesforce writes it so
		}, verdict{definite: true, class: record.ClassUnclassified}},
		{"a missing job is not found", func(w http.ResponseWriter) {
			writeError(w, 404, "NOT_FOUND", "The requested resource does not exist")
		}, verdict{definite: true, notFound: true, class: record.ClassUnclassified}},
		{
			"a 404 page of the edge is not the job's absence", func(w http.ResponseWriter) { writePage(w, 404) },
			verdict{unreachable: true, class: record.ClassTransient},
		},
		{"the daily limit is quota", func(w http.ResponseWriter) {
			writeError(w, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
		}, verdict{definite: true, quota: true, class: record.ClassQuota}},
		{"a concurrency limit passes", func(w http.ResponseWriter) {
			writeError(w, 403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
		}, verdict{definite: true, class: record.ClassTransient}},
		{
			"too many batches are quota", func(w http.ResponseWriter) { writeError(w, 400, "EXCEEDEDQUOTA", "x") },
			verdict{definite: true, quota: true, class: record.ClassQuota},
		},
		{
			"a disabled API is permission", func(w http.ResponseWriter) { writeError(w, 403, "API_DISABLED_FOR_ORG", "x") },
			verdict{definite: true, class: record.ClassPermission},
		},
		{
			"another user's job is permission", func(w http.ResponseWriter) { writeError(w, 403, "INVALIDUSER", "x") },
			verdict{definite: true, class: record.ClassPermission},
		},
		{
			"any other 403 is permission", func(w http.ResponseWriter) { writeError(w, 403, "SOMETHING_ELSE", "x") },
			verdict{definite: true, class: record.ClassPermission},
		},
		{
			"a login refused by hours is auth", func(w http.ResponseWriter) { writeError(w, 403, "LOGIN_DURING_RESTRICTED_TIME", "x") },
			verdict{definite: true, auth: true, class: record.ClassAuth},
		},
		{
			"a header that is wrong is auth", func(w http.ResponseWriter) { writeError(w, 401, "INVALID_AUTH_HEADER", "x") },
			verdict{definite: true, auth: true, class: record.ClassAuth},
		},
		{
			"a 401 page is auth, but no definite refusal", func(w http.ResponseWriter) { writePage(w, 401) },
			verdict{auth: true, class: record.ClassAuth},
		},
		{
			"a timeout inside Salesforce leaves the effect open", func(w http.ResponseWriter) { writeError(w, 400, "TIMEOUT", "x") },
			verdict{class: record.ClassTransient},
		},
		{
			"an unknown exception leaves the effect open", func(w http.ResponseWriter) { writeError(w, 500, "UNKNOWN_EXCEPTION", "x") },
			verdict{class: record.ClassTransient},
		},
		{
			"a busy server is unreachable", func(w http.ResponseWriter) { writeError(w, 503, "SERVER_UNAVAILABLE", "x") },
			verdict{unreachable: true, class: record.ClassTransient},
		},
		{
			"a bad gateway is unreachable", func(w http.ResponseWriter) { writePage(w, 502) },
			verdict{unreachable: true, class: record.ClassTransient},
		},
		{
			"an edge without a route is unreachable", func(w http.ResponseWriter) { w.WriteHeader(420) },
			verdict{unreachable: true, class: record.ClassTransient},
		},
		{
			"too many requests are unreachable, also when told in JSON", func(w http.ResponseWriter) { writeError(w, 429, "X", "x") },
			verdict{unreachable: true, class: record.ClassTransient},
		},
		{
			"an empty 400 says nothing for sure", func(w http.ResponseWriter) { w.WriteHeader(400) },
			verdict{class: record.ClassTransient},
		},
		{
			"a retired version is configuration", func(w http.ResponseWriter) { writeError(w, 410, "UNSUPPORTED_API_VERSION", "x") },
			verdict{definite: true, class: record.ClassPermission},
		},
		{
			"a page with status 200 is unreachable", func(w http.ResponseWriter) { writePage(w, 200) },
			verdict{unreachable: true, class: record.ClassTransient},
		},
		{
			"an error with status 200 is an error, its effect open", func(w http.ResponseWriter) { writeError(w, 200, "EXCEEDEDQUOTA", "x") },
			verdict{quota: true, class: record.ClassQuota},
		},
		{
			"a connection that is cut is unreachable", func(http.ResponseWriter) { cutConnection() },
			verdict{unreachable: true, class: record.ClassTransient},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { test.answer(w) })
			_, err := o.client().AbortJob(t.Context(), testJob)
			if err == nil {
				t.Fatal("no error")
			}
			wrapped := fmt.Errorf("outer: %w", err)
			got := verdict{Definite(wrapped), IsNotFound(wrapped), IsAuth(wrapped), IsQuota(wrapped), IsUnreachable(wrapped), ClassOf(wrapped)}
			if got != test.want {
				t.Errorf("%v\ngot  %+v\nwant %+v", err, got, test.want)
			}
			if IsJobState(err) != strings.Contains(err.Error(), "INVALIDJOBSTATE") {
				t.Errorf("IsJobState is %v for %v", IsJobState(err), err)
			}
		})
	}
	t.Run("other errors are nothing of it", func(t *testing.T) {
		err := io.EOF
		if Definite(err) || IsNotFound(err) || IsAuth(err) || IsQuota(err) || IsUnreachable(err) || ClassOf(err) != record.ClassUnclassified {
			t.Error("a foreign error was classed")
		}
	})
	t.Run("what was not sent is definite", func(t *testing.T) {
		if !Definite(&RequestError{}) {
			t.Error("not definite")
		}
	})
	t.Run("a call that its caller cancelled says nothing of Salesforce", func(t *testing.T) {
		if IsUnreachable(&TransportError{Err: context.Canceled}) || !IsUnreachable(&TransportError{Err: context.DeadlineExceeded}) {
			t.Error("cancel and deadline are mixed up")
		}
	})
	t.Run("a refused connection is unreachable and names the address", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		c, err := New(Config{
			LoginURL: "http://" + address, AllowInsecureLoopback: true, ClientID: "i",
			ClientSecret: func() (string, error) { return "s", nil }, Retry: Retry{Tries: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.OrgID(t.Context())
		if !IsUnreachable(err) || !strings.Contains(err.Error(), address) {
			t.Errorf("got %v", err)
		}
	})
}

func TestErrorsAreFitForALog(t *testing.T) {
	t.Run("they say place, code, text and fields", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 400, []map[string]any{{"message": "bad", "errorCode": "SOME_CODE", "fields": []string{"Name"}}, {"message": "also"}})
		})
		_, err := o.client().Job(t.Context(), testJob)
		if err == nil || err.Error() != "salesforce GET jobs/ingest/"+testJob+": 400 SOME_CODE: bad (and 1 more errors)" {
			t.Errorf("got %v", err)
		}
		if e, _ := errors.AsType[*Error](err); e == nil || len(e.Fields) != 1 || e.Fields[0] != "Name" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("fields of another shape do not spoil the error", func(t *testing.T) {
		for _, body := range []string{`[{"errorCode":"A","message":"m","fields":null}]`, `[{"errorCode":"A","message":"m","fields":"Name"}]`, `{"errorCode":"A","message":"m"}`} {
			if code, message, _, ok := parseErrorBody([]byte(body)); !ok || code != "A" || message != "m" {
				t.Errorf("%s: %q %q %v", body, code, message, ok)
			}
		}
		for _, body := range []string{``, `[]`, `{}`, `[{}]`, `null`, `"x"`, `[1]`, `{"errorCode":1}`, `<html>`} {
			if _, _, _, ok := parseErrorBody([]byte(body)); ok {
				t.Errorf("%s was taken for an error", body)
			}
		}
	})
	t.Run("control characters are escaped and texts are cut", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, 400, "A", "line\nnext\x1b[31m\u202e"+strings.Repeat("x", 10_000))
		})
		_, err := o.client().Job(t.Context(), testJob)
		if err == nil || strings.ContainsAny(err.Error(), "\n\x1b\u202e") || len(err.Error()) > 600 || !strings.Contains(err.Error(), `line\nnext\x1b[31m`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a query's values are in no error, whatever fails", func(t *testing.T) {
		const canary = "canary@example.test"
		soql := "SELECT Id FROM Contact WHERE Email = " + QuoteSOQL(canary)
		for name, answer := range map[string]func(http.ResponseWriter){
			"refused": func(w http.ResponseWriter) {
				writeError(w, 400, "MALFORMED_QUERY", "\nWHERE Email = '"+canary+"' ORDR BY\n^\nERROR at Row:1:Column:40")
			},
			"cut off":   func(http.ResponseWriter) { cutConnection() },
			"a page":    func(w http.ResponseWriter) { writePage(w, 502) },
			"no JSON":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"records":"`+canary) },
			"odd types": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"records":"`+canary+`"}`) },
		} {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answer(w) })
			_, err := o.client().QueryFirst(t.Context(), soql)
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, cfg := range map[string]func(*Config){
			"connection refused": func(cfg *Config) { cfg.Retry.Tries = 1 },
		} {
			o := newScriptedOrg(t, noLimits)
			c := o.client(cfg)
			if _, err := c.OrgID(t.Context()); err != nil {
				t.Fatal(err)
			}
			o.server.Close()
			if _, err := c.QueryFirst(t.Context(), soql); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a reply beyond its bound is refused", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"id":"`)
			chunk := strings.Repeat("x", 1<<20)
			for range maxJSONBytes>>20 + 1 {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		})
		if _, err := o.client().Job(t.Context(), testJob); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a deeply nested reply is refused", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"records":`+strings.Repeat("[", 1_000_000))
		})
		if _, err := o.client().Jobs(t.Context(), ""); err == nil {
			t.Error("no error")
		}
	})
}

func TestRetryAfterHintIsOnTheError(t *testing.T) {
	o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		writePage(w, http.StatusServiceUnavailable)
	})
	_, err := o.client().Job(t.Context(), testJob)
	if hint, ok := RetryAfterHint(fmt.Errorf("outer: %w", err)); !ok || hint.Seconds() != 120 || len(o.calls()) != 1 {
		t.Errorf("got %v, %v after %d calls", hint, ok, len(o.calls()))
	}
	if _, ok := RetryAfterHint(io.EOF); ok {
		t.Error("a hint from nowhere")
	}
}
