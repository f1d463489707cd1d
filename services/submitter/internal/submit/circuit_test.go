package submit

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
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

// opener is a circuit that opens with the first call that gets no answer.
type opener struct{ breaker }

func (o *opener) Allow(ctx context.Context) (func(context.Context, salesforce.Verdict), error) {
	told, err := o.breaker.Allow(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, v salesforce.Verdict) {
		o.open.Store(o.open.Load() || v.Proof == salesforce.ProofAway)
		told(ctx, v)
	}, nil
}

func TestACallThatWasSentAndGotNoAnswerIsAFailedTry(t *testing.T) {
	for _, test := range []struct {
		name     string
		endpoint simtest.Endpoint
		hint     time.Duration // what is known of the circuit when the turn ends
	}{
		{"a job that is asked for", simtest.Create, 0},
		{"a close, although the look after it is held back", simtest.Close, held},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			circuit := &opener{}
			client, err := salesforce.New(salesforce.Config{
				LoginURL: b.sim.URL, ClientID: b.sim.ClientID, ClientSecret: func() (string, error) { return b.sim.Secret, nil }, AllowInsecureLoopback: true, Circuit: circuit,
			})
			if err != nil {
				t.Fatal(err)
			}
			b.client, b.config.Backoff = client, DefaultBackoff
			r := NewRunner(b.config)
			c := b.seal(record.ChunkFresh, 0, accountRows("a", 2)...)
			b.note(c)
			b.sim.AddFault(simtest.Fault{
				Match: simtest.Match{Endpoint: test.endpoint}, Times: simtest.Times(0),
				Effect: simtest.Effect{Kind: simtest.Status, Status: 503, Code: "SERVER_UNAVAILABLE", Message: "busy"},
			})
			wants := func(what string, tries int, hint time.Duration) {
				t.Helper()
				if n := ask[int](b, `SELECT tries FROM submitter.submissions WHERE chunk = $1`, c.id); n != tries {
					t.Errorf("%s: %d tries, want %d", what, n, tries)
				}
				wait := ask[float64](b, `SELECT extract(epoch FROM next_try_at - clock_timestamp())::float8 FROM submitter.submissions WHERE chunk = $1`, c.id)
				if wait < hint.Seconds() || wait > (hint+maxLater).Seconds() {
					t.Errorf("%s: tried again in %v s, want it behind those that wait %s", what, wait, hint)
				}
				b.exec(`UPDATE submitter.submissions SET next_try_at = now() WHERE chunk = $1`, c.id)
			}
			b.turns(r, 1)
			if said := b.text(c, "last_error"); !strings.Contains(said, "503") {
				t.Errorf("a person reads %q", said)
			}
			wants("after the call that was sent", 1, test.hint)
			b.turns(r, 1)
			wants("after one that was held back", 1, held)
			circuit.open.Store(false)
			b.turns(r, 1)
			wants("after another that was sent", 2, test.hint)
		})
	}
}

// maxLater is the most by which what failed before comes later.
const maxLater = 2 * time.Second

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
