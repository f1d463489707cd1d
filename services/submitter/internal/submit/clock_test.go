package submit

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
)

// An org dates jobs by its own clock. Were their age told by ours, one that is behind would make orphans of jobs that are being uploaded.
func TestTheAgeOfAnOrphanIsTheOrgs(t *testing.T) {
	for _, wrong := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		t.Run(fmt.Sprintf("a job is as old as it is when the org's clock is off by %s", wrong), func(t *testing.T) {
			b := newBench(t, simtest.Clock(func() time.Time { return time.Now().Add(wrong) }))
			r := NewRunner(b.config)
			c := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
			b.note(c)
			b.untilSubmitted(r, c) // the org is known from then on
			if _, err := b.client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c"}); err != nil {
				t.Fatal(err)
			}
			if n, err := r.Orphans(t.Context()); n != 0 || err != nil {
				t.Errorf("%d orphans (%v), want none: the job was made just now", n, err)
			}
			later := b.config
			later.Now = func() time.Time { return time.Now().Add(b.config.OrphanAge + time.Hour) }
			if n, err := NewRunner(later).Orphans(t.Context()); n != 1 || err != nil {
				t.Errorf("%d orphans (%v), want the one that is older than %s", n, err, b.config.OrphanAge)
			}
		})
	}
}
