package salesforce

import (
	"encoding/json"
	"testing"
	"time"
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
