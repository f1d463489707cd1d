package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// orgStatus is a status in which everything has landed, with one org of this circuit.
func orgStatus(circuit string) string {
	return `{"balance":` + balanced + `,"adds_up":true,"repeats":0,"unread":{"messages":0,"bytes":0,"oldest_seconds":0},
"pipelines":[{"name":"contacts","revision":1,"balance":` + balanced + `,"open_chunks":0,"reconciled_chunks":7,"reconciled_at":"2026-11-22T03:00:00Z"}],
"orgs":[{"name":"main","org_id":"00D000000000001AAA","api_used":12,"api_max":15000,"error":"no reply within 5s","circuit":` + circuit + `}],"version":"v0"}`
}

func TestStatusOfCircuits(t *testing.T) {
	const waiting = `{"open":true,"class":"transient","cause":"POST /services/oauth2/token: status 503: \u001b[2J<b>busy\nnow</b>","failures":1204,
"opened_at":"2026-11-22T02:10:00Z","failed_at":"2026-11-22T02:41:00Z","next_call_at":"2026-11-22T02:41:50Z","next_call_seconds":26.2,"closed_at":null}`
	due := strings.Replace(waiting, "26.2", "0", 1)
	for _, c := range []struct{ name, golden, circuit string }{
		{"an open one says since when, why, how often and when the next call is made, with nothing in it that moves a cursor", "circuit-open", waiting},
		{"one whose next call is due says so", "circuit-due", due},
		{"one whose limit is used up says how many minutes that lasts", "circuit-quota", `{"open":true,"class":"quota","cause":"REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.",
"failures":3,"opened_at":"2026-11-22T02:10:00Z","failed_at":"2026-11-22T02:41:00Z","next_call_at":"2026-11-22T02:54:30Z","next_call_seconds":750,"closed_at":"2026-11-20T02:00:00Z"}`},
		{"one that never opened is not told of", "circuit-closed", `{"open":false,"closed_at":null}`},
		{"an ops that knows of no circuits says nothing of them", "circuit-unknown", `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops := fakeOps(t, map[string]reply{"GET /v1/status": ok(orgStatus(c.circuit))})
			code, out, errOut := invoke(t, "", "--ops", ops, "status")
			if code != ExitDone || errOut != "" {
				t.Errorf("exit %d, stderr %q: an open circuit closes by itself and needs nobody", code, errOut)
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("a control character reaches the terminal:\n%q", out)
			}
			golden(t, "status/"+c.golden+".txt", out)
		})
	}
}

// TestStatusOfAPart: a pipeline or a run that needs a person says so, as the status of everything does.
func TestStatusOfAPart(t *testing.T) {
	const (
		none     = `{"accepted":0,"landed":0}`
		paused   = `{"name":"contacts","pauses":[{"service":"reconciler","code":"STORAGE_LIMIT_EXCEEDED","message":"full"}]}`
		stopped  = `{"name":"contacts","stopped":"STREAM_RECREATED: the stream was made again"}`
		quiet    = `{"name":"contacts"}`
		accounts = `{"name":"accounts","pauses":[{"service":"ops"}]}`
	)
	of := func(balance, pipelines, more string) map[string]reply {
		return map[string]reply{
			"GET /v1/balance": ok(`{"balance":` + balance + `,"adds_up":true,"pipelines":{"contacts":{"balance":` + balance + `}}` + more + `}`),
			"GET /v1/status":  ok(`{"balance":` + balanced + `,"adds_up":true,"pipelines":[` + pipelines + `]}`),
		}
	}
	for _, c := range []struct {
		name   string
		routes map[string]reply
		args   []string
		code   int
		says   string
	}{
		{"a pipeline that is paused exits 3 and names the pause", of(balanced, paused, ""), []string{"--pipeline", "contacts"}, ExitPartly, "pipelines resume contacts"},
		{"a pipeline that has stopped exits 3 and says why", of(balanced, stopped, ""), []string{"--pipeline", "contacts"}, ExitPartly, "HAS STOPPED READING"},
		{"a pipeline at rest exits 0 whatever is the matter with others", of(balanced, quiet+","+accounts, ""), []string{"--pipeline", "contacts"}, ExitDone, "landed 10"},
		{"a run in a pipeline that is paused exits 3", of(balanced, paused, ""), []string{"--run", "r"}, ExitPartly, "pipelines resume contacts"},
		{"a run with no record in the pipeline that is paused exits 0", of(balanced, quiet+","+accounts, ""), []string{"--run", "r"}, ExitDone, "landed 10"},
		{"a run of which nothing was accepted exits 4 and asks for its name", of(none, quiet, ""), []string{"--run", "nightyl"}, ExitNothing, "run nightyl"},
		{"a run of which everything is a repeat exits 0", of(none, quiet, `,"repeats":7`), []string{"--run", "r"}, ExitDone, "repeats 7"},
		{"a run that may be unread yet exits 3", of(none, quiet, `,"unread":{"messages":4}`), []string{"--run", "r"}, ExitPartly, "unread 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := invoke(t, "", append([]string{"--ops", fakeOps(t, c.routes), "status"}, c.args...)...)
			if code != c.code || errOut != "" || !strings.Contains(out, c.says) {
				t.Errorf("exit %d, want %d and %q\n%s%s", code, c.code, c.says, out, errOut)
			}
			if asJSON, out, _ := invoke(t, "", append([]string{"--ops", fakeOps(t, c.routes), "status", "--json"}, c.args...)...); asJSON != c.code || !strings.HasPrefix(out, `{"balance"`) {
				t.Errorf("as JSON exit %d: %s", asJSON, out)
			}
		})
	}
}

func TestNotesOfOpenItems(t *testing.T) {
	t.Run("what is to be waited for, and why, is told to its end", func(t *testing.T) {
		const note = "the ledger was restored to an earlier moment and has forgotten 3 jobs: nothing of the pipeline and of the forgotten jobs' orgs is sent until " +
			"the last 2 of them have ended; one cannot be looked at: POST /services/oauth2/token: 401 invalid_client"
		at := fakeOps(t, map[string]reply{"GET /v1/status": ok(`{"balance":` + balanced + `,"adds_up":true,"pipelines":[{"name":"contacts"}],
"open_items":[{"owner":"submitter","kind":"recovery","id":"1","pipeline":"contacts","state":"recovering","note":"` + note + `"}]}`)})
		if _, out, _ := invoke(t, "", "--ops", at, "status"); !strings.Contains(out, note) {
			t.Errorf("the note is cut:\n%s", out)
		}
	})
}

func TestStatusWatch(t *testing.T) {
	t.Run("an ops that is away for a moment does not end the watch, Ctrl-C does, with exit code 0", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		looks := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			switch looks++; looks {
			case 1, 3:
				_, _ = w.Write([]byte(`{"balance":` + balanced + `,"adds_up":true}`))
			case 2:
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(`{"code":14,"message":"the ledger does not answer"}`))
			default:
				interrupt()
				<-ctx.Done()
			}
		}))
		defer srv.Close()
		var out, errOut strings.Builder
		code := Main(ctx, []string{"--ops", srv.URL, "status", "--watch", "--interval", "100ms"}, strings.NewReader(""), &out, &errOut)
		if code != ExitDone || strings.Count(out.String(), "accepted 10") != 2 || !strings.Contains(errOut.String(), "the ledger does not answer") {
			t.Errorf("exit %d\n%s%s", code, out.String(), errOut.String())
		}
	})
	t.Run("an ops that refuses ends it", func(t *testing.T) {
		at := fakeOps(t, map[string]reply{"GET /v1/status": {401, `{"code":16,"message":"no bearer token"}`}})
		if code, _, _ := invoke(t, "", "--ops", at, "status", "--watch"); code != ExitUsage {
			t.Errorf("exit %d", code)
		}
	})
}

func TestProgressOfAnOrgThatAnswersNonsense(t *testing.T) {
	t.Run("what stands beside the number moves no cursor and stays on its line", func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out)
		p.Phase("carry")
		p.At(1, 2, "waiting 1 · the org: \x1b[2Jbusy\nnow "+strings.Repeat("x", 9000))
		p.Done()
		if strings.Contains(out.String(), "\x1b") || strings.Count(out.String(), "\n") != 1 || len(out.String()) > 300 {
			t.Errorf("%q", out.String())
		}
	})
}
