package reconcile_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/salesforce"
)

// remote is an org behind an address, as the product's client meets it.
type remote struct {
	url    string
	client *salesforce.Client

	mu     sync.Mutex
	logins int
	calls  []string // method, path and token of each request
}

const someJob = "750000000000001AAA"

// remoteOrg answers logins itself and everything else with h.
func remoteOrg(t *testing.T, h http.HandlerFunc, change ...func(*salesforce.Config)) *remote {
	t.Helper()
	o := &remote{}
	o.serve(t, o.handler(h))
	o.client = remoteClient(t, o.url, change...)
	return o
}

// serve answers everything with h.
func (o *remote) serve(t *testing.T, h http.HandlerFunc) *remote {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func remoteClient(t *testing.T, url string, change ...func(*salesforce.Config)) *salesforce.Client {
	t.Helper()
	config := salesforce.Config{
		LoginURL: url, ClientID: "id", ClientSecret: func() (string, error) { return "secret", nil }, AllowInsecureLoopback: true,
		Retry: salesforce.Retry{Tries: 3, Base: time.Millisecond, Max: 2 * time.Millisecond},
	}
	for _, f := range change {
		f(&config)
	}
	c, err := salesforce.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (o *remote) handler(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		login := r.URL.Path == "/services/oauth2/token"
		if login {
			o.logins++
		} else {
			o.calls = append(o.calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		}
		n := o.logins
		o.mu.Unlock()
		if login {
			base := o.url
			if base == "" {
				base = "https://" + r.Host
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":"token%d","instance_url":%q,"token_type":"Bearer","id":"%s/id/00D000000000001EAA/005000000000001AAA"}`, n, base, base)
			return
		}
		h(w, r)
	}
}

func (o *remote) seen() (logins int, calls []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.logins, append([]string(nil), o.calls...)
}

// results reads the success file to its end.
func results(t *testing.T, c *salesforce.Client) (rows int64, err error) {
	t.Helper()
	r, err := c.Results(t.Context(), someJob, salesforce.Successful)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return r.Rows(), nil
		} else if err != nil {
			return r.Rows(), err
		}
	}
}

func zipped(body string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(body))
	_ = w.Close()
	return out.Bytes()
}

// coded answers with a body that is said to be gzip.
func coded(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body)
	}
}

