//go:build fault

package submit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
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
		pointClaimed, pointBeforeResolve, pointAfterResolve, pointBeforeCreate, pointAfterCreate, pointBeforeUpload, pointUpload25, pointUpload50, pointUpload99, pointAfterUpload, pointBeforeAnnounce, pointAfterAnnounce,
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

// An orphan that could not be aborted, or not be noted as aborted, is found by the next look.
func TestFaultsWhileOrphansAreAborted(t *testing.T) {
	for _, point := range []string{pointBeforeOrphan, pointAfterOrphan} {
		t.Run("a failure at "+point+" leaves the orphan to the next look", func(t *testing.T) {
			b := newBench(t)
			b.reports = false
			b.refuse = errNoBroker
			bound := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
			b.note(bound)
			b.turns(NewRunner(b.config), 3) // the org is known now
			left, err := b.client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c"})
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.Set(point + "=error@1"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fault.Set("") })
			old := b.config
			old.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
			r := NewRunner(old)
			if _, err := r.Orphans(t.Context()); !errors.Is(err, fault.ErrInjected) {
				t.Fatalf("error %v", err)
			}
			if _, err := r.Orphans(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, j := range b.sim.Jobs() {
				if want := map[bool]string{true: "Aborted", false: "Open"}[j.ID == left.ID]; string(j.State) != want {
					t.Errorf("job %s is %s, want %s", j.ID, j.State, want)
				}
			}
		})
	}
}
