package account

import (
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

var at0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func digestOf(s string) Digest {
	var d Digest
	d.Add('l', []byte(s), nil, nil)
	return d
}

func TestDecide(t *testing.T) {
	waits := record.DefaultWaits()
	complete := func(processed, failed int64) Job {
		return Job{State: salesforce.StateJobComplete, Processed: processed, Failed: failed}
	}
	aborted := Job{State: salesforce.StateAborted, Processed: 5, Failed: 1}
	same := digestOf("a")
	after := func(reads int, first, last time.Duration) Past {
		return Past{Reads: reads, FirstReadAt: at0.Add(first), LastAt: at0.Add(last), LastDigest: same}
	}
	for _, c := range []struct {
		name string
		job  Job
		read Read
		past Past
		now  time.Duration
		want Step
		next time.Duration // of StepAgain, since at0
	}{
		{"a complete job whose files equal the counters and tell of every row is settled at the first read", complete(10, 3), Read{Sent: 10, Landed: 7, Failed: 3}, Past{}, 0, StepSettle, 0},
		{"a complete job in which every row failed is settled like any other", complete(10, 10), Read{Sent: 10, Failed: 10}, Past{}, 0, StepSettle, 0},
		{"unprocessed rows of a complete job count as told of", complete(8, 1), Read{Sent: 10, Landed: 7, Failed: 1, Unprocessed: 2}, Past{}, 0, StepSettle, 0},
		{"a success file that is short is read again", complete(10, 3), Read{Sent: 10, Landed: 6, Failed: 3}, Past{}, 0, StepAgain, 5 * time.Minute},
		{"a failure file that is short is read again", complete(10, 3), Read{Sent: 10, Landed: 7, Failed: 2}, Past{}, 0, StepAgain, 5 * time.Minute},
		{"rows beyond the counters are read again", complete(9, 3), Read{Sent: 10, Landed: 7, Failed: 3}, Past{}, 0, StepAgain, 5 * time.Minute},
		{"rows in no file are read again although the counters agree", complete(8, 3), Read{Sent: 10, Landed: 5, Failed: 3}, Past{}, 0, StepAgain, 5 * time.Minute},
		{"the third read comes when the whole wait is over", complete(8, 3), Read{Sent: 10, Landed: 5, Failed: 3}, after(1, 0, 0), 5 * time.Minute, StepAgain, 10 * time.Minute},
		{"three reads over the whole wait make the rest missing", complete(8, 3), Read{Sent: 10, Landed: 5, Failed: 3}, after(2, 0, 5*time.Minute), 10 * time.Minute, StepSettle, 0},
		{"three reads that came too early do not", complete(8, 3), Read{Sent: 10, Landed: 5, Failed: 3}, after(2, 0, time.Minute), 2 * time.Minute, StepAgain, 10 * time.Minute},
		{"a row that shows up at the second read ends the waiting", complete(10, 3), Read{Sent: 10, Landed: 7, Failed: 3}, after(1, 0, 0), 5 * time.Minute, StepSettle, 0},
		{"a complete job without counters needs two equal reads", complete(-1, -1), Read{Sent: 10, Landed: 10, Digest: same}, Past{}, 0, StepAgain, time.Minute},
		{"a complete job without counters is settled by the second equal read", complete(-1, -1), Read{Sent: 10, Landed: 10, Digest: same}, after(1, 0, 0), time.Minute, StepSettle, 0},

		{"an aborted job is never settled at the first read", aborted, Read{Sent: 10, Landed: 4, Failed: 1, Unprocessed: 5, Digest: same}, Past{}, 0, StepAgain, time.Minute},
		{"two equal reads settle.wait apart settle an aborted job", aborted, Read{Sent: 10, Landed: 4, Failed: 1, Unprocessed: 5, Digest: same}, after(1, 0, 0), time.Minute, StepSettle, 0},
		{"two equal reads that came too close do not", aborted, Read{Sent: 10, Landed: 4, Failed: 1, Unprocessed: 5, Digest: same}, after(1, 0, 30*time.Second), time.Minute, StepAgain, 2 * time.Minute},
		{"two reads that differ do not", aborted, Read{Sent: 10, Landed: 5, Failed: 1, Unprocessed: 4, Digest: digestOf("b")}, after(1, 0, 0), time.Minute, StepAgain, 2 * time.Minute},
		{"the counters of an aborted job are not used", Job{State: salesforce.StateAborted}, Read{Sent: 10, Landed: 10, Digest: same}, after(1, 0, 0), time.Minute, StepSettle, 0},
		{"rows of an aborted job in no file are waited for", aborted, Read{Sent: 10, Landed: 4, Digest: same}, after(1, 0, 0), time.Minute, StepAgain, 10 * time.Minute},
		{"rows of an aborted job in no file are missing after three reads over missing.wait", aborted, Read{Sent: 10, Landed: 4, Digest: same}, after(2, 0, 6*time.Minute), 10 * time.Minute, StepSettle, 0},
		{"a refused file with empty results is all unprocessed after two equal reads", Job{State: salesforce.StateFailed, ErrorMessage: "InvalidBatch : Field name not found : X"}, Read{Sent: 10, Digest: same}, after(1, 0, 0), time.Minute, StepSettle, 0},
		{"a job that failed otherwise with empty results is not", Job{State: salesforce.StateFailed, ErrorMessage: "InternalServerError : oops"}, Read{Sent: 10, Digest: same}, after(1, 0, 0), time.Minute, StepAgain, 10 * time.Minute},
		{"a job whose close was refused is all unprocessed after two equal reads", Job{State: salesforce.StateAborted, CloseRefused: true}, Read{Sent: 10, Digest: same}, after(1, 0, 0), time.Minute, StepSettle, 0},
		{"a job whose close was refused and that gave no counters is waited for", Job{State: salesforce.StateAborted, CloseRefused: true, Processed: -1, Failed: -1}, Read{Sent: 10, Digest: same}, after(1, 0, 0), time.Minute, StepAgain, 10 * time.Minute},

		{"rows that cannot be are looked at twice before the alarm", complete(10, 0), Read{Sent: 10, Landed: 10, Contradiction: "no", Digest: same}, Past{}, 0, StepAgain, time.Minute},
		{"rows that cannot be and stay quarantine the chunk", complete(10, 0), Read{Sent: 10, Landed: 10, Contradiction: "no", Digest: same}, after(1, 0, 0), time.Minute, StepQuarantine, 0},
		{"rows that cannot be and change quarantine the chunk at the third read", complete(10, 0), Read{Sent: 10, Landed: 10, Contradiction: "no", Digest: digestOf("b")}, after(2, 0, time.Minute), 2 * time.Minute, StepQuarantine, 0},
		{"rows that cannot be and are gone at the second read do no harm", complete(10, 0), Read{Sent: 10, Landed: 10, Digest: same}, after(1, 0, 0), time.Minute, StepSettle, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Decide(c.job, c.read, c.past, waits, at0.Add(c.now))
			if v.Step != c.want {
				t.Fatalf("%s (%s), want %s", v.Step, v.Reason, c.want)
			}
			if c.want == StepAgain && v.At.Sub(at0) != c.next {
				t.Fatalf("again after %v, want %v", v.At.Sub(at0), c.next)
			}
			if v.Reason == "" {
				t.Fatal("no reason")
			}
		})
	}
}

