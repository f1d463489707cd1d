package acceptance

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// circuit is what status says of an org's circuit.
type circuit struct {
	Open     bool       `json:"open"`
	Class    string     `json:"class"`
	Cause    string     `json:"cause"`
	Failures int        `json:"failures"`
	Opened   *time.Time `json:"opened_at"`
	Next     *time.Time `json:"next_call_at"`
	Closed   *time.Time `json:"closed_at"`
}

// TestAnOrgThatIsAwayIsTold: operators see that an org does not answer, since when and why, and that it answers again.
func TestAnOrgThatIsAwayIsTold(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	look := func() circuit {
		t.Helper()
		var status struct {
			Orgs []struct {
				Circuit circuit `json:"circuit"`
			} `json:"orgs"`
		}
		s.Ask(http.MethodGet, "/v1/status", nil, &status)
		if len(status.Orgs) != 1 {
			t.Fatalf("%d orgs", len(status.Orgs))
		}
		return status.Orgs[0].Circuit
	}
	measured := func(open int) bool {
		return bytes.Contains(s.Get("/metrics"), fmt.Appendf(nil, "bulkhead_circuit_open{org=\"main\"} %d\n", open))
	}
	s.publish("contacts", "", frame("a", 20), true)
	s.settle("contacts", 20)
	if c := look(); c.Open || c.Closed != nil {
		t.Fatalf("before any outage: %+v", c)
	}

	s.Sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Status, Status: http.StatusServiceUnavailable}})
	down := time.Now()
	s.publish("contacts", "", frame("b", 20), true)
	var c circuit
	s.Eventually("the circuit is told as open", func() bool {
		c = look()
		return c.Open
	})
	if c.Class != "transient" || !strings.Contains(c.Cause, "503") || c.Failures == 0 || c.Next == nil || c.Opened == nil || c.Opened.Before(down.Add(-time.Second)) {
		t.Errorf("away since %s: %+v", down, c)
	}
	s.Eventually("the metric says so", func() bool { return measured(1) })
	if b := s.balance("contacts"); b.Landed != 20 || len(b.Failed) > 0 || b.Dead > 0 {
		t.Errorf("records count what the org did: %+v", b)
	}

	s.Sim.ClearFaults()
	if b := s.settle("contacts", 40); b.Landed != 40 || len(b.Failed) > 0 {
		t.Errorf("after the outage: %+v, want all landed at the first try", b)
	}
	s.Eventually("the circuit is told as closed", func() bool {
		c = look()
		return !c.Open
	})
	if c.Closed == nil || c.Closed.Before(*c.Opened) || c.Next != nil {
		t.Errorf("after the outage: %+v", c)
	}
	s.Eventually("the metric says so", func() bool { return measured(0) })
}