// hijacked writes raw bytes and ends the connection, with a reset if so asked.
func hijacked(reset bool, raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = out.WriteString(raw)
		_ = out.Flush()
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

func transportCases() map[int]badCase {
	again := func(h http.HandlerFunc) badCase {
		return func(_ *testing.T, b *bundle) string { return playAgain(b, answers{success: h}) }
	}
	// idle answers so; the client gives up after a short idle time.
	idle := func(rest func(http.ResponseWriter, *http.Request)) badCase {
		return func(t *testing.T, _ *bundle) string {
			o := remoteOrg(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/csv")
				_, _ = w.Write([]byte(successHeader))
				_ = http.NewResponseController(w).Flush()
				rest(w, r)
			}, func(c *salesforce.Config) { c.Timeouts.Idle = 150 * time.Millisecond })
			if _, err := results(t, o.client); !errors.Is(err, salesforce.ErrTruncated) {
				return fmt.Sprint(err)
			}
			return "refused after the idle timeout"
		}
	}
	return map[int]badCase{
		46: again(status(200, "text/html", "<html>maintenance</html>")),
		47: func(t *testing.T, b *bundle) string {
			h := status(200, "application/json", `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`)
			_, err := results(t, remoteOrg(t, h, func(c *salesforce.Config) { c.Retry.Tries = 1 }).client)
			e, _ := errors.AsType[*salesforce.Error](err)
			if e == nil {
				return fmt.Sprint(err)
			}
			return fmt.Sprintf("%s, class %s %s", playAgain(b, answers{success: h}), e.Class, e.Code)
		},
		48: func(_ *testing.T, b *bundle) string {
			s := b.script()
			s.set(success, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "120")
				status(503, "text/html", "<html>maintenance")(w, r)
			})
			c := b.scripted(3, "JobComplete", 3, 0)
			r := b.reconciler()
			b.run(r, 0)
			s.set(success, text(whole))
			b.run(r, 119*time.Second)
			if c.hasOutcome() {
				return "read again too early"
			}
			b.run(r, 121*time.Second)
			if said := c.became(); said != "landed" {
				return said
			}
			return "read again after Retry-After"
		},
		49: func(t *testing.T, _ *bundle) string {
			o := remoteOrg(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/login")
				w.WriteHeader(http.StatusFound)
			})
			_, err := results(t, o.client)
			logins, calls := o.seen()
			if logins != 2 || len(calls) != 2 {
				t.Errorf("%d logins, %v", logins, calls)
			}
			return "one new login, class " + string(salesforce.ClassOf(err))
		},
		50: func(t *testing.T, _ *bundle) string {
			elsewhere := remoteOrg(t, text(whole))
			o := remoteOrg(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", elsewhere.url+"/services/data/v66.0/jobs/ingest/"+someJob+"/successfulResults")
				w.WriteHeader(http.StatusTemporaryRedirect)
			})
			_, err := results(t, o.client)
			said := "class " + string(salesforce.ClassOf(err))
			if _, calls := elsewhere.seen(); len(calls) == 0 {
				said += ", token not sent"
			}
			return said
		},
		51: func(t *testing.T, _ *bundle) string {
			o := remoteOrg(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
			_, err := results(t, o.client)
			said := "class " + string(salesforce.ClassOf(err))
			if _, calls := o.seen(); len(calls) <= 2 {
				said += ", bounded"
			}
			return said
		},
		52: again(status(200, "application/octet-stream", whole)),
		53: func(t *testing.T, b *bundle) string {
			if said := playAgain(b, answers{success: coded([]byte(whole))}); said != "read again" {
				return said
			}
			b.exec(`DELETE FROM reconciler.work`)
			b.exec(`UPDATE poller.watches SET reconciled_at = now()`)
			return playAgain(b, answers{success: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/csv")
				_, _ = w.Write(zipped(whole))
			}})
		},
		54: func(t *testing.T, _ *bundle) string {
			const bound = 4 << 20
			row := strings.SplitAfter(whole, "\n")[1]
			for name, bomb := range map[string]string{
				"of rows": whole + strings.Repeat(row, 1_000_000), "of one cell": successHeader + `"` + strings.Repeat("x", 64<<20),
			} {
				body := zipped(bomb)
				if len(body) > 1<<20 {
					t.Errorf("%s is %d bytes", name, len(body))
				}
				o := remoteOrg(t, coded(body), func(c *salesforce.Config) { c.MaxResultBytes = bound })
				rows, err := results(t, o.client)
				if !errors.Is(err, salesforce.ErrTooLarge) || int(rows)*len(row) > 2*bound {
					return fmt.Sprintf("%s: %d rows, %v", name, rows, err)
				}
			}
			return "refused, memory bounded"
		},
		55: func(_ *testing.T, b *bundle) string {
			body := zipped(whole)
			return playAgain(b, answers{success: coded(body[:len(body)-6])})
		},
		56: again(cut(whole, len(whole)-20)),
		57: again(func(w http.ResponseWriter, r *http.Request) {
			hijacked(false, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s", len(whole)-9, whole))(w, r)
		}),
		58: idle(func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					_, _ = w.Write([]byte("x"))
					_ = http.NewResponseController(w).Flush()
				case <-r.Context().Done():
					return
				}
			}
		}),
		59: idle(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		60: again(hijacked(true, "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n"+whole[:16]+"\r\n")),
		61: func(t *testing.T, _ *bundle) string {
			o := &remote{}
			server := httptest.NewUnstartedServer(o.handler(text(whole)))
			var connections sync.Map
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Config.ConnState = func(c net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Store(c.RemoteAddr().String(), true)
				}
			}
			server.StartTLS()
			t.Cleanup(server.Close)
			_, err := results(t, remoteClient(t, server.URL))
			n := 0
			connections.Range(func(any, any) bool { n++; return true })
			logins, _ := o.seen()
			if err == nil || !strings.Contains(err.Error(), "certificate") || !salesforce.IsUnreachable(err) || logins != 0 {
				return fmt.Sprint(err)
			}
			if n != 1 {
				return fmt.Sprintf("%d connections", n)
			}
			return "refused at once, not tried again"
		},
		62: func(t *testing.T, _ *bundle) string {
			o := &remote{}
			var from []string
			server := httptest.NewUnstartedServer(o.handler(func(w http.ResponseWriter, r *http.Request) {
				o.mu.Lock()
				from = append(from, fmt.Sprint(r.ProtoMajor, " ", r.RemoteAddr))
				first := len(from) == 1
				o.mu.Unlock()
				if first {
					w.Header().Set("Connection", "close") // which HTTP/2 says by GOAWAY
				}
				text(whole)(w, r)
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Close)
			c := remoteClient(t, server.URL, func(c *salesforce.Config) { c.HTTP = server.Client() })
			for range 2 {
				if rows, err := results(t, c); err != nil || rows != 3 {
					return fmt.Sprintf("%d rows, %v", rows, err)
				}
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			if len(from) != 2 || from[0] == from[1] || !strings.HasPrefix(from[0], "2 ") {
				return fmt.Sprint(from)
			}
			return "goes on with another connection"
		},
	}
}
