//go:build fault

package submit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

// Each named place fails once: another claim finishes, and nothing lands twice. A refused close and a lost close bring the places of the
// exceptions in.
func TestAFaultAtEachNamedPlaceIsFinishedByTheNextClaim(t *testing.T) {
	type scenario struct {
		exception simtest.Fault // with a kind of effect, if there is one
		shape     shape
	}
	run := func(t *testing.T, b *bench, lane int, kind string, s scenario) sealed {
		t.Helper()
		b.sim.ClearFaults()
		b.exec(`DELETE FROM submitter.pauses`) // refused closes follow each other here
		if s.exception.Effect.Kind != "" {
			b.sim.AddFault(s.exception)
		}
		c := b.sealAs(s.shape, accounts, kind, lane, accountRows(fmt.Sprintf("%s-%d", kind, lane), 3)...)
		b.note(c)
		r := NewRunner(b.config)
		for range 40 {
			if b.stage(c) == StageSubmitted {
				break
			}
			b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity' WHERE ended_at IS NULL`)
			works, err := r.Claim(t.Context(), 4)
			if err == nil {
				for _, w := range works {
					r.Drive(t.Context(), w)
				}
			}
		}
		if got := b.stage(c); got != StageSubmitted {
			t.Fatalf("the chunk is %s, want submitted", got)
		}
		b.outcome(c, "lll")
		for range 3 { // ending may fail once as well
			if _, err := b.store.End(t.Context(), c.id); err == nil {
				break
			}
		}
		if got := b.stage(c); got != StageReconciled {
			t.Fatalf("the chunk is %s, want reconciled", got)
		}
		return c
	}
	scenarios := []scenario{
		{shape: upserts},
		{shape: upserts, exception: simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropAfter}}},
		{shape: upserts, exception: refusedClose(1)},
		{shape: shape{"Account", "update", "External_Id__c", testSpace, testHeader}},
	}
	b := newBench(t)
	var seeds []map[string]string // the rows that are updated
	for lane := range 600 {
		for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
			seeds = append(seeds, map[string]string{"Name": "Old", "External_Id__c": fmt.Sprintf("%s-%d-0", kind, lane)})
		}
	}
	b.sim.Seed("Account", seeds...)
	lane := 0
	before := fault.Hits()
	for _, s := range scenarios {
		for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
			lane++
			run(t, b, lane, kind, s)
		}
	}
	var names []string
	for name, n := range fault.Hits() {
		if strings.HasPrefix(name, "submitter.") && n > before[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, want := range []string{
		pointClaimed, pointBeforeResolve, pointAfterResolve, pointBeforeCreate, pointAfterCreate, pointBeforeUpload, pointAfterUpload, pointBeforeAnnounce, pointAfterAnnounce,
		pointBeforeClose, pointAfterClose, pointBeforeLook, pointAfterLook, pointBeforeAbort, pointAfterAbort,
		"submitter.take_lane.before_commit", "submitter.save_checked.after_commit", "submitter.save_created.before_commit", "submitter.save_uploaded.before_commit",
		"submitter.bind.after_commit", "submitter.save_refused.before_commit", "submitter.save_submitted.after_commit", "submitter.end.before_commit",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("place %s was never reached", want)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			for _, s := range scenarios {
				for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
					lane++
					if err := fault.Set(name + "=error@1"); err != nil {
						t.Fatal(err)
					}
					c := run(t, b, lane, kind, s)
					if err := fault.Set(""); err != nil {
						t.Fatal(err)
					}
					closed, names := 0, fmt.Sprintf("%s-%d-0", kind, lane)
					if s.shape.operation == "update" {
						row, _ := b.sim.Record("Account", names)
						names = row.ID
					}
					for _, j := range b.sim.Jobs() {
						if j.Closed && strings.Contains(string(b.sim.UploadOf(j.ID)), names) {
							closed++
							if j.ID != b.text(c, "job_id") {
								t.Errorf("%s: job %s was closed, the ledger says %s", kind, j.ID, b.text(c, "job_id"))
							}
						}
					}
					if closed > 1 {
						t.Errorf("%s: %d jobs of one chunk were closed", kind, closed)
					}
				}
			}
		})
	}
}
