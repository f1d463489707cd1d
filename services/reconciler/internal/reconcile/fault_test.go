//go:build fault

package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/reconciler/internal/reconcile"
)

// TestFaults fails once at every place that a run passes, and checks that the chunk ends as it does without faults. An error at a place is what a
// crash there leaves to whoever comes next, except that the claim is still held: the test takes it away as a lease that runs out does.
// It cannot be parallel: fault rules are the process's.
func TestFaults(t *testing.T) {
	run := func(t *testing.T, rules string) []string {
		b := setup(t)
		rows := accountRows("a", 20)
		rows[3].cells[1], rows[9].cells[1] = "", ""
		b.rowFault("UNABLE_TO_LOCK_ROW:x:--", "a-5")
		c := b.seal(record.ChunkFresh, rows).send()
		r := b.reconciler()
		if err := fault.Set(rules); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = fault.Set("") }()
		for try := 0; !c.hasOutcome(); try++ {
			if try > 10 {
				t.Fatalf("not settled: %v", c.work())
			}
			_, _ = c.b.store.Note(t.Context(), uuid.NullUUID{}, b.now)
			_, _ = r.Pass(t.Context())
			b.exec(`UPDATE reconciler.work SET lease_until = '-infinity' WHERE state = 'reading'`)
			b.now = b.now.Add(time.Minute)
		}
		if o := c.outcome(); o.Landed != 17 || o.Failed != 3 {
			t.Fatalf("%+v", o)
		}
		if len(c.failures()) != 3 || len(b.letters()) != 2 || len(b.facts()) != 1 {
			t.Fatalf("%d failures, %d letters, %d facts", len(c.failures()), len(b.letters()), len(b.facts()))
		}
		for _, f := range c.failures() {
			if f.Pay == "" || len(f.Attempts) != 1 || f.Attempt != 1 {
				t.Fatalf("%+v", f)
			}
		}
		return slices.Sorted(maps.Keys(fault.Hits()))
	}
	points := slices.DeleteFunc(run(t, ""), func(name string) bool { return !strings.HasPrefix(name, "reconciler.") })
	if len(points) < 10 {
		t.Fatalf("only %v were passed", points)
	}
	for _, point := range points {
		t.Run("a failure at "+point+" changes nothing in the end", func(t *testing.T) { run(t, point+"=error@1") })
	}
}

// TestFaultsOfOperations does the same where look-ups come before the outcome, and decisions after it.
func TestFaultsOfOperations(t *testing.T) {
	run := func(t *testing.T, rules string) []string {
		b := setup(t)
		b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Where: &simtest.Where{Keys: []string{"a-1", "a-2"}}, Effect: simtest.Effect{Kind: simtest.LoseRows}})
		b.form = inserts
		correlated := b.seal(record.ChunkFresh, accountRows("a", 4)).send()
		b.seal(record.ChunkFresh, accountRows("gone", 2)).gone()
		b.form = blind
		content := b.seal(record.ChunkFresh, []row{
			{cells: []string{"", "One", "", ""}, records: []rec{{key: "one"}}}, {cells: []string{"", "Two", "", ""}, records: []rec{{key: "two"}}},
		}).gone()
		b.form = deletes.again()
		deleted := b.seal(record.ChunkReplay, []row{{cells: b.seedAndDelete("d")}}).send()
		r := b.reconciler(func(c *reconcile.Config) { c.Batch = 1 })
		if err := fault.Set(rules); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = fault.Set("") }()
		open := func() int { return one[int](b, `SELECT count(*) FROM reconciler.work WHERE state = 'reading'`) }
		_, _ = b.store.Note(t.Context(), uuid.NullUUID{}, b.now)
		for try := 0; open() > 0 || try == 0; try++ {
			if try > 200 {
				t.Fatalf("not settled: %v", correlated.work())
			}
			_, _ = b.store.Note(t.Context(), uuid.NullUUID{}, b.now)
			_, _ = r.Pass(t.Context())
			b.exec(`UPDATE reconciler.work SET lease_until = '-infinity' WHERE state = 'reading'`)
			b.now = b.now.Add(time.Minute)
		}
		for i, f := range content.failures() {
			b.exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $1, $2, '', 'r', 'b')`,
				f.LetterID.UUID, []string{"landed", "not_landed"}[i])
		}
		for range 3 {
			_, _ = r.Resolve(t.Context())
		}
		if o := correlated.outcome(); o.States != "llll" {
			t.Fatalf("%s", o.States)
		}
		if o := deleted.outcome(); o.States != "l" {
			t.Fatalf("%s", o.States)
		}
		if n := one[int](b, `SELECT count(*) FROM reconciler.failures`); n != 4 || len(b.letters()) != 2 {
			t.Fatalf("%d failures, %d letters", n, len(b.letters()))
		}
		if n := one[int](b, `SELECT count(*) FROM reconciler.resolutions`); n != 2 {
			t.Fatalf("%d resolutions", n)
		}
		if n := one[int](b, `SELECT count(*) FROM reconciler.outbox WHERE subject = 'flow.accounts.rows_resolved'`); n != 1 {
			t.Fatalf("%d facts", n)
		}
		return slices.Sorted(maps.Keys(fault.Hits()))
	}
	points := slices.DeleteFunc(run(t, ""), func(name string) bool { return !strings.HasPrefix(name, "reconciler.") })
	for _, want := range []string{"reconciler.lookup.before_call", "reconciler.looked_up.before_commit", "reconciler.resolve.after_commit"} {
		if !slices.Contains(points, want) {
			t.Fatalf("%s was not passed: %v", want, points)
		}
	}
	for _, point := range points {
		t.Run("a failure at "+point+" changes nothing in the end", func(t *testing.T) { run(t, point+"=error@1") })
	}
}

// gone notes a job that Salesforce does not know any more.
func (c *sealed) gone() *sealed {
	c.b.t.Helper()
	c.b.jobs++
	c.jobID, _ = id18(fmt.Sprintf("7505g0001%06d", c.b.jobs))
	c.submitted(len(c.rows))
	c.watched("gone", "gone", 0, 0, "")
	return c
}

// seedAndDelete makes a row and deletes it; it returns its id as the cells of a delete.
func (b *bundle) seedAndDelete(key string) []string {
	b.t.Helper()
	ids := b.seed(key)
	before := b.form
	b.form = deletes
	c := b.seal(record.ChunkReplay, []row{{cells: ids, records: []rec{{key: "earlier"}}}})
	c.jobID = c.job()
	b.sim.AwaitJob(c.jobID, "finished")
	b.form = before
	return ids
}
