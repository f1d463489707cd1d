package bulk

import (
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/fault"
)

func TestWhatIsNextForABatch(t *testing.T) {
	const limit = 5 * time.Minute
	rest := span{200, 600}
	for _, tc := range []struct {
		name       string
		batch      batch
		took       time.Duration
		lockedFail bool
		want       verdict
		timeouts   int
		lockings   int
	}{
		{"a batch with rows and time left goes on", batch{span: rest}, limit - 1, false, goOn, 0, 0},
		{"a batch without rows left is done, however late", batch{span: span{600, 600}, locked: 300}, 2 * limit, true, batchDone, 0, 0},
		{"a late batch is put back", batch{span: rest, timeouts: 19}, limit, false, putBack, 20, 0},
		{"a late batch that was put back 20 times ends the job", batch{span: rest, timeouts: 20}, limit, false, tooSlow, 20, 0},
		{"100 rows that met locks are borne", batch{span: rest, locked: 100}, 0, true, goOn, 0, 0},
		{"with 101 the batch is put back", batch{span: rest, locked: 101, lockings: 9}, 0, false, putBack, 0, 10},
		{"after 10 times it goes on", batch{span: rest, locked: 101, lockings: 10}, 0, false, goOn, 0, 10},
		{"or ends the job", batch{span: rest, locked: 101, lockings: 10}, 0, true, tooManyLocks, 0, 10},
		{"time counts on when locks do not any more", batch{span: rest, locked: 101, lockings: 10}, limit, false, putBack, 1, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := tc.batch
			if got := b.next(tc.took, limit, tc.lockedFail); got != tc.want || b.timeouts != tc.timeouts || b.lockings != tc.lockings {
				t.Errorf("got %d with %d time-outs and %d lockings", got, b.timeouts, b.lockings)
			}
		})
	}
}

func TestLateBatch(t *testing.T) {
	row := 700
	for _, tc := range []struct {
		name              string
		effect            fault.Effect
		wantRow, wantTime int
	}{
		{"no other fault makes a batch late", fault.Effect{Kind: fault.JobStall, Count: 3}, -1, 0},
		{"the first batch is late once by default", fault.Effect{Kind: fault.BatchTimeout}, 0, 1},
		{"a row names its batch", fault.Effect{Kind: fault.BatchTimeout, Rows: &row, Count: 2}, 700, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if r, n := lateBatch(tc.effect, 1_000); r != tc.wantRow || n != tc.wantTime {
				t.Errorf("got %d, %d", r, n)
			}
		})
	}
	if r, _ := lateBatch(fault.Effect{Kind: fault.BatchTimeout, Rows: &row}, 500); r != 499 {
		t.Errorf("a row behind the last one: got %d", r)
	}
}

func TestLockMessage(t *testing.T) {
	if got := lockMessage([]string{"001000000000001", "001000000000002"}); got !=
		"unable to obtain exclusive access to this record or 2 records: 001000000000001,001000000000002" {
		t.Errorf("got %s", got)
	}
}
