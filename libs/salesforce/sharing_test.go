package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/libs/record"
)

// goodOrg answers every call rightly.
func goodOrg(t *testing.T) *scriptedOrg {
	t.Helper()
	o := newScriptedOrg(t, nil)
	o.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, base+"/")
		for _, call := range wireCalls() {
			if call.path == path && call.method == r.Method && call.good != nil {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Sforce-Limit-Info", "api-usage=7/5000")
				call.good(w)
				return
			}
		}
		t.Errorf("%s %s came, which no call sends", r.Method, path)
	}
	return o
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Run("by every call, one after the other, refusals among them", func(t *testing.T) {
		o := goodOrg(t)
		good, n := o.answer, 0
		o.answer = func(k int, w http.ResponseWriter, r *http.Request) {
			if n++; n%3 == 0 {
				_, _ = io.Copy(io.Discard, r.Body)
				writeError(w, http.StatusBadRequest, "INVALIDJOBSTATE", "no")
				return
			}
			good(k, w, r)
		}
		opened := 0
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			opened++
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
		c := o.client(func(cfg *Config) { cfg.HTTP = &http.Client{Transport: transport} })
		for range 3 {
			for _, call := range wireCalls() {
				_ = call.do(t.Context(), c)
			}
		}
		if opened != 1 || len(o.calls()) < 3*19 {
			t.Errorf("%d connections for %d calls", opened, len(o.calls()))
		}
	})
	t.Run("not by a runaway without bound, and not when they are dead", func(t *testing.T) {
		login := "https://acme.my.salesforce.com"
		c, err := New(Config{LoginURL: login, ClientID: "id", ClientSecret: func() (string, error) { return "s", nil }})
		if err != nil {
			t.Fatal(err)
		}
		transport, ok := c.http.Transport.(*http.Transport)
		if !ok || transport.MaxConnsPerHost == 0 || transport.DisableKeepAlives || transport.IdleConnTimeout == 0 || transport.HTTP2 == nil || transport.HTTP2.SendPingTimeout == 0 {
			t.Errorf("%+v", c.http.Transport)
		}
	})
}

func TestEveryReplyTellsTheUsage(t *testing.T) {
	for _, call := range wireCalls() {
		for _, status := range []int{0, http.StatusForbidden, http.StatusInternalServerError, http.StatusNoContent} {
			t.Run(fmt.Sprintf("%s, answered %d", call.name, status), func(t *testing.T) {
				o := goodOrg(t)
				reply := func(w http.ResponseWriter) {
					w.Header().Set("Sforce-Limit-Info", "api-usage=7/5000; api-bursts=1/750")
					switch status {
					case 0:
						if call.good != nil {
							call.good(w)
						}
					default:
						w.WriteHeader(status)
					}
				}
				o.answer = func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w) }
				if call.manner == logsIn {
					o.login = func(_ int, w http.ResponseWriter, _ *http.Request) { reply(w) }
				} else {
					o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
						writeJSONWithoutUsage(w, o.server.URL)
					}
				}
				c := o.client(func(cfg *Config) {
					cfg.Retry.Tries = 1
					if call.setup != nil {
						call.setup(cfg)
					}
				})
				_ = call.do(t.Context(), c)
				if used, allowed, ok := c.Usage(); used != 7 || allowed != 5000 || !ok {
					t.Errorf("%d of %d, %v", used, allowed, ok)
				}
			})
		}
	}
}

// writeJSONWithoutUsage answers a login as the token endpoint does, which tells no usage.
func writeJSONWithoutUsage(w http.ResponseWriter, base string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":"t","instance_url":%q,"token_type":"Bearer","id":"%s/id/%s/%s"}`, base, base, testOrg, testUser)
}

// waiter is a context that tells when somebody begins to wait for its end.
type waiter struct {
	context.Context
	waits *atomic.Int64
}

func (w waiter) Done() <-chan struct{} {
	w.waits.Add(1)
	return w.Context.Done()
}

func TestOneLoginForAll(t *testing.T) {
	const callers = 50
	t.Run("fifty callers whose session expired while they called log in once more", func(t *testing.T) {
		var together sync.WaitGroup
		together.Add(callers)
		o := newScriptedOrg(t, nil)
		o.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer token1" {
				together.Done()
				together.Wait() // so that all are under way when the first one hears of it
				writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{})
		}
		c := o.client()
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				if _, err := c.Limits(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if o.loginCount() != 2 || len(o.calls()) != 2*callers {
			t.Errorf("%d logins, %d calls", o.loginCount(), len(o.calls()))
		}
	})
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		class  record.Class
		logins int
	}{
		{"a refusal", func(w http.ResponseWriter) {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_client", "error_description": "invalid client credentials"})
		}, record.ClassAuth, 1},
		{"an org that is away", func(w http.ResponseWriter) { writePage(w, http.StatusServiceUnavailable) }, record.ClassTransient, 3},
	} {
		t.Run(test.name+" is shared by all who waited for that login", func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			arrived, hold := make(chan struct{}), make(chan struct{})
			o.login = func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					close(arrived)
				}
				<-hold
				test.answer(w)
			}
			c := o.client()
			errs := make(chan error, callers)
			ask := func(ctx context.Context) { _, err := c.Limits(ctx); errs <- err }
			go ask(t.Context())
			<-arrived
			var waits atomic.Int64
			for range callers - 1 {
				go ask(waiter{t.Context(), &waits})
			}
			for waits.Load() < callers-1 {
				runtime.Gosched()
			}
			close(hold)
			for range callers {
				if err := <-errs; ClassOf(err) != test.class {
					t.Errorf("got %v", err)
				}
			}
			if o.loginCount() != test.logins {
				t.Errorf("%d logins, want %d", o.loginCount(), test.logins)
			}
			o.login = nil
			if _, err := c.Limits(t.Context()); err != nil {
				t.Errorf("who comes later does not get a login of its own: %v", err)
			}
		})
	}
	t.Run("a caller who gives up does not take the others with it", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		arrived := make(chan struct{})
		o.login = func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				close(arrived)
				_, _ = io.Copy(io.Discard, r.Body) // the end of a connection is seen behind the request only
				<-r.Context().Done()
				return
			}
			o.grant(w, "t", testOrg)
		}
		c := o.client()
		impatient, giveUp := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := c.Limits(impatient); first <- err }()
		<-arrived
		var waits atomic.Int64
		go func() { _, err := c.Limits(waiter{t.Context(), &waits}); second <- err }()
		for waits.Load() == 0 {
			runtime.Gosched()
		}
		giveUp()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the first got %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the second got %v", err)
		}
	})
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("by any call with any fault", func(t *testing.T) {
		for _, fault := range wireFaults {
			for _, call := range wireCalls() {
				o, c := newFaultyOrg(t, call, fault, 1)
				ctx, cancel := context.WithTimeout(t.Context(), shortPatience)
				_ = call.do(ctx, c)
				cancel()
				c.http.CloseIdleConnections()
				o.server.Close()
			}
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}
