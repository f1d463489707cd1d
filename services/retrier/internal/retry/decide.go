package retry

import (
	"encoding/json"
	"fmt"
	"time"

	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

// codeMissing is written where a row was in no result file: there is no code of Salesforce to keep.
const codeMissing = "MISSING"

// Verdict is what becomes of one failed record.
type Verdict struct {
	// Dead says that its tries are used up; else it waits until Due.
	Dead bool
	// Class and Code are what is recorded; Class is empty for a row that Salesforce never looked at.
	Class, Code string
	// Attempt is the number of counted tries so far in this generation.
	Attempt int
	// Due is when it is sent again at the earliest.
	Due time.Time
	// Reason says why, in words for a person.
	Reason string
}

// Decide says what becomes of the records of one unit (one failed row): all of them share one draw of the wait, so that they stay
// together. The answer has one verdict per failure, in their order. rnd is in [0,1).
func Decide(policies record.Policies, unit []store.Failure, now time.Time, rnd float64) []Verdict {
	verdicts := make([]Verdict, len(unit))
	var due time.Time
	for i, f := range unit {
		d, code := decideOne(policies, f, rnd)
		v := Verdict{Class: string(d.Class), Code: code, Attempt: f.Attempt, Reason: d.Reason, Dead: d.Verdict == record.VerdictDead}
		if !v.Dead {
			v.Due = now.Add(d.Wait)
			if v.Due.After(due) {
				due = v.Due
			}
		}
		verdicts[i] = v
	}
	// Records of one row can have different numbers of tries behind them, and with them different waits: they go with the last.
	for i := range verdicts {
		if !verdicts[i].Dead {
			verdicts[i].Due = due
		}
	}
	return verdicts
}

func decideOne(policies record.Policies, f store.Failure, rnd float64) (record.Decision, string) {
	switch f.Outcome {
	case record.OutcomeUnprocessed:
		return policies.DecideUnprocessed(unprocessedInARow(f.Attempts), rnd), f.Code
	case record.OutcomeMissing:
		// In no result file although the job has ended: the keyed row is sent again, and that try counts as a transient one.
		code := f.Code
		if code == "" {
			code = codeMissing
		}
		return policies.Decide(record.ClassTransient, f.Attempt, 0, rnd), code
	default:
		return policies.Decide(record.Class(f.Class), f.Attempt, f.Tries, rnd), f.Code
	}
}

// unprocessedInARow counts the tries at the end of the list that Salesforce never looked at; at least one, the last.
func unprocessedInARow(attempts []byte) int {
	var list []struct {
		Class string `json:"class"`
	}
	if err := json.Unmarshal(attempts, &list); err != nil {
		return 1 // the list is for people; a wait that is too short harms nobody
	}
	n := 0
	for i := len(list) - 1; i >= 0 && list[i].Class == ""; i-- {
		n++
	}
	return max(n, 1)
}

// units parts failures, ordered by row, into the runs of one row.
func units(failures []store.Failure) [][]store.Failure {
	out := make([][]store.Failure, 0, len(failures))
	for from, to := 0, 1; to <= len(failures); to++ {
		if to < len(failures) && failures[from].Row == failures[to].Row {
			continue
		}
		out = append(out, failures[from:to:to])
		from = to
	}
	return out
}

// waitReason is the sentence stored with a waiting row.
func waitReason(v Verdict) string {
	if v.Class == "" {
		return v.Reason
	}
	return fmt.Sprintf("%s (%s)", v.Reason, v.Code)
}
