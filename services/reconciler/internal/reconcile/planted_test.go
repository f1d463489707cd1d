//go:build planted

package reconcile_test

import (
	"testing"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

// Bugs are the process's, so nothing here is parallel.
func TestPlantedBugDeadLetterBeforeCommit(t *testing.T) {
	t.Run("dead_letter_before_commit leaves letters of records that land", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.DeadLetterBeforeCommit} {
			if err := planted.Set(bug); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = planted.Set(planted.None) })
			b := setup(t)
			rule := b.sim.AddFault(simtest.Fault{
				Times: simtest.Times(0), Where: &simtest.Where{Keys: []string{"a-1", "a-2"}}, Effect: simtest.Effect{Kind: simtest.LoseRows},
			})
			b.form = inserts
			c := b.seal(record.ChunkFresh, accountRows("a", 4)).send()
			r := b.reconciler()
			b.run(r, 0) // one read, which decides nothing
			if c.hasOutcome() {
				t.Fatal("decided by files that do not tell of every row")
			}
			want := map[planted.Bug]int{planted.None: 0, planted.DeadLetterBeforeCommit: 2}[bug]
			if n := len(b.letters()); n != want {
				t.Errorf("with %q %d letters, want %d", bug, n, want)
			}
			b.sim.ClearFaults(rule)
			b.run(r, b.waits.Missing)
			if o := c.outcome(); o.States != "llll" {
				t.Errorf("with %q %s", bug, o.States)
			}
		}
	})
}
