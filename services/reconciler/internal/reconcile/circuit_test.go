package reconcile_test

import (
	"context"
	"net/http"
	"strings"
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

// client puts a client behind a circuit in the place of the org's.
func (s *script) client(t *testing.T, circuit salesforce.Circuit) func(*reconcile.Config) {
	t.Helper()
	client, err := salesforce.New(salesforce.Config{
		LoginURL: s.url, ClientID: "id", ClientSecret: func() (string, error) { return "secret", nil }, AllowInsecureLoopback: true, Circuit: circuit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *reconcile.Config) {
		cfg.Org = func(context.Context, string) (reconcile.Org, error) { return client, nil }
	}
}

func TestAReadThatIsHeldBackLeavesWhatWasInARow(t *testing.T) {
	b := setup(t)
	s := b.script()
	c := b.scripted(2, "JobComplete", 2, 0)
	circuit := &breaker{}
	circuit.open.Store(true)
	r := b.reconciler(s.client(t, circuit))
	b.run(r, time.Second)
	b.exec(`UPDATE reconciler.work SET errors = 3, malformed = 2, not_found = 1, first_not_found_at = $2, last_error = 'why' WHERE chunk = $1`, c.id, b.now)
	b.run(r, 2*time.Minute)
	if w := c.work(); w["errors"] != 3.0 || w["malformed"] != 2.0 || w["not_found"] != 1.0 || w["first_not_found_at"] == nil || w["last_error"] != "why" {
		t.Errorf("%+v", w)
	}
}

func TestAFileThatNeverGetsAnAnswerIsAnErrorOfItsChunk(t *testing.T) {
	b := setup(t)
	s := b.script()
	c := b.scripted(2, "JobComplete", 2, 0)
	circuit := &breaker{}
	s.set(success, func(w http.ResponseWriter, _ *http.Request) {
		circuit.open.Store(true)
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	r := b.reconciler(s.client(t, circuit))
	b.note(r)
	for n := range 3 {
		circuit.open.Store(false)
		before := b.now
		if reads := b.pass(r); reads != 1 {
			t.Fatalf("%d: read %d times", n, reads)
		}
		w := c.work()
		if w["errors"] != float64(n+1) || w["malformed"] != 0.0 || len(b.pauses()) != 0 || !strings.Contains(w["last_error"].(string), "504") {
			t.Fatalf("%d: %+v", n, w)
		}
		next := one[time.Time](b, `SELECT next_read_at FROM reconciler.work WHERE chunk = $1`, c.id)
		if wait := next.Sub(before); wait <= 50500*time.Millisecond || wait > 53*time.Second {
			t.Fatalf("read again in %s", wait)
		}
		b.now = next
	}
}

func TestAnOrgThatIsGivenTimeIsNotReadFromAndNobodyIsToBlame(t *testing.T) {
	b := setup(t)
	s := b.script()
	s.set(success, text(landed("a-0", "a-1")))
	c := b.scripted(2, "JobComplete", 2, 0)
	circuit := &breaker{}
	circuit.open.Store(true)
	r := b.reconciler(s.client(t, circuit))
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
