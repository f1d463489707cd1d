package submit

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// breaker is a circuit that a test opens and closes.
type breaker struct{ open atomic.Bool }

// held is longer than a client sleeps through.
const held = time.Minute

func (b *breaker) Allow(context.Context) (func(context.Context, salesforce.Verdict), error) {
	if b.open.Load() {
		return nil, &salesforce.CircuitOpenError{Wait: held, Class: record.ClassTransient, Cause: "salesforce POST jobs/ingest: 503"}
	}
	return func(context.Context, salesforce.Verdict) {}, nil
}

func TestAnOrgThatIsGivenTime(t *testing.T) {
	b := newBench(t)
	circuit := &breaker{}
	client, err := salesforce.New(salesforce.Config{
		LoginURL: b.sim.URL, ClientID: b.sim.ClientID, ClientSecret: func() (string, error) { return b.sim.Secret, nil }, AllowInsecureLoopback: true, Circuit: circuit,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.client = client
	r := NewRunner(b.config)
	due := func(c sealed) {
		b.exec(`UPDATE submitter.submissions SET next_try_at = now() WHERE chunk = $1`, c.id)
	}
	for _, test := range []struct {
		name  string
		opens string // the hook at which the circuit opens
		stage Stage
	}{
		{"is not asked for a job, and nobody is to blame", "", StageClaimed},
		{"is not asked to close a job either: it stays bound", "before close", StageBound},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := b.seal(record.ChunkFresh, 0, accountRows(string(test.stage), 2)...)
			b.note(c)
			circuit.open.Store(test.opens == "")
			b.setHook(func(what string) {
				if what == test.opens {
					circuit.open.Store(true)
				}
			})
			defer b.setHook(nil)
			b.turns(r, 5)
			since := int64(len(b.sim.Calls(0, "")))
			for range 5 {
				due(c)
				if n := b.turns(r, 5); n != 1 {
					t.Fatalf("worked on %d times although it has to wait", n)
				}
			}
			if calls := b.sim.Calls(since, ""); len(calls) != 0 {
				t.Errorf("called: %+v", calls)
			}
			if tries := ask[int](b, `SELECT tries FROM submitter.submissions WHERE chunk = $1`, c.id); tries != 0 || b.stage(c) != test.stage {
				t.Errorf("%d tries, stage %s", tries, b.stage(c))
			}
			if wait := ask[float64](b, `SELECT extract(epoch FROM next_try_at - now())::float8 FROM submitter.submissions WHERE chunk = $1`, c.id); wait < 50 || wait > held.Seconds() {
				t.Errorf("looked at again in %v s", wait)
			}
			if said := b.text(c, "last_error"); !strings.Contains(said, "given time") || !strings.Contains(said, "503") {
				t.Errorf("a person reads %q", said)
			}
			circuit.open.Store(false)
			b.setHook(nil)
			due(c)
			b.untilSubmitted(r, c)
			b.reconcile(c)
		})
	}
	t.Run("is not searched for orphans, which is no error", func(t *testing.T) {
		circuit.open.Store(true)
		defer circuit.open.Store(false)
		since := int64(len(b.sim.Calls(0, "")))
		if n, err := r.Orphans(t.Context()); n != 0 || err != nil || len(b.sim.Calls(since, "")) != 0 {
			t.Errorf("%d orphans, %v", n, err)
		}
	})
}
