//go:build fault

package submit

import (
	"testing"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
)

// The moves of a recovery fail once on each side of their commit: another claim finishes, and nothing is closed twice.
func TestAFaultAtEachMoveOfARecoveryIsFinishedByTheNextClaim(t *testing.T) {
	for _, c := range []struct {
		move  string
		known bool
		want  Stage
	}{
		{"submitter.adopt", true, StageSubmitted},
		{"submitter.save_doubted", false, StageSent},
		{"submitter.forget", true, StageSubmitted},
	} {
		for _, side := range []string{".before_commit", ".after_commit"} {
			t.Run(c.move+side, func(t *testing.T) {
				b := newBench(t)
				r := NewRunner(b.config)
				chunk := b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("A", 3)...)
				b.exec(`UPDATE extractor.chunks SET last_seq = 3`)
				b.note(chunk)
				b.untilSubmitted(r, chunk)
				b.sim.AwaitJob(b.text(chunk, "job_id"), "finished")
				b.forget(chunk, c.known)
				if !c.known {
					chunk = b.sealAs(made, accounts, record.ChunkFresh, 0, accountRows("A", 3)...)
					b.note(chunk)
				}
				before := fault.Hits()[c.move+side]
				if err := fault.Set(c.move + side + "=error@1"); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = fault.Set("") })
				for range 3 {
					if n, err := r.FindOut(t.Context()); err == nil && n == 0 {
						break
					}
				}
				b.recovered(r)
				for range 10 {
					b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity' WHERE ended_at IS NULL`)
					b.turns(r, 2)
				}
				if got := b.stage(chunk); got != c.want {
					t.Errorf("the chunk is %s, want %s: %s", got, c.want, b.text(chunk, "last_error"))
				}
				if n := len(b.closedJobs()); n != 1 {
					t.Errorf("%d jobs were closed", n)
				}
				if fault.Hits()[c.move+side] == before {
					t.Error("the place was not passed")
				}
			})
		}
	}
}
