package submit

import (
	"slices"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/submitter/internal/store"

	"pgregory.net/rapid"
)

var moment = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// What is in doubt is said of each job by itself; the answer for all of them is no other.
func TestARecordIsInDoubtWhenSomeForgottenJobMayHaveCarriedItSinceItWasSentLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Map(rapid.IntRange(0, 4), func(n int) time.Time { return moment.Add(time.Duration(n) * time.Minute) })
		forgotten := rapid.SliceOf(rapid.Custom(func(t *rapid.T) store.Forgotten {
			from := rapid.Uint64Range(0, 30).Draw(t, "from")
			return store.Forgotten{FoundAt: at.Draw(t, "found"), From: from, Through: from + rapid.Uint64Range(0, 10).Draw(t, "more")}
		})).Draw(t, "forgotten")
		could := carriedBy(forgotten)
		for range 20 {
			seq, sent := rapid.Uint64Range(0, 45).Draw(t, "seq"), time.Time{}
			if rapid.Bool().Draw(t, "sent before") {
				sent = at.Draw(t, "sent")
			}
			want := slices.ContainsFunc(forgotten, func(f store.Forgotten) bool { return f.From <= seq && seq <= f.Through && sent.Before(f.FoundAt) })
			if got := could.InDoubt(seq, sent); got != want {
				t.Fatalf("%d sent at %v: %v, want %v", seq, sent, got, want)
			}
		}
	})
}

func TestRangesHoldEveryRowInDoubtAndAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Bool(), 0, 3*maxDoubts).Draw(t, "rows")
		if rapid.Bool().Draw(t, "every other") {
			rows = make([]bool, 3*maxDoubts)
			for i := range rows {
				rows[i] = i%2 == 0
			}
		}
		got := ranges(len(rows), func(row int) bool { return rows[row] })
		if len(got) > maxDoubts {
			t.Fatalf("%d ranges", len(got))
		}
		covered, last := make([]bool, len(rows)), 0
		for _, r := range got {
			if r.First < last || r.End <= r.First || r.End > len(rows) || !rows[r.First] || !rows[r.End-1] {
				t.Fatalf("%+v", got)
			}
			for row := r.First; row < r.End; row++ {
				covered[row] = true
			}
			last = r.End
		}
		for row, doubtful := range rows {
			if doubtful && !covered[row] || !doubtful && covered[row] && len(got) < maxDoubts {
				t.Fatalf("row %d: in doubt %v, told %v", row, doubtful, covered[row])
			}
		}
	})
}

func TestAForgottenJobIsOverWhenNothingOfItCanLand(t *testing.T) {
	waits := record.DefaultWaits()
	tests := []struct {
		name         string
		before, seen string
		steady       time.Duration
		want         Ending
	}{
		{"an open job is aborted", "", salesforce.StateOpen, 0, AbortIt},
		{"one that was seen open before is aborted again", salesforce.StateOpen, salesforce.StateOpen, time.Hour, AbortIt},
		{"one that waits its turn is waited for", "", salesforce.StateUploadComplete, 0, LookAgain},
		{"one at work is waited for however long", salesforce.StateInProgress, salesforce.StateInProgress, 24 * time.Hour, LookAgain},
		{"a complete one is over", "", salesforce.StateJobComplete, 0, Over},
		{"an aborted one may land rows for a moment", "", salesforce.StateAborted, 0, LookAgain},
		{"one that was seen in another state before is looked at again", salesforce.StateInProgress, salesforce.StateAborted, time.Hour, LookAgain},
		{"one that stayed aborted is over", salesforce.StateAborted, salesforce.StateAborted, waits.Settle, Over},
		{"a failed one may land rows for a moment", salesforce.StateFailed, salesforce.StateFailed, waits.Settle - time.Second, LookAgain},
		{"one that stayed failed is over", salesforce.StateFailed, salesforce.StateFailed, waits.Settle, Over},
		{"a single 404 proves nothing", "", stateGone, 0, LookAgain},
		{"one that is unknown for long is gone", stateGone, stateGone, waits.Gone, Over},
		{"a state that nobody knows is waited for", "Paused", "Paused", 24 * time.Hour, LookAgain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := DecideForgotten(tt.before, moment, tt.seen, moment.Add(tt.steady), waits); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}
