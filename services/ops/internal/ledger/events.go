package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// events are what happened to the record, oldest first. The list only grows.
func (f *facts) events() []*opsv1.RecordEvent {
	var out []*opsv1.RecordEvent
	add := func(at time.Time, e *opsv1.RecordEvent) {
		e.At = timestamppb.New(at)
		out = append(out, e)
	}
	for _, r := range f.rows {
		what := "accepted"
		if r.Generation > 0 {
			what = fmt.Sprintf("%s as generation %d", f.opened(r.Generation), r.Generation)
		}
		e := &opsv1.RecordEvent{Service: "extractor", What: what}
		if r.Chunk.Valid {
			e.What, e.Chunk = what+" and sealed into a chunk", r.Chunk.UUID.String()
		}
		add(r.AcceptedAt, e)
	}
	for _, r := range f.refusals {
		add(r.DeadAt, &opsv1.RecordEvent{Service: "extractor", What: "refused before Salesforce", Class: r.Class, Code: r.Code, Message: r.Message})
	}
	for _, r := range f.resends {
		add(r.SealedAt, &opsv1.RecordEvent{Service: "retrier", What: "sealed into a resend", Chunk: r.Chunk.String()})
	}
	f.sendingEvents(add)
	for _, x := range f.failures {
		fate := f.fates[chunkRow{x.Chunk, x.Row}]
		add(x.DecidedAt, &opsv1.RecordEvent{
			Service: "reconciler", What: fmt.Sprintf("row %s, try %d", x.Outcome, x.Attempt), Chunk: x.Chunk.String(), JobId: text(fate.OutcomeJobID),
			Class: x.Class, Code: x.Code, Message: x.Message,
		})
	}
	for _, w := range f.waiting {
		add(w.Since, &opsv1.RecordEvent{
			Service: "retrier", What: "waits until " + w.DueAt.UTC().Format(time.RFC3339), Class: w.Class, Code: w.Code, Message: w.Reason,
		})
	}
	for _, d := range f.exhausted {
		add(d.DeadAt, &opsv1.RecordEvent{Service: "retrier", What: "dead: its tries are used up", Class: d.Class, Code: d.Code, Message: d.Message})
	}
	for _, l := range f.letters {
		if l.ActionAt != nil && l.Class != string(record.ClassUnresolved) { // what was decided of unresolved ones is told by the decisions
			add(*l.ActionAt, &opsv1.RecordEvent{Service: "ops", What: fmt.Sprintf("%s ordered by %s", text(l.ActionKind), text(l.ActionBy)), Message: text(l.ActionReason)})
		}
		if l.State == "landed" || l.State == "superseded" || l.State == "died_again" {
			add(l.ChangedAt, &opsv1.RecordEvent{Service: "ops", What: "letter closed: " + l.State})
		}
	}
	for _, o := range f.overtaken {
		add(o.DecidedAt, &opsv1.RecordEvent{Service: "extractor", What: "not sent: newer versions cover it", Message: "successor " + f.successor})
	}
	f.decisionEvents(add)
	for _, s := range f.superseded {
		add(s.DecidedAt, &opsv1.RecordEvent{Service: "submitter", What: "left out: newer versions cover it", Chunk: s.Chunk.String(), Message: "successor " + f.successor})
	}
	slices.SortStableFunc(out, func(a, b *opsv1.RecordEvent) int { return a.GetAt().AsTime().Compare(b.GetAt().AsTime()) })
	return out
}

// opened says how a generation above 0 came about: upstream published a record again that a person had given up, or its letter was mapped again.
func (f *facts) opened(generation int16) string {
	for _, l := range f.letters {
		if l.Generation == generation-1 && (l.State == "discarded" || l.State == "rolled_back") {
			return "published again after it was " + strings.ReplaceAll(l.State, "_", " ") + ", accepted anew"
		}
	}
	return "mapped again"
}

// decisionEvents are what was decided of unresolved tries, and when the decision was carried out.
func (f *facts) decisionEvents(add func(time.Time, *opsv1.RecordEvent)) {
	for _, d := range f.decisions {
		if d.DecidedAt != nil {
			add(*d.DecidedAt, &opsv1.RecordEvent{Service: "ops", What: fmt.Sprintf("%s decided: %s%s", text(d.By), landedWord(text(d.Decision)), as(text(d.SfID))), Message: text(d.Reason)})
		}
		if d.ResolvedAt != nil {
			add(*d.ResolvedAt, &opsv1.RecordEvent{
				Service: "reconciler", What: fmt.Sprintf("resolved: %s%s", landedWord(text(d.ResolvedDecision)), as(text(d.ResolvedSfID))),
				Message: fmt.Sprintf("%s: %s", text(d.ResolvedBy), text(d.ResolvedReason)),
			})
		}
	}
}

// sendingEvents are those of the chunks: bound, submitted, looked up, landed. What failed is told by the failures.
func (f *facts) sendingEvents(add func(time.Time, *opsv1.RecordEvent)) {
	for _, s := range f.sendings() {
		fate := f.fates[s.at]
		chunk := s.at.chunk.String()
		if fate.SubmittedAt != nil {
			add(*fate.SubmittedAt, &opsv1.RecordEvent{Service: "submitter", What: "submitted", Chunk: chunk, JobId: text(fate.JobID)})
		}
		if fate.AnsweredAt != nil {
			add(*fate.AnsweredAt, &opsv1.RecordEvent{Service: "submitter", What: "answered by collections calls", Chunk: chunk})
		}
		if fate.UnsentCode != nil && fate.CheckedAt != nil {
			add(*fate.CheckedAt, &opsv1.RecordEvent{
				Service: "submitter", What: "left out of the upload", Chunk: chunk, Class: text(fate.UnsentClass), Code: *fate.UnsentCode, Message: text(fate.UnsentMessage),
			})
		}
		if fate.LookedUpAt != nil {
			add(*fate.LookedUpAt, &opsv1.RecordEvent{
				Service: "reconciler", What: fmt.Sprintf("look-up %d of the rows that are in no result file", max(fate.Lookups, 1)), Chunk: chunk, JobId: text(fate.JobID),
			})
		}
		if fate.FinishedAt != nil {
			add(*fate.FinishedAt, &opsv1.RecordEvent{Service: "poller", What: "job ended: " + orUnknown(text(fate.JobState)), Chunk: chunk, JobId: text(fate.JobID)})
		}
		if outcome, ok := record.OutcomeOf(byte(fate.RowState)); ok && fate.ReconciledAt != nil && (outcome == record.OutcomeLanded || outcome == record.OutcomeSuperseded) {
			add(*fate.ReconciledAt, &opsv1.RecordEvent{Service: "reconciler", What: string(outcome), Chunk: chunk, JobId: text(fate.OutcomeJobID)})
		}
	}
}
