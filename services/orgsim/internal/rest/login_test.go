package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func FuzzReadSOAP(f *testing.F) {
	for _, seed := range []string{
		"", "<a/>", "<Envelope><Body><login><username>u</username><password>p</password></login></Body></Envelope>",
		`<s:Envelope xmlns:s="x"><s:Header><SessionHeader><sessionId>00D!x</sessionId></SessionHeader></s:Header><s:Body><logout/></s:Body></s:Envelope>`,
		`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "<a></b>", `<?xml version="1.0" encoding="latin1"?><a/>`, strings.Repeat("<a>", 20),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := readSOAP(body)
		var refusal *soapError
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q: %v is no fault", body, err)
		}
		if err == nil && req.operation == "" {
			t.Errorf("%q has no operation", body)
		}
	})
}

func TestInstant(t *testing.T) {
	for _, tc := range []struct {
		does, text string
		want       int64 // seconds since 1970; 0 = refused
	}{
		{"reads a number", "1700000000", 1_700_000_000},
		{"reads a number with a fraction", "1700000000.9", 1_700_000_000},
		{"reads text", `"1700000000"`, 1_700_000_000},
		{"reads milliseconds as a time far ahead", "1795304320172", 1_795_304_320_172},
		{"keeps a time beyond all measure within what can be compared", "1e300", maxInstant},
		{"does so with one before all time", "-1e300", -maxInstant},
		{"refuses words", `"soon"`, 0},
		{"refuses what is no number", `"NaN"`, 0},
		{"refuses an object", `{}`, 0},
	} {
		t.Run(tc.does, func(t *testing.T) {
			var got instant
			err := json.Unmarshal([]byte(tc.text), &got)
			if (err != nil) != (tc.want == 0) || err == nil && got.Unix() != tc.want {
				t.Errorf("got %v, %v", got.Time, err)
			}
		})
	}
}

func FuzzInstant(f *testing.F) {
	for _, seed := range []string{"0", `"1"`, "1e400", "-1", "null", `"Inf"`, "[]"} {
		f.Add(seed)
	}
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		var got struct{ Exp *instant }
		if json.Unmarshal([]byte(`{"exp":`+text+`}`), &got) == nil && got.Exp != nil && got.Exp.Before(now) == got.Exp.After(now) && !got.Exp.Equal(now) {
			t.Errorf("%s is %v, neither before nor after", text, got.Exp.Time)
		}
	})
}

func TestAcceptsGzip(t *testing.T) {
	for _, tc := range []struct {
		does, header string
		want         bool
	}{
		{"nothing is no", "", false},
		{"gzip is yes", "gzip", true},
		{"one of several is yes", "deflate, GZIP;q=0.5, br", true},
		{"a weight of none is no", "gzip; q=0", false},
		{"another name that begins alike is no", "gzipped", false},
		{"a weight that is none counts as yes", "gzip;q=much", true},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := acceptsGzip(http.Header{"Accept-Encoding": {tc.header}}); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
