package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store/db"
)

// standing is where a record is now, and why.
type standing struct {
	state        record.State
	generation   int
	salesforceID string
	letterID     string
	nextRetry    *time.Time
	why          string
}

// standing decides from the newest generation that anything is known of: what was done last counts.
func (f *facts) standing() standing {
	g := f.newest()
	s := standing{generation: g}
	for _, w := range f.waiting {
		if int(w.Generation) == g {
			return f.waitingNow(s, w)
		}
	}
	var last *sending
	for _, x := range f.sendings() {
		if x.generation == g {
			last = &x
		}
	}
	if last != nil {
		return f.sent(s, *last)
	}
	for _, o := range f.overtaken {
		if int(o.Generation) == g {
			return f.coveredNow(s)
		}
	}
	for _, r := range f.refusals {
		if int(r.Generation) == g {
			return f.dead(s, 0, r.Code, r.Message)
		}
	}
	for _, l := range f.letters {
		if int(l.Generation) == g && l.Class != string(record.ClassUnresolved) {
			return f.dead(s, 0, l.Code, l.Message)
		}
	}
	s.state, s.why = record.StateInFlight, "It is accepted and on its way into a chunk; the extractor moves it next."
	return s
}

// newest is the highest generation that anything is known of.
func (f *facts) newest() int {
	g := 0
	for _, r := range f.rows {
		g = max(g, int(r.Generation))
	}
	for _, r := range f.refusals {
		g = max(g, int(r.Generation))
	}
	for _, r := range f.overtaken {
		g = max(g, int(r.Generation))
	}
	for _, r := range f.resends {
		g = max(g, int(r.Generation))
	}
	for _, r := range f.failures {
		g = max(g, int(r.Generation))
	}
	for _, r := range f.waiting {
		g = max(g, int(r.Generation))
	}
	for _, r := range f.letters {
		g = max(g, int(r.Generation))
	}
	return g
}

func (f *facts) waitingNow(s standing, w db.KeyWaitingRow) standing {
	s.state = record.StateRetrying
	if w.Class == string(record.ClassReference) {
		s.state = record.StateWaitingForParent
	}
	due := w.DueAt
	s.nextRetry = &due
	s.why = fmt.Sprintf("It waits with the retrier: %s. It is sent again after %s.", strings.TrimSuffix(w.Reason, "."), due.UTC().Format(time.RFC3339))
	return s
}

// sent follows the last chunk that carried the record.
func (f *facts) sent(s standing, last sending) standing {
	fate, ok := f.fates[last.at]
	outcome, decided := record.OutcomeOf(byte(fate.RowState))
	if !ok || !decided {
		return f.underWay(s, last, fate)
	}
	switch outcome {
	case record.OutcomeLanded:
		s.state, s.salesforceID = record.StateLanded, strings.Trim(string(fate.RowID), "\x00")
		s.why = fmt.Sprintf("Salesforce has it%s: %s landed it at %s. %s", as(s.salesforceID), lander(text(fate.OutcomeJobID)), fate.ReconciledAt.UTC().Format(time.RFC3339), noOp)
		return s
	case record.OutcomeSuperseded:
		return f.coveredNow(s)
	case record.OutcomeFailed, record.OutcomeUnprocessed, record.OutcomeMissing:
	}
	for i := len(f.failures) - 1; i >= 0; i-- {
		if x := f.failures[i]; x.Chunk == last.at.chunk && int(x.Generation) == s.generation {
			return f.failed(s, x)
		}
	}
	s.state, s.why = record.StateRetrying, fmt.Sprintf("Its row was %s in chunk %s; the retrier takes it next.", outcome, last.at.chunk)
	return s
}

// lander is what a row landed by: a job, or without one a call of sObject Collections.
func lander(jobID string) string {
	if jobID == "" {
		return "a collections call"
	}
	return "job " + jobID
}

// noOp is what a publisher may rely on who sends a record a second time.
const noOp = "Publishing it again with the same key is a no-op: it is counted as a repeat, and nothing is sent."

// as names the row of the org, where its id is known: of a row that was found deleted it may not be.
func as(id string) string {
	if id == "" {
		return ""
	}
	return " as " + id
}

func (f *facts) coveredNow(s standing) standing {
	s.state = record.StateSuperseded
	s.why = fmt.Sprintf("Newer versions of the same entity cover all that it said, the newest being %s; nothing is left to send.", f.successor)
	return s
}

