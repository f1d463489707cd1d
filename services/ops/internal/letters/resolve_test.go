package letters_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

// fakeOrg has rows by id, with the value of the one field that is asked for.
type fakeOrg struct {
	mu   sync.Mutex
	rows map[string]string
	err  error
	asks int
}

func (f *fakeOrg) Row(_ context.Context, _, _, id, _ string) (letters.Row, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks++
	value, ok := f.rows[id]
	return letters.Row{ID: id, Value: value}, ok, f.err
}

func (f *fakeOrg) Rows(_ context.Context, _, _, _ string, values []string) ([]letters.Row, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks++
	var out []letters.Row
	for id, have := range f.rows {
		for _, v := range values {
			if strings.EqualFold(v, have) || v+".0" == have { // a query writes numbers anew
				out = append(out, letters.Row{ID: id, Value: have})
			}
		}
	}
	return out, f.err
}

const (
	row1 = "003xx0000000000AAA" // that the fixture's outcomes give to row 0 of a chunk
	free = "003xx00000zzzzzAAA"
)

type decider struct {
	*fixture.Ledger

	t        *testing.T
	index    *letters.Index
	org      *fakeOrg
	chunk    uuid.UUID
	failures map[string]int64
}

// unresolved is a ledger with one landed record, a, and unresolved ones with the keys.
func unresolved(t *testing.T, definition string, keys ...string) *decider {
	t.Helper()
	db := testkit.NewLedger(t)
	d := &decider{Ledger: fixture.New(t, db.AdminPool(t)), t: t, org: &fakeOrg{rows: map[string]string{}}, failures: map[string]int64{}}
	d.DefineAs(definition)
	pool := db.Pool(t, "ops")
	d.index = letters.New(letters.Config{
		Store: store.New(pool), Owner: "test", Lease: time.Minute, Logger: testkit.Logger(t), Definitions: catalog.New(pool), Orgs: d.org,
	})
	d.chunk = d.Chunk("c", "r1", append([]string{"a"}, keys...)...)
	d.Outcome(d.chunk, "r1", "l"+strings.Repeat("m", len(keys)), fixture.Transfers{Landed: 1, Unresolved: len(keys)})
	for i, k := range keys {
		d.failures[k] = d.Fail(d.chunk, fixture.Failure{Key: k, Run: "r1", Row: i + 1, Class: "unresolved", Code: "MISSING", Text: "in none of the files", Disposition: "unresolved"})
	}
	d.sweep()
	return d
}

