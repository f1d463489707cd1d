package cli

import (
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
