package salesforce

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// FuzzErrorBody: whatever comes instead of an answer is an error of bounded length, and its class is one.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		`[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`, `{"error":"invalid_grant","error_description":"x"}`,
		`[{"errorCode":"A","message":"b","fields":["c"]},{}]`, `[{"errorCode":"A","fields":"c"}]`, "<html>", "", "[]", "{}", "null", "[null]",
	} {
		f.Add(400, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		code, message, fields, ok := parseErrorBody(body)
		if ok == (code == "") {
			t.Fatalf("code %q, %v", code, ok)
		}
		for _, text := range append(fields, code, message) {
			if utf8.RuneCountInString(text) > maxMessageRunes+1 {
				t.Fatalf("a text of %d bytes is kept", len(text))
			}
		}
		if classifyRequest(status, code, message) == "" {
			t.Fatalf("%d %q has no class", status, code)
		}
		_ = looksLikeHTML(body)
	})
}

// FuzzRefusal: whatever status, headers and body come, the error is one line of bounded length with a class, and its wait is within bounds.
func FuzzRefusal(f *testing.F) {
	c, err := New(Config{LoginURL: "https://acme.my.salesforce.com", ClientID: "id", ClientSecret: func() (string, error) { return "s", nil }})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(401, []byte(`[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`), "application/json", "5", "api-usage=1/2", "Fri, 02 Jan 2026 03:05:05 GMT")
	f.Add(503, []byte("<html>\x00"), "text/html", "Fri, 02 Jan 2099 03:05:05 GMT", "api-usage=99999999999999999999/-1;api-usage=3/4", "yesterday")
	f.Add(420, []byte(`[{"error":"INVALID_SESSION_ID"}]`), "", "0", "0", "0")
	f.Add(302, []byte{0x1f, 0x8b}, "", "-1e99", "api-bursts=1/750", "")
	f.Fuzz(func(t *testing.T, status int, body []byte, media, retryAfter, usage, date string) {
		header := http.Header{"Content-Type": {media}, "Retry-After": {retryAfter}, "Sforce-Limit-Info": {usage}, "Date": {date}}
		c.noteUsage(header)
		c.noteDate(header)
		if used, allowed, ok := c.Usage(); ok && (used < 0 || allowed <= 0) {
			t.Fatalf("usage %d of %d", used, allowed)
		}
		e := c.errorFromBody("GET jobs/ingest", &http.Response{StatusCode: status, Header: header}, body)
		text := e.Error()
		if utf8.RuneCountInString(text) > 3*maxMessageRunes || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
			t.Fatalf("%q", text)
		}
		if e.Class == "" || ClassOf(e) != e.Class {
			t.Fatalf("%s has class %q", text, e.Class)
		}
		if wait, ok := RetryAfterHint(e); ok && (wait < minRetryAfter || wait > maxRetryAfter) {
			t.Fatalf("wait %s", wait)
		}
		if Definite(e) && (e.Status < 400 || e.Status > 499 || e.Code == "" || e.HTML) {
			t.Fatalf("definite: %+v", e)
		}
		if IsUnreachable(e) && IsAuth(e) {
			t.Fatalf("unreachable and refused at once: %+v", e)
		}
	})
}

// FuzzJobInfo: counters and times of a job are what they say, or absent; never negative.
func FuzzJobInfo(f *testing.F) {
	f.Add([]byte(`{"id":"750x","state":"jobcomplete","numberRecordsProcessed":3,"numberRecordsFailed":"1","createdDate":"2026-01-02T19:26:52.000+0000"}`))
	f.Add([]byte(`{"numberRecordsProcessed":-1,"numberRecordsFailed":1e9,"totalProcessingTime":1099511627776}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var j JobInfo
		if json.Unmarshal(body, &j) != nil {
			return
		}
		if j.Processed < 0 || j.Failed < 0 || j.Failed > j.Processed || j.Retries < 0 || j.TotalProcessingTime < 0 || j.APIActiveProcessingTime < 0 {
			t.Fatalf("%+v", j)
		}
	})
}

// FuzzRetryAfter: whatever the header says, the wait is none or within its bounds.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Add("120")
	f.Add("Fri, 02 Jan 2026 03:05:05 GMT")
	f.Add("-1")
	f.Add("99999999999999999999")
	f.Fuzz(func(t *testing.T, text string) {
		if d := parseRetryAfter(text, now); d != 0 && (d < minRetryAfter || d > maxRetryAfter) {
			t.Fatalf("%q is a wait of %s", text, d)
		}
	})
}