func TestDecideEnds(t *testing.T) {
	waits := record.DefaultWaits()
	t.Run("files that never tell of a row end as missing within three or four reads, whatever the job's state", func(t *testing.T) {
		for _, job := range []Job{
			{State: salesforce.StateJobComplete, Processed: 10},
			{State: salesforce.StateJobComplete, Processed: -1, Failed: -1},
			{State: salesforce.StateFailed, ErrorMessage: "ExceededQuota : x"},
			{State: salesforce.StateAborted},
		} {
			now, past, reads := at0, Past{}, 0
			for {
				v := Decide(job, Read{Sent: 10, Landed: 4, Digest: digestOf("a")}, past, waits, now)
				reads++
				if v.Step == StepSettle {
					break
				}
				if past.Reads == 0 {
					past.FirstReadAt = now
				}
				past = Past{Reads: reads, FirstReadAt: past.FirstReadAt, LastAt: now, LastDigest: digestOf("a")}
				now = v.At
				if reads > 4 {
					t.Fatalf("%s: still %s after %d reads", job.State, v.Step, reads)
				}
			}
			if reads < 3 || now.Sub(at0) < waits.Missing {
				t.Fatalf("%s: settled after %d reads over %v", job.State, reads, now.Sub(at0))
			}
		}
	})
}