func (d *decider) sweep() {
	d.t.Helper()
	if _, err := d.index.Sweep(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *decider) id(key string) string { return fixture.UnresolvedID(key, 0, d.chunk).String() }

func (d *decider) landed(key, as string) letters.Decision {
	return letters.Decision{IDs: []string{d.id(key)}, Said: store.DecisionLanded, SalesforceID: as, Reason: "seen", Key: "landed-" + key + as, By: "kim"}
}

func (d *decider) notLanded(keys ...string) letters.Decision {
	out := letters.Decision{Said: store.DecisionNotLanded, Reason: "not there", Key: "not-" + strings.Join(keys, "-"), By: "kim"}
	for _, k := range keys {
		out.IDs = append(out.IDs, d.id(k))
	}
	return out
}

func (d *decider) state(key string) string {
	d.t.Helper()
	for _, state := range letters.States() {
		if d.Count(`SELECT count(*) FROM ops.letters WHERE letter_id = $1 AND state = $2`, d.id(key), state) == 1 {
			return state
		}
	}
	return ""
}

func (d *decider) refused(what string, decision letters.Decision, words ...string) {
	d.t.Helper()
	_, err := d.index.Resolve(d.t.Context(), decision)
	if _, ok := errors.AsType[*letters.RefusedError](err); !ok {
		d.t.Errorf("%s: %v, want a refusal", what, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			d.t.Errorf("%s: %q does not say %q", what, err, w)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Run("landed stores the decision with its row, and tells the reconciler", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b")
		d.org.rows[free] = "B" // as the org keeps it: the case does not count
		done, err := d.index.Resolve(t.Context(), d.landed("b", free[:15]))
		if err != nil || done.Moved != 1 || done.Skipped != 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		if n := d.Count(`SELECT count(*) FROM ops_pub.decisions WHERE letter_id = $1 AND decision = 'landed' AND sf_id = $2 AND by = 'kim' AND reason = 'seen'`, d.id("b"), free); n != 1 {
			t.Errorf("%d decisions", n)
		}
		if d.state("b") != letters.StateLanded {
			t.Errorf("letter is %s", d.state("b"))
		}
		if n := d.Count(`SELECT count(*) FROM ops.audit WHERE action = 'resolve' AND by = 'kim' AND target = $1 AND detail->>'decision' = 'landed' AND detail->>'letters' = '1'`, done.ActionID); n != 1 {
			t.Errorf("%d audit entries", n)
		}
		if n := d.Count(`SELECT count(*) FROM ops.outbox WHERE subject = 'flow.contacts.replay_ordered'`); n != 1 {
			t.Errorf("%d facts", n)
		}
	})
	t.Run("the same key gives the first answer without asking the org, and another decision with it is refused", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b")
		d.org.rows[free] = "b"
		first, err := d.index.Resolve(t.Context(), d.landed("b", free))
		if err != nil {
			t.Fatal(err)
		}
		asks := d.org.asks
		d.org.err = errors.New("down")
		again, err := d.index.Resolve(t.Context(), d.landed("b", free))
		if err != nil || !again.Repeated || again.ActionID != first.ActionID || again.Moved != 1 || d.org.asks != asks {
			t.Errorf("%+v, %v, %d questions", again, err, d.org.asks-asks)
		}
		other := d.notLanded("b")
		other.Key = "landed-b" + free
		d.refused("another decision", other, "was used for another order")
	})
	t.Run("a row that is not there, says something else or is another record's is refused, and nothing is decided", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b", "c")
		d.refused("no such row", d.landed("b", free), "has no row "+free, "Contact")
		d.org.rows[free] = "somebody else"
		d.refused("another value", d.landed("b", free), "somebody else", "External_Id__c")
		d.org.rows[row1] = "b"
		d.refused("a landed record's row", d.landed("b", row1), "is that of another record")
		d.org.rows[free] = "b"
		if _, err := d.index.Resolve(t.Context(), d.landed("b", free)); err != nil {
			t.Fatal(err)
		}
		d.org.rows[free] = "c"
		d.refused("a row that was decided before", d.landed("c", free), "is that of another record")
		if n := d.Count(`SELECT count(*) FROM ops.decisions`); n != 1 || d.state("c") != letters.StateOpen {
			t.Errorf("%d decisions, c is %s", n, d.state("c"))
		}
	})
	t.Run("not landed is refused while the org has such a row, and names it", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b", "c")
		d.org.rows[free] = "C"
		d.refused("one of two is there", d.notLanded("b", "c"), free, d.id("c"))
		if d.state("b") != letters.StateOpen {
			t.Errorf("b is %s", d.state("b"))
		}
		delete(d.org.rows, free)
		done, err := d.index.Resolve(t.Context(), d.notLanded("b", "c"))
		if err != nil || done.Moved != 2 || d.state("b") != letters.StateReplaying || d.state("c") != letters.StateReplaying {
			t.Errorf("%+v, %v", done, err)
		}
		if n := d.Count(`SELECT count(*) FROM ops_pub.replays WHERE taker <> ''`); n != 0 {
			t.Errorf("%d letters would be replayed as if they were dead", n)
		}
	})
	t.Run("a number is the same however the org writes it", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "7", "8")
		d.org.rows[free] = "7.0"
		d.refused("it is there", d.notLanded("7"), free)
		d.refused("another number", d.landed("8", free), "it is another row")
		if done, err := d.index.Resolve(t.Context(), d.landed("7", free)); err != nil || done.Moved != 1 {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("rows that are known by their content only are decided on a person's word, but never twice as one row", func(t *testing.T) {
		d := unresolved(t, fixture.Contents, "b", "c")
		if done, err := d.index.Resolve(t.Context(), d.notLanded("b")); err != nil || done.Moved != 1 || d.org.asks != 0 {
			t.Errorf("%+v, %v", done, err)
		}
		d.org.rows[row1] = row1
		d.refused("a landed record's row", d.landed("c", row1), "is that of another record")
		d.org.rows[free] = free
		if done, err := d.index.Resolve(t.Context(), d.landed("c", free)); err != nil || done.Moved != 1 {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("a row that another pipeline of the org made is refused, whatever that pipeline does by now, and one that it updated or that is another org's is not", func(t *testing.T) {
		d := unresolved(t, fixture.Contents, "b", "c")
		made, updated, elsewhere := "003xx0000000001AAA", "003xx0000000002AAA", "003xx0000000003AAA"
		for _, o := range []struct {
			pipeline, org, id string
			created           int
		}{{"people", "main", made, 1}, {"people", "main", updated, 0}, {"people", "other", elsewhere, 1}} {
			d.Exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
				VALUES ($1, $2, $3, '750', 'JobComplete', 1, 1, 0, 0, 0, 0, 'l', $4, $5, 'works')`, uuid.New(), o.pipeline, o.org, []byte(o.id), o.created)
			d.org.rows[o.id] = o.id
		}
		d.refused("a row that another pipeline made", d.landed("b", made), "is that of another record", "another pipeline")
		if d.state("b") != letters.StateOpen {
			t.Errorf("b is %s", d.state("b"))
		}
		for key, id := range map[string]string{"b": updated, "c": elsewhere} {
			if done, err := d.index.Resolve(t.Context(), d.landed(key, id)); err != nil || done.Moved != 1 {
				t.Errorf("%s: %+v, %v", key, done, err)
			}
		}
	})
	t.Run("an org that cannot be asked decides nothing", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b")
		d.org.err = errors.New("connection refused")
		for _, decision := range []letters.Decision{d.landed("b", free), d.notLanded("b")} {
			_, err := d.index.Resolve(t.Context(), decision)
			if e, ok := errors.AsType[*letters.UnavailableError](err); !ok || !strings.Contains(e.Error(), "nothing was decided") {
				t.Errorf("%v", err)
			}
		}
		if n := d.Count(`SELECT count(*) FROM ops.actions`); n != 0 || d.state("b") != letters.StateOpen {
			t.Errorf("%d actions, b is %s", n, d.state("b"))
		}
	})
	t.Run("of two people who give one row to two records one is refused", func(t *testing.T) {
		d := unresolved(t, fixture.Contents, "b", "c")
		d.org.rows[free] = free
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, key := range []string{"b", "c"} {
			wg.Go(func() { _, errs[i] = d.index.Resolve(t.Context(), d.landed(key, free)) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("%v, %v", errs[0], errs[1])
		}
		if n := d.Count(`SELECT count(*) FROM ops.decisions`); n != 1 {
			t.Errorf("%d decisions", n)
		}
	})
	t.Run("a letter that was decided before is skipped", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b", "c")
		if _, err := d.index.Resolve(t.Context(), d.notLanded("b")); err != nil {
			t.Fatal(err)
		}
		done, err := d.index.Resolve(t.Context(), d.notLanded("b", "c"))
		if err != nil || done.Moved != 1 || done.Skipped != 1 {
			t.Errorf("%+v, %v", done, err)
		}
		d = unresolved(t, fixture.Inserts, "b")
		d.org.rows[free] = "b"
		for i, want := range []int{1, 0} {
			again := d.landed("b", free)
			again.Key = fmt.Sprint("key", i)
			if done, err := d.index.Resolve(t.Context(), again); err != nil || done.Moved != want || done.Skipped != 1-want {
				t.Errorf("%+v, %v", done, err)
			}
		}
	})
	t.Run("replay and discard refuse unresolved letters and name the remedy", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b")
		d.Refuse("x", "r1", "NOT_JSON", 0)
		d.sweep()
		for _, kind := range []string{store.ActionReplay, store.ActionDiscard} {
			for _, o := range []letters.Order{
				{IDs: []string{d.id("b"), fixture.LetterID("x", 0).String()}},
				{HasFilter: true, Filter: store.Filter{Pipeline: "contacts"}, Expected: count(2)},
			} {
				o.Kind, o.Reason, o.By, o.Key = kind, "why", "kim", fmt.Sprint(kind, len(o.IDs))
				_, err := d.index.Order(t.Context(), o)
				if e, ok := errors.AsType[*letters.RefusedError](err); !ok || !strings.Contains(e.Error(), "bulkhead dlq resolve") {
					t.Errorf("%s: %v", kind, err)
				}
			}
		}
		done, err := d.index.Order(t.Context(), letters.Order{
			Kind: store.ActionReplay, HasFilter: true, Filter: store.Filter{Class: "data"}, Expected: count(1), Key: "k", By: "kim",
		})
		if err != nil || done.Moved != 1 {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("decisions that cannot be understood, are refused or match nothing say which", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts, "b")
		d.Refuse("x", "r1", "NOT_JSON", 0)
		d.sweep()
		for _, c := range []struct {
			name   string
			change func(*letters.Decision)
			want   any
		}{
			{"no ids", func(o *letters.Decision) { o.IDs = nil }, &letters.InvalidError{}},
			{"no id", func(o *letters.Decision) { o.IDs = []string{"b"} }, &letters.InvalidError{}},
			{"no reason", func(o *letters.Decision) { o.Reason = " " }, &letters.InvalidError{}},
			{"no key", func(o *letters.Decision) { o.Key = "" }, &letters.InvalidError{}},
			{"another word", func(o *letters.Decision) { o.Said = "maybe" }, &letters.InvalidError{}},
			{"landed without a row", func(o *letters.Decision) { o.Said = store.DecisionLanded }, &letters.InvalidError{}},
			{"landed as what is no id", func(o *letters.Decision) { o.Said, o.SalesforceID = store.DecisionLanded, "003" }, &letters.InvalidError{}},
			{"not landed with a row", func(o *letters.Decision) { o.SalesforceID = free }, &letters.InvalidError{}},
			{"two landed as one row", func(o *letters.Decision) {
				o.Said, o.SalesforceID, o.IDs = store.DecisionLanded, free, append(o.IDs, uuid.NewString())
			}, &letters.InvalidError{}},
			{"an unknown letter", func(o *letters.Decision) { o.IDs = []string{uuid.NewString()} }, &letters.NothingError{}},
			{"a dead letter", func(o *letters.Decision) { o.IDs = []string{fixture.LetterID("x", 0).String()} }, &letters.RefusedError{}},
		} {
			decision := d.notLanded("b")
			c.change(&decision)
			if _, err := d.index.Resolve(t.Context(), decision); fmt.Sprintf("%T", err) != fmt.Sprintf("%T", c.want) || err.Error() == "" {
				t.Errorf("%s: %T %v, want %T", c.name, err, err, c.want)
			}
		}
	})
}

func TestCloseUnresolved(t *testing.T) {
	// decided is a record that was decided not to have landed and that the retrier has sent again.
	decided := func(t *testing.T) (*decider, uuid.UUID) {
		t.Helper()
		d := unresolved(t, fixture.Inserts, "b")
		if _, err := d.index.Resolve(t.Context(), d.notLanded("b")); err != nil {
			t.Fatal(err)
		}
		d.Resolve(d.failures["b"], "not_landed", "")
		d.ResolutionTaken(d.failures["b"])
		d.Wait(d.chunk, d.failures["b"], "b", "r1", "transient", 0)
		return d, d.Resend("c2", "r1", 0, "b")
	}
	closed := func(t *testing.T, d *decider, want int) {
		t.Helper()
		if n, err := d.index.CloseKnown(t.Context()); n != want || err != nil {
			t.Fatalf("closed %d: %v, want %d", n, err, want)
		}
	}
	t.Run("a letter that was decided as not landed ends with the next outcome of its own generation", func(t *testing.T) {
		for states, want := range map[string]string{"l": letters.StateLanded, "f": letters.StateDiedAgain} {
			d, chunk := decided(t)
			closed(t, d, 0)
			d.Outcome(chunk, "r1", states, fixture.Transfers{Landed: strings.Count(states, "l"), Dead: strings.Count(states, "f")})
			if states == "f" {
				d.Fail(chunk, fixture.Failure{Key: "b", Run: "r1", Class: "data", Code: "X", Disposition: "dead"})
			}
			closed(t, d, 1)
			if d.state("b") != want {
				t.Errorf("%s: %s, want %s", states, d.state("b"), want)
			}
		}
	})
	t.Run("one that is unresolved again has another letter, and ends with it", func(t *testing.T) {
		d, chunk := decided(t)
		d.Outcome(chunk, "r1", "m", fixture.Transfers{Unresolved: 1})
		d.Fail(chunk, fixture.Failure{Key: "b", Run: "r1", Class: "unresolved", Code: "MISSING", Disposition: "unresolved"})
		d.sweep()
		closed(t, d, 1)
		if d.state("b") != letters.StateDiedAgain {
			t.Errorf("the first letter is %s", d.state("b"))
		}
		if n := d.Count(`SELECT count(*) FROM ops.letters WHERE letter_id = $1 AND state = 'open'`, fixture.UnresolvedID("b", 0, chunk)); n != 1 {
			t.Errorf("%d second letters", n)
		}
	})
	t.Run("a replay whose next generation was decided to have landed is closed as landed", func(t *testing.T) {
		d := unresolved(t, fixture.Inserts)
		d.Refuse("x", "r1", "NOT_JSON", 0)
		d.sweep()
		if _, err := d.index.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: []string{fixture.LetterID("x", 0).String()}, Key: "k", By: "kim"}); err != nil {
			t.Fatal(err)
		}
		d.Exec(`INSERT INTO extractor.letters_taken (letter_id) VALUES ($1)`, fixture.LetterID("x", 0))
		chunk := d.Replay("r", "r1", 1, "x")
		d.Outcome(chunk, "r1", "m", fixture.Transfers{Unresolved: 1})
		id := d.Fail(chunk, fixture.Failure{Key: "x", Run: "r1", Generation: 1, Class: "unresolved", Code: "MISSING", Disposition: "unresolved"})
		closed(t, d, 0)
		d.Resolve(id, "landed", free)
		closed(t, d, 1)
		if n := d.Count(`SELECT count(*) FROM ops.letters WHERE letter_id = $1 AND state = 'landed'`, fixture.LetterID("x", 0)); n != 1 {
			t.Error("the letter is not closed as landed")
		}
	})
}

func TestUnresolvedOnTheStream(t *testing.T) {
	t.Run("a letter of an unresolved record is noted when its id is made of one of its chunks, and no other is", func(t *testing.T) {
		b := setup(t).withBroker()
		chunk := fixture.ID("c")
		publish := func(key string, id uuid.UUID) {
			m, err := bus.DeadLetterMessage(bus.DeadLetter{
				ID: id.String(), Pipeline: "contacts", Revision: 1, Key: key, Class: string(record.ClassUnresolved), Code: "MISSING", Stage: record.StageReconcile,
				Payload: []byte(`{}`), DeadAt: fixture.Noon, Attempts: []bus.LetterAttempt{{N: 1, Chunk: chunk.String()}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := bus.Publish(t.Context(), b.conn, m); err != nil {
				t.Fatal(err)
			}
		}
		publish("k", fixture.UnresolvedID("k", 0, chunk))
		publish("other", fixture.UnresolvedID("other", 0, fixture.ID("another chunk")))
		publish("dead", fixture.LetterID("dead", 0))
		x := b.index("one")
		for b.read(x) > 0 { //nolint:revive // until there is nothing more
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters`); n != 1 || b.Count(`SELECT count(*) FROM ops.letters WHERE key = 'k' AND class = 'unresolved'`) != 1 {
			t.Errorf("%d letters noted", n)
		}
	})
}
