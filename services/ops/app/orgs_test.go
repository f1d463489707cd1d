package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/services/ops/app"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/orgsim/simtest"
)

func TestOrgsInStatus(t *testing.T) {
	sim := simtest.Start(t)
	t.Setenv(orgSecret, sim.Secret)
	var passed atomic.Int64 // on the clock of ops, which says how old an answer is
	b := start(t, func(c *app.Config) {
		c.Orgs = [][]byte{fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretEnv: %s\napiVersion: \"66.0\"\nallowInsecureLoopback: true\n", sim.URL, sim.ClientID, orgSecret)}
		c.Now = func() time.Time { return fixture.Noon.Add(time.Duration(passed.Load())) }
	})
	type org struct {
		Used    int64  `json:"api_used"`
		Max     int64  `json:"api_max"`
		Error   string `json:"error"`
		Circuit struct {
			Open  bool    `json:"open"`
			Class string  `json:"class"`
			Cause string  `json:"cause"`
			Next  float64 `json:"next_call_seconds"`
		} `json:"circuit"`
	}
	// look is what status says of the org, and how many calls that cost there.
	look := func(t *testing.T) (org, int) {
		t.Helper()
		before := len(sim.Calls(0, ""))
		code, reply := b.call(t, http.MethodGet, "/v1/status", "", "")
		var status struct {
			Orgs []org `json:"orgs"`
		}
		if err := json.Unmarshal(reply, &status); err != nil || code != http.StatusOK || len(status.Orgs) != 1 {
			t.Fatalf("%d %v: %s", code, err, reply)
		}
		passed.Add(int64(2 * time.Minute))
		return status.Orgs[0], len(sim.Calls(0, "")) - before
	}
	metric := func(t *testing.T, want string) {
		t.Helper()
		if _, reply := b.call(t, http.MethodGet, "/metrics", "", ""); !bytes.Contains(reply, []byte(want+"\n")) {
			t.Errorf("no %s", want)
		}
	}
	outage := fixture.Circuit{Class: "transient", Cause: "status 503: busy", Failures: 2, Opened: -20, Failed: -10, NextCall: 600}
	var known org

	t.Run("an org that is called tells its usage", func(t *testing.T) {
		var calls int
		known, calls = look(t)
		if known.Used == 0 || known.Max == 0 || known.Error != "" || known.Circuit.Open || calls == 0 {
			t.Errorf("%+v at %d calls", known, calls)
		}
		metric(t, `bulkhead_circuit_open{org="main"} 0`)
	})
	t.Run("while its circuit is open it is not asked, and the usage stays as it was last told", func(t *testing.T) {
		b.Circuit("submitter", outage)
		is, calls := look(t)
		if !is.Circuit.Open || is.Circuit.Class != "transient" || is.Circuit.Cause != outage.Cause || is.Circuit.Next < 500 || is.Circuit.Next > 600 {
			t.Errorf("%+v", is)
		}
		if is.Used != known.Used || is.Max != known.Max || is.Error != "" || calls != 0 {
			t.Errorf("%+v at %d calls, was %+v", is, calls, known)
		}
		metric(t, `bulkhead_circuit_open{org="main"} 1`)
	})
	t.Run("when the next call is due it may be asked; what it does not tell stays as it was", func(t *testing.T) {
		down := sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Status, Status: http.StatusServiceUnavailable}})
		due := outage
		due.NextCall = -1
		b.Circuit("submitter", due)
		is, calls := look(t)
		if !is.Circuit.Open || is.Used != known.Used || is.Max != known.Max || !strings.Contains(is.Error, "503") || calls == 0 {
			t.Errorf("%+v at %d calls", is, calls)
		}
		sim.ClearFaults(down)
	})
	t.Run("one that closed says so no more, and its usage is asked for again", func(t *testing.T) {
		closed, over := outage, 0.0
		closed.Closed = &over
		b.Circuit("submitter", closed)
		is, calls := look(t)
		if is.Circuit.Open || is.Used <= known.Used || is.Error != "" || calls == 0 {
			t.Errorf("%+v at %d calls", is, calls)
		}
		metric(t, `bulkhead_circuit_open{org="main"} 0`)
	})
}
