package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
)

// patience is how long the client of the slow cases waits, delay how late the org is then.
const (
	patience = 250 * time.Millisecond
	delay    = time.Second
)

// faults are what goes wrong, each once. broken says that the answer is cut or garbled on its way, behind its header.
var faults = []struct {
	name   string
	effect simtest.Effect
	broken bool
	passes func(manner) bool // the call succeeds all the same
}{
	{"a reset before the effect", simtest.Effect{Kind: simtest.DropBefore}, false, repeatable},
	{"a reset after the effect", simtest.Effect{Kind: simtest.DropAfter}, false, repeatable},
	{"an expired session", simtest.Effect{Kind: simtest.ExpireToken}, false, func(m manner) bool { return m != uploads }},
	{"the daily limit", simtest.Effect{Kind: simtest.Quota, Quota: simtest.QuotaDaily}, false, func(m manner) bool { return m == logsIn }},
	{"500", simtest.Effect{Kind: simtest.Status, Status: 500, Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred."}, false, repeatable},
	{"500 after the effect", simtest.Effect{Kind: simtest.Status, Status: 500, Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred.", When: "after"}, false, repeatable},
	{"502 with a page", simtest.Effect{Kind: simtest.Status, Status: 502, Body: "<html>Bad gateway</html>"}, false, repeatable},
	{"503", simtest.Effect{Kind: simtest.OrgDown}, false, repeatable},
	{"503 with a page", simtest.Effect{Kind: simtest.OrgDown, Format: "html"}, false, repeatable},
	{"no answer in time", simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(delay)}, false, repeatable},
	{"no answer in time, but the effect", simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(delay), When: "after"}, false, repeatable},
	{"half an answer", simtest.Effect{Kind: simtest.HalfReply, Bytes: 7}, true, repeatable},
	{"half an answer that ends as if it were whole", simtest.Effect{Kind: simtest.Truncate, Bytes: 7}, true, repeatable},
	{"another content type", simtest.Effect{Kind: simtest.WrongType}, false, func(manner) bool { return true }},
	{"what is no gzip under that name", simtest.Effect{Kind: simtest.GzipGarbage}, true, repeatable},
	{"gzip that breaks", simtest.Effect{Kind: simtest.GzipGarbage, Bytes: 7}, true, repeatable},
}

func repeatable(m manner) bool { return m == reads || m == streams || m == logsIn }

// TestWhatTheClientSaysIsWhatTheOrgDid asks the org, after each call and fault, what really happened.
func TestWhatTheClientSaysIsWhatTheOrgDid(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			whole := newOrg(t)
			for _, flow := range []string{"credentials", "key"} {
				for _, call := range calls(whole) {
					if flow == "key" && call.manner != logsIn {
						continue // how one logged in makes no difference to what follows
					}
					t.Run(call.name+" by "+flow, func(t *testing.T) {
						o := whole.under(t)
						c := o.client(func(cfg *salesforce.Config) {
							if flow == "key" {
								byKey(o)(cfg)
							}
							if f.effect.Kind == simtest.Latency {
								cfg.Timeouts = salesforce.Timeouts{Call: patience, Login: patience, Upload: patience, Idle: patience}
							}
						})
						if _, err := c.Identity(t.Context()); err != nil {
							t.Fatal(err)
						}
						job := o.finished
						if call.job != nil {
							job = call.job(o)
						}
						since := o.last()
						match := simtest.Match{Endpoint: call.endpoint}
						if f.effect.Kind == simtest.OrgDown {
							match = simtest.Match{} // it is the whole org that is away
						}
						rule := o.AddFault(simtest.Fault{Match: match, Effect: f.effect})
						defer o.ClearFaults(rule)
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						err := call.do(ctx, c, job)
						sent, effects := o.happened(since, call.endpoint)
						struck := o.Hits(rule) > 0
						if !struck && (call.manner != logsIn || f.effect.Kind != simtest.Quota && f.effect.Kind != simtest.ExpireToken) {
							t.Error("the fault did not strike")
						}
						judge(t, call, err, sent, effects)
						if err != nil && (strings.Contains(err.Error(), o.Secret) || strings.Contains(err.Error(), o.OrgID()[:15]+"!")) {
							t.Errorf("a secret is in %v", err)
						}
						switch {
						case f.broken && (call.manner == changes || call.manner == uploads || call.manner == streams):
							// What the rest of the answer would have said differs: a reply without content loses nothing.
							if err != nil && call.manner == streams && !errors.Is(err, salesforce.ErrTruncated) && !errors.Is(err, salesforce.ErrMalformed) {
								t.Errorf("a broken file is called %v", err)
							}
						case f.passes(call.manner) && err != nil:
							t.Errorf("it failed: %v", err)
						case !f.passes(call.manner) && err == nil:
							t.Error("it succeeded")
						}
					})
				}
			}
		})
	}
}

// judge holds what a call said against what happened.
func judge(t *testing.T, call call, err error, sent, effects int) {
	t.Helper()
	changing := call.manner == changes || call.manner == uploads
	if changing && effects > 1 {
		t.Errorf("it had its effect %d times", effects)
	}
	if err == nil && effects == 0 {
		t.Error("it says that it succeeded, but nothing happened")
	}
	if err != nil && salesforce.Definite(err) && effects != 0 {
		t.Errorf("it says that nothing happened, but it did: %v", err)
	}
	if call.manner == uploads && sent != 1 || call.manner == changes && (sent > 2 || sent == 2 && effects > 1) {
		t.Errorf("%d requests were sent", sent)
	}
	if (err != nil) != errors.Is(err, salesforce.ErrUploadUnsure) && call.manner == uploads {
		t.Errorf("an upload that failed is called %v", err)
	}
}

// last is the number of the org's newest call.
func (o *org) last() int64 {
	o.t.Helper()
	var last int64
	for _, c := range o.Calls(0, "") {
		last = max(last, c.N)
	}
	return last
}

// happened counts the requests of an endpoint since a call, and those that had their effect, once all of them have ended.
func (o *org) happened(since int64, endpoint simtest.Endpoint) (sent, effects int) {
	o.t.Helper()
	for _, c := range o.Calls(since, endpoint) {
		if !c.Done {
			c = o.AwaitCall(c.N-1, endpoint, true)
		}
		sent++
		if c.Applied {
			effects++
		}
	}
	return sent, effects
}
