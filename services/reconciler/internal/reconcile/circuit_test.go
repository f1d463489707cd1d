package reconcile_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/reconcile"
)

// breaker is a circuit that a test opens and closes.
type breaker struct{ open atomic.Bool }

func (b *breaker) Allow(context.Context) (func(context.Context, salesforce.Verdict), error) {
	if b.open.Load() {
		return nil, &salesforce.CircuitOpenError{Wait: 50 * time.Second, Class: record.ClassQuota, Cause: "salesforce GET jobs/ingest: 403"}
	}
	return func(context.Context, salesforce.Verdict) {}, nil
}

func TestAnOrgThatIsGivenTimeIsNotReadFromAndNobodyIsToBlame(t *testing.T) {
	b := setup(t)
	s := b.script()
	s.set(success, text(landed("a-0", "a-1")))
	c := b.scripted(2, "JobComplete", 2, 0)
	circuit := &breaker{}
	circuit.open.Store(true)
	r := b.reconciler(func(cfg *reconcile.Config) {
		client, err := salesforce.New(salesforce.Config{
			LoginURL: s.url, ClientID: "id", ClientSecret: func() (string, error) { return "secret", nil }, AllowInsecureLoopback: true, Circuit: circuit,
		})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Org = func(context.Context, string) (reconcile.Org, error) { return client, nil }
	})
	began := b.now
	reads := b.run(r, 5*time.Minute)
	if w := c.work(); w["errors"] != 0.0 || w["malformed"] != 0.0 || w["not_found"] != 0.0 || len(b.pauses()) != 0 || c.hasOutcome() {
		t.Errorf("%+v, pauses %v", w, b.pauses())
	}
	if took := b.now.Sub(began); reads < 5 || reads > 7 || took < 4*time.Minute {
		t.Errorf("asked %d times in %s", reads, took)
	}
	circuit.open.Store(false)
	b.run(r, time.Minute)
	if said := c.became(); said != "landed" {
		t.Error(said)
	}
}
