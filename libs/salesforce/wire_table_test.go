package salesforce

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/libs/record"
)

// wireTries is how often a client of this test sends what may be sent again.
const wireTries = 3

// outcome is what a call does when a fault does not pass.
type outcome struct {
	good     bool         // it succeeds all the same; nothing below counts then
	class    record.Class // of the error
	definite bool         // the error says that nothing happened
	tries    int          // requests sent
	renewed  bool         // a new login was made
}

var (
	fine      = outcome{good: true}
	onceMore  = outcome{class: record.ClassTransient, tries: wireTries}
	onceOnly  = outcome{class: record.ClassTransient, tries: 1}
	quota     = outcome{class: record.ClassQuota, definite: true, tries: 1}
	busy      = outcome{class: record.ClassTransient, definite: true, tries: 1}
	relogged  = outcome{class: record.ClassAuth, definite: true, tries: 2, renewed: true}
	unchanged = outcome{class: record.ClassAuth, definite: true, tries: 1}
)

// outcomes is the table: what each manner of call does with each fault that does not pass. The doc comments of the calls say the same in words.
var outcomes = map[wireFault]map[manner]outcome{
	refused:     {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	resetBefore: {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	resetAfter:  {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	expired: {
		logsIn: unchanged, reads: relogged, streams: relogged, changes: relogged, removes: relogged,
		uploads: {class: record.ClassAuth, definite: true, tries: 1, renewed: true}, // for the next job
	},
	restricted:  {logsIn: unchanged, reads: unchanged, streams: unchanged, changes: unchanged, removes: unchanged, uploads: unchanged},
	overLimit:   {logsIn: quota, reads: quota, streams: quota, changes: quota, removes: quota, uploads: quota},
	concurrent:  {logsIn: busy, reads: busy, streams: busy, changes: busy, removes: busy, uploads: busy},
	brokenOrg:   {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	edgePage:    {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	unavailable: {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	silence:     {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	halfSilence: {logsIn: onceMore, reads: onceMore, streams: onceOnly, changes: onceOnly, removes: fine, uploads: fine},
	half:        {logsIn: onceMore, reads: onceMore, streams: onceOnly, changes: onceOnly, removes: fine, uploads: fine},
	cut:         {logsIn: onceMore, reads: onceMore, streams: onceOnly, changes: onceOnly, removes: fine, uploads: fine},
	// What is JSON is read as JSON, whatever it is called; a result file must say that it is one.
	wrongType:    {logsIn: fine, reads: fine, streams: onceMore, changes: fine, removes: fine, uploads: fine},
	page:         {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
	gzipGarbage:  {logsIn: onceMore, reads: onceMore, streams: onceOnly, changes: onceOnly, removes: fine, uploads: fine},
	otherPacking: {logsIn: onceMore, reads: onceMore, streams: onceMore, changes: onceOnly, removes: onceOnly, uploads: onceOnly},
}

// faultyOrg is an org on which one call goes wrong.
type faultyOrg struct {
	*scriptedOrg
	call  wireCall
	fault wireFault
	// times is how often it goes wrong, 0 = always.
	times int64
	// hits counts the requests of that call that came; sent those that the client says it sent, uploaded the bytes of the last upload.
	hits, sent, uploaded atomic.Int64
}

func newFaultyOrg(t *testing.T, call wireCall, fault wireFault, times int64) (*faultyOrg, *Client) {
	t.Helper()
	o := &faultyOrg{call: call, fault: fault, times: times}
	o.scriptedOrg = newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) { o.reply(w, r) })
	nobody := ""
	if fault == refused {
		nobody = nobodyThere(t)
	}
	o.login = func(n int, w http.ResponseWriter, r *http.Request) {
		if call.manner == logsIn {
			o.reply(w, r)
			return
		}
		o.grantAt(w, n, nobody)
	}
	if call.manner == logsIn {
		o.call.good = func(w http.ResponseWriter) { o.grantAt(w, 1, "") }
	}
	var c *Client
	c = o.client(func(cfg *Config) {
		cfg.Retry.Tries = wireTries
		cfg.Observe = func(seen Call) {
			if seen.Method == call.method && seen.Route == call.route() {
				if o.sent.Add(1) == times {
					o.patience(&c.cfg.Timeouts, longPatience) // in the goroutine that calls; the try under way has its bounds already
				}
			}
		}
		if call.setup != nil {
			call.setup(cfg)
		}
		if fault == silence || fault == halfSilence {
			o.patience(&cfg.Timeouts, shortPatience)
		}
		if call.manner == logsIn && nobody != "" {
			cfg.LoginURL = nobody
		}
	})
	return o, c
}

// patience sets how long the call waits for what the fault withholds, and no other bound.
func (o *faultyOrg) patience(t *Timeouts, d time.Duration) {
	switch {
	case o.call.manner == logsIn:
		t.Login = d
	case o.fault == halfSilence && o.call.manner == streams:
		t.Idle = d
	case o.fault == halfSilence && (o.call.manner == uploads || o.call.manner == removes):
		t.Call, t.Upload = 20*d, 20*d // what counts has come with the header, for which there must be time
	default:
		t.Call, t.Upload, t.Idle = d, d, d
	}
}

// grantAt answers a login with a session, for an instance elsewhere if one is given.
func (o *faultyOrg) grantAt(w http.ResponseWriter, n int, instance string) {
	if instance == "" {
		instance = o.server.URL
	}
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": fmt.Sprintf("s3cret-token-%d", n), "instance_url": instance, "token_type": "Bearer", "id": instance + "/id/" + testOrg + "/" + testUser,
	})
}

func (o *faultyOrg) reply(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, base+"/")
	if path != o.call.path || r.Method != o.call.method {
		for _, other := range wireCalls() {
			if other.path == path && other.method == r.Method && other.good != nil {
				other.good(w)
				return
			}
		}
		o.t.Errorf("%s %s came, which no call sends", r.Method, path)
		return
	}
	n := o.hits.Add(1)
	strikes := o.times == 0 || n <= o.times
	if !strikes || o.fault != resetBefore {
		got, _ := io.Copy(io.Discard, r.Body)
		o.uploaded.Store(got)
	}
	good := httptest.NewRecorder()
	o.call.good(good)
	if strikes {
		o.fault.strike(w, r, good)
		return
	}
	copyHeader(w, good)
	w.WriteHeader(good.Code)
	_, _ = w.Write(good.Body.Bytes())
}

// nobodyThere is an address of this machine where nobody listens.
func nobodyThere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

func TestEveryCallDoesWithEveryFaultWhatItPromises(t *testing.T) {
	t.Parallel()
	for _, fault := range wireFaults {
		for _, call := range wireCalls() {
			if fault == refused && call.follows {
				continue // the request before it meets the fault
			}
			t.Run(call.name+" when it meets "+string(fault)+" for good", func(t *testing.T) {
				t.Parallel()
				want, ok := outcomes[fault][call.manner]
				if !ok {
					t.Fatalf("nothing is promised of what %s", call.manner)
				}
				o, c := newFaultyOrg(t, call, fault, 0)
				err := call.do(t.Context(), c)
				o.check(t, err, want)
			})
			if fault == refused {
				continue // a refused address does not come to life in between
			}
			t.Run(call.name+" when it meets "+string(fault)+" once", func(t *testing.T) {
				t.Parallel()
				want := outcomes[fault][call.manner]
				switch {
				case want.good:
					return // nothing to get over
				case call.manner == logsIn && fault == expired, call.manner == uploads && fault == expired:
				case (fault == resetBefore || fault == resetAfter) && (call.manner == reads || call.manner == streams):
					want = outcome{good: true} // net/http may get over it by itself
				case want.tries > 1:
					want = outcome{good: true, tries: 2, renewed: want.renewed}
				}
				o, c := newFaultyOrg(t, call, fault, 1)
				err := call.do(t.Context(), c)
				o.check(t, err, want)
			})
		}
	}
}

// check compares what a call did with what it promises.
func (o *faultyOrg) check(t *testing.T, err error, want outcome) {
	t.Helper()
	if o.call.manner == uploads && o.fault != resetBefore && o.fault != refused && o.uploaded.Load() != 4 {
		t.Errorf("an upload of %d bytes came, want 4", o.uploaded.Load())
	}
	sent, hits := o.sent.Load(), o.hits.Load()
	if want.tries != 0 && sent != int64(want.tries) {
		t.Errorf("%d tries, want %d", sent, want.tries)
	}
	switch {
	case o.fault == refused:
	case o.call.manner == reads || o.call.manner == streams:
		// On a connection that was used before, net/http itself sends a GET again that was reset.
		if hits < sent || hits > sent+1 || want.good && o.times > 0 && o.fault != wrongType && hits != 2 {
			t.Errorf("%d requests came of %d tries", hits, sent)
		}
	case hits != sent:
		t.Errorf("%d requests came of %d tries", hits, sent)
	}
	if o.call.manner != logsIn {
		if logins := o.loginCount(); logins != 1 && !want.renewed || logins != 2 && want.renewed {
			t.Errorf("%d logins, renewed should be %v", logins, want.renewed)
		}
	}
	if want.good {
		if err != nil {
			t.Errorf("it failed: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("it succeeded")
	}
	if got := ClassOf(err); got != want.class {
		t.Errorf("class %s, want %s: %v", got, want.class, err)
	}
	if Definite(err) != want.definite {
		t.Errorf("definite is %v: %v", !want.definite, err)
	}
	if errors.Is(err, ErrUploadUnsure) != (o.call.manner == uploads) {
		t.Errorf("upload unsure is %v: %v", errors.Is(err, ErrUploadUnsure), err)
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if !strings.Contains(err.Error(), o.call.endpoint) {
		t.Errorf("%q does not name %q", err, o.call.endpoint)
	}
	for _, secret := range []string{"s3cret", secretValue, "BEGIN", "assertion="} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}