func (f *facts) underWay(s standing, last sending, fate db.ChunkFatesRow) standing {
	s.state = record.StateInFlight
	item := chunkItem(db.OpenChunksRow{
		Chunk: last.at.chunk, SubmissionState: fate.SubmissionState, JobID: fate.JobID, SubmissionError: fate.LastError, WaitingFor: fate.WaitingFor,
		AnsweredAt: fate.AnsweredAt,
		WatchState: fate.WatchState, JobState: fate.JobState, WorkState: fate.WorkState, WorkError: fate.WorkError, WorkReason: fate.WorkReason,
	})
	s.why = fmt.Sprintf("It is in chunk %s (%s): %s. Next to move it: %s.", last.at.chunk, item.GetState(), item.GetNote(), item.GetOwner())
	return s
}

func (f *facts) failed(s standing, x db.KeyFailuresRow) standing {
	for _, d := range f.exhausted {
		if d.FailureID == x.ID {
			return f.dead(s, int(x.Attempt), d.Code, d.Message)
		}
	}
	switch x.Disposition {
	case "dead":
		return f.dead(s, int(x.Attempt), x.Code, x.Message)
	case "unresolved":
		return f.unresolved(s, x)
	}
	s.state = record.StateRetrying
	if x.Class == string(record.ClassReference) {
		s.state = record.StateWaitingForParent
	}
	s.why = fmt.Sprintf("Its row was %s (%s); the retrier takes it next.", x.Outcome, orNone(x.Code))
	return s
}

// unresolved looks at what was decided since.
func (f *facts) unresolved(s standing, x db.KeyFailuresRow) standing {
	s.state, s.letterID = record.StateUnresolved, uuidText(x.LetterID)
	for _, d := range f.decisions {
		if d.FailureID != x.ID {
			continue
		}
		switch {
		case d.ResolvedDecision == nil:
			s.why = fmt.Sprintf("%s decided that it has %s: %s. The reconciler carries it out next.", text(d.By), landedWord(text(d.Decision)), strings.TrimSuffix(text(d.Reason), "."))
		case *d.ResolvedDecision == "landed":
			s.state, s.salesforceID = record.StateLanded, text(d.ResolvedSfID)
			s.why = fmt.Sprintf("Salesforce has it%s: %s decided so at %s: %s. %s", as(s.salesforceID), text(d.ResolvedBy), d.ResolvedAt.UTC().Format(time.RFC3339),
				strings.TrimSuffix(text(d.ResolvedReason), "."), noOp)
		default:
			s.state = record.StateRetrying
			s.why = fmt.Sprintf("%s decided that it has not landed: %s. The retrier takes it next.", text(d.ResolvedBy), strings.TrimSuffix(text(d.ResolvedReason), "."))
		}
		return s
	}
	s.why = "Whether Salesforce has it could not be established. It is never sent again blindly: look in the org, then decide with bulkhead dlq resolve."
	return s
}

func landedWord(decision string) string {
	if decision == "landed" {
		return "landed"
	}
	return "not landed"
}

// dead looks at the letter's later life: a person may have ordered a replay, or given the record up.
func (f *facts) dead(s standing, tries int, code, message string) standing {
	s.state = record.StateDead
	after := "before it reached Salesforce"
	switch {
	case tries == 1:
		after = "after 1 try"
	case tries > 1:
		after = fmt.Sprintf("after %d counted tries", tries)
	}
	s.why = fmt.Sprintf("Dead %s: %s: %s.", after, code, strings.TrimSuffix(message, "."))
	s.letterID = uuid.UUID(record.LetterID(f.pipeline, f.key, s.generation)).String()
	for _, l := range f.letters {
		if int(l.Generation) != s.generation || l.Class == string(record.ClassUnresolved) {
			continue
		}
		switch l.State {
		case "replaying":
			s.state = record.StateRetrying
			s.why = fmt.Sprintf("%s ordered its letter to be sent again; the %s takes it next.", text(l.ActionBy), l.Taker)
			return s
		case "discarded":
			s.state = record.StateDiscarded
			s.why = fmt.Sprintf("%s discarded it: %s.", text(l.ActionBy), strings.TrimSuffix(text(l.ActionReason), "."))
			return s
		case "rolled_back":
			s.state = record.StateRolledBack
			s.why = fmt.Sprintf("%s rolled it back: %s.", text(l.ActionBy), strings.TrimSuffix(text(l.ActionReason), "."))
			return s
		}
	}
	s.why += " Next: correct the cause and replay its letter, or discard it with a reason."
	return s
}

// origin is where the record stands in its stream and when it was accepted.
func (f *facts) origin() (record.Place, time.Time, bool) {
	if len(f.rows) > 0 {
		r := f.rows[0]
		return record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, r.AcceptedAt, true
	}
	if len(f.overtaken) > 0 {
		r := f.overtaken[0]
		return record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, r.AcceptedAt, true
	}
	if len(f.refusals) > 0 {
		r := f.refusals[0]
		return record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, r.AcceptedAt, true
	}
	if len(f.failures) > 0 {
		r := f.failures[0]
		return record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, r.AcceptedAt, true
	}
	return record.Place{}, time.Time{}, false
}
