package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/fixture"
)

// fakeOrgs counts how often an org is asked.
type fakeOrgs struct {
	asked int
	err   error
}

func (f *fakeOrgs) Usage(ctx context.Context, org string) (string, int64, int64, error) {
	f.asked++
	return f.LastUsage(ctx, org)
}

func (f *fakeOrgs) LastUsage(context.Context, string) (string, int64, int64, error) {
	return "00D000000000001AAA", 12, 15000, f.err
}

func TestCircuits(t *testing.T) {
	ago := func(seconds float64) *float64 { s := -seconds; return &s }
	of := func(t *testing.T, b *bundle) *opsv1.OrgStatus {
		t.Helper()
		status, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(status.GetOrgs()) != 1 {
			t.Fatalf("orgs %v", status.GetOrgs())
		}
		return status.GetOrgs()[0]
	}
	t.Run("one that never opened is a closed one that says nothing", func(t *testing.T) {
		b := setup(t)
		c := of(t, b).GetCircuit()
		if c == nil || c.GetOpen() || c.GetClosedAt() != nil || c.GetOpenedAt() != nil || c.GetNextCallAt() != nil {
			t.Errorf("%v", c)
		}
	})
	type rows map[string]fixture.Circuit
	for _, c := range []struct {
		name     string
		rows     rows
		open     bool
		class    string
		cause    string
		failures int32
		opened   float64 // seconds ago
		next     float64 // seconds from now
	}{
		{
			"one service that sees an outage opens it for all",
			rows{"poller": {Class: "transient", Cause: "busy", Failures: 2, Opened: -10, Failed: -4, NextCall: 100}},
			true, "transient", "busy", 2, 10, 100,
		},
		{
			"what three services saw is one, in the words of the last, until the latest next call",
			rows{
				"submitter":  {Class: "transient", Cause: "first", Failures: 2, Opened: -90, Failed: -50, NextCall: -40},
				"poller":     {Class: "quota", Cause: "last", Failures: 3, Opened: -90, Failed: -5, NextCall: 100},
				"reconciler": {Class: "transient", Cause: "between", Failures: 4, Opened: -90, Failed: -20, NextCall: 200},
			},
			true, "quota", "last", 3, 90, 200,
		},
		{
			"a success that any of them saw after the last failure closes it",
			rows{
				"submitter": {Class: "transient", Cause: "busy", Failures: 5, Opened: -60, Failed: -20, NextCall: 30},
				"poller":    {Class: "transient", Cause: "old", Failures: 1, Opened: -90, Failed: -80, NextCall: -70, Closed: ago(10)},
			},
			false, "transient", "busy", 5, 60, 0,
		},
		{
			"what a service knows of the outage before counts no more in the one of now",
			rows{
				"submitter":  {Class: "quota", Cause: "used up", Failures: 9, Opened: -900, Failed: -600, NextCall: 3000},
				"poller":     {Class: "quota", Cause: "used up", Failures: 9, Opened: -900, Failed: -601, NextCall: 3000, Closed: ago(500)},
				"reconciler": {Class: "transient", Cause: "busy", Failures: 2, Opened: -20, Failed: -10, NextCall: 50},
			},
			true, "transient", "busy", 2, 20, 50,
		},
		{
			"a call that is due is told as one that is due, not as one in the past",
			rows{"reconciler": {Class: "transient", Cause: "busy", Failures: 2, Opened: -90, Failed: -80, NextCall: -30}},
			true, "transient", "busy", 2, 90, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := setup(t)
			for service, row := range c.rows {
				b.Circuit(service, row)
			}
			got := of(t, b).GetCircuit()
			if got.GetOpen() != c.open || got.GetClass() != c.class || got.GetCause() != c.cause || got.GetFailures() != c.failures {
				t.Errorf("%v", got)
			}
			near(t, "opened", time.Since(got.GetOpenedAt().AsTime()).Seconds(), c.opened)
			near(t, "next call", got.GetNextCallSeconds(), c.next)
			if (got.GetNextCallAt() != nil) != c.open || (got.GetClosedAt() == nil && !c.open) {
				t.Errorf("next call at %v, closed at %v", got.GetNextCallAt(), got.GetClosedAt())
			}
		})
	}
	t.Run("an org is not asked for its usage while nobody calls it, and again when the next call is due", func(t *testing.T) {
		b := setup(t)
		expect := func(situation string, asked int) {
			t.Helper()
			o := of(t, b)
			if b.orgs.asked != asked || o.GetApiUsed() != 12 || o.GetApiMax() != 15000 || o.GetError() != "no reply" {
				t.Errorf("%s: asked %d times, want %d; %v", situation, b.orgs.asked, asked, o)
			}
		}
		b.orgs.err = errors.New("no reply")
		expect("closed", 1)
		b.Circuit("submitter", fixture.Circuit{Class: "transient", Cause: "busy", Failures: 2, Opened: -5, Failed: -4, NextCall: 60})
		expect("open", 1)
		b.Circuit("submitter", fixture.Circuit{Class: "transient", Cause: "busy", Failures: 2, Opened: -5, Failed: -4, NextCall: -1})
		expect("due", 2)
		b.Circuit("submitter", fixture.Circuit{Class: "transient", Cause: "busy", Failures: 2, Opened: -5, Failed: -4, NextCall: 60, Closed: ago(1)})
		expect("closed again", 3)
	})
	t.Run("a pipeline shows how far the reconciler is", func(t *testing.T) {
		b := setup(t)
		b.Outcome(b.Chunk("c1", "", "a"), "", "l", fixture.Transfers{Landed: 1})
		b.Outcome(b.Chunk("c2", "", "b"), "", "l", fixture.Transfers{Landed: 1})
		b.Chunk("c3", "", "c")
		status, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := status.GetPipelines()[0]
		if p.GetReconciledChunks() != 2 || p.GetOpenChunks() != 1 || !p.GetReconciledAt().AsTime().Equal(fixture.Noon.Add(4*time.Minute)) {
			t.Errorf("%v", p)
		}
	})
}

// near allows for the time that a test takes.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if d := got - want; d < -25 || d > 25 || (want == 0) != (got == 0) {
		t.Errorf("%s: %v s, want %v", what, got, want)
	}
}
