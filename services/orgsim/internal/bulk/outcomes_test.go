package bulk

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

const outcomesModel = `
objects:
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: Key__c, type: string, length: 60, externalId: true, unique: true}
      - {name: LastName, type: string, length: 80, required: true}
`

// TestEveryRowHasOneOutcome runs jobs whose batches are put back, meet locks, run into limits and are aborted, and
// counts what became of the rows.
func TestEveryRowHasOneOutcome(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chunk := rapid.IntRange(1, 250).Draw(rt, "transaction rows")
		m := newManager(t, outcomesModel, func(s *settings.Settings) {
			s.TransactionRows = chunk
			s.BatchRows = chunk * rapid.IntRange(1, 30).Draw(rt, "transactions in a batch")
			s.ParallelBatches = rapid.IntRange(1, 6).Draw(rt, "parallel batches")
			s.BatchTime = settings.Duration(rapid.SampledFrom([]time.Duration{1, 100 * time.Microsecond, time.Hour}).Draw(rt, "batch time"))
			s.DailyRowLimit = rapid.SampledFrom([]int{1_000, 1_000_000}).Draw(rt, "rows a day")
		})
		defer m.Stop()
		if rapid.Bool().Draw(rt, "locks fail the job") {
			if err := m.Switches.Set(switches.LockFailures, switches.JobFailed); err != nil {
				rt.Fatal(err)
			}
		}
		forever := 0
		rules := []fault.Rule{{
			Match:  fault.Match{Fraction: rapid.SampledFrom([]float64{0.001, 0.4, 1}).Draw(rt, "locked rows"), Seed: 1},
			Times:  &forever,
			Effect: fault.Effect{Kind: fault.RowError, Error: "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"},
		}}
		if late := rapid.IntRange(0, 21).Draw(rt, "time-outs"); late > 0 {
			rules = append(rules, fault.Rule{Effect: fault.Effect{Kind: fault.BatchTimeout, Count: late}})
		}
		if _, err := m.Faults.Add(rules); err != nil {
			rt.Fatal(err)
		}
		rows := rapid.IntRange(0, 3_000).Draw(rt, "rows")
		var upload bytes.Buffer
		upload.WriteString("Key__c,LastName\n")
		for i := range rows {
			name := "N"
			if i%13 == 0 {
				name = ""
			}
			fmt.Fprintf(&upload, "k%d,%s\n", i, name)
		}
		info, err := m.Create(Spec{Object: "Contact", Operation: org.Upsert, ExternalIDFieldName: "Key__c", Version: 66})
		if err == nil {
			_, err = m.Upload(info.ID, &upload)
		}
		if err == nil {
			_, err = m.Close(info.ID)
		}
		if err != nil {
			rt.Fatal(err)
		}
		abort := rapid.Bool().Draw(rt, "abort")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if abort {
			if _, err := m.Abort(info.ID); err != nil && m.any(info.ID).view().State == InProgress {
				rt.Fatal(err)
			}
		}
		_, _ = m.Await(ctx, info.ID, func(v View) bool { return v.State.Terminal() })
		m.running.Wait() // an abort lets transactions that are under way finish
		v, _ := m.View(info.ID)
		if !v.State.Terminal() || v.Processed > int64(rows) || (v.State == JobComplete && v.Processed != int64(rows)) {
			rt.Fatalf("got %+v", v)
		}
		seen := map[string]int{}
		counts := [3]int{}
		for _, file := range []File{SuccessfulFile, FailedFile, UnprocessedFile} {
			r, err := m.Results(info.ID, file, 66)
			if err != nil {
				rt.Fatal(err)
			}
			var b bytes.Buffer
			if _, err := r.WriteTo(&b); err != nil {
				rt.Fatal(err)
			}
			lines, err := csv.NewReader(&b).ReadAll()
			if err != nil {
				rt.Fatal(err)
			}
			counts[file] = len(lines) - 1
			for _, cells := range lines[1:] {
				seen[cells[len(cells)-2]]++
			}
		}
		saved := m.Store.Counts(false)["Contact"]
		if len(seen) != rows || counts[0]+counts[1] != int(v.Processed) || counts[1] != int(v.Failed) || counts[0] != saved.Rows {
			rt.Fatalf("%d rows: %d keys in the files, %v, %d saved, %+v", rows, len(seen), counts, saved.Rows, v)
		}
		for key, n := range seen {
			if n != 1 {
				rt.Fatalf("%s stands %d times in the files", key, n)
			}
		}
		if rule := m.Faults.List()[0]; rule.Hits > counts[1] {
			rt.Fatalf("rows met %d locks, and %d rows failed", rule.Hits, counts[1])
		}
	})
}
