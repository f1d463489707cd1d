package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

// The org dates rows by its own clock, and records are dated by the ledger's: which row is ours must not depend on how far they are apart.
func TestLookUpsInAnOrgWhoseClockIsWrong(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		t.Run(fmt.Sprintf("a row that an earlier try made is ours when the org's clock is off by %s", wrong), func(t *testing.T) {
			t.Parallel()
			b := setup(t, simtest.Clock(func() time.Time { return time.Now().Add(wrong) }))
			b.form = inserts
			b.orphanInsert("a-0")
			b.form = inserts.again()
			c := b.seal(record.ChunkResend, accountRows("a", 1)).send()
			b.run(b.reconciler(), 0)
			if o := c.outcome(); o.States != "l" || o.Landed != 1 {
				t.Errorf("%+v", o)
			}
		})
		t.Run(fmt.Sprintf("a row that was there before the record is not ours when the org's clock is off by %s", wrong), func(t *testing.T) {
			t.Parallel()
			b := setup(t, simtest.Clock(func() time.Time { return time.Now().Add(wrong) }))
			b.form = inserts
			b.orphanInsert("a-0")
			b.form, b.now = inserts.again(), b.now.Add(time.Hour)
			c := b.seal(record.ChunkResend, accountRows("a", 1)).send()
			b.run(b.reconciler(), 0)
			if o := c.outcome(); o.States != "f" {
				t.Errorf("%+v", o)
			}
		})
	}
}
