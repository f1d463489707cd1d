package ledger

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// maxItems bounds the open items of one kind; what is older comes first.
const maxItems = 200

// Owners of open items beside the services: what only a person can move.
const ownerPerson = "a person"

// openWork is everything that somebody must move.
type openWork struct {
	pauses    []store.Pause
	stopped   map[string]string
	nextRetry map[string]time.Time
	chunks    []db.OpenChunksRow
	untaken   []db.UntakenOutcomesRow
	waiting   []db.WaitingRecordsRow
	letters   []db.LettersByStateRow
	readers   []db.ReadersRow
	decisions []db.OpenDecisionsRow
	rereads   []db.OpenRereadsRow
	// recoveries are those of a ledger that was restored to an earlier moment.
	recoveries []db.OpenRecoveriesRow
	// jobs are those that Salesforce works on, by pipeline.
	jobs map[string][]*opsv1.JobProgress
}

func (r *Reader) openWork(ctx context.Context) (*openWork, error) {
	q := r.store.Read()
	w := &openWork{stopped: map[string]string{}, nextRetry: map[string]time.Time{}, jobs: map[string][]*opsv1.JobProgress{}}
	var err error
	if w.pauses, err = r.store.Pauses(ctx); err != nil {
		return nil, fmt.Errorf("read the pauses: %w", err)
	}
	if w.readers, err = q.Readers(ctx); err != nil {
		return nil, fmt.Errorf("read the readers: %w", err)
	}
	if w.chunks, err = q.OpenChunks(ctx, maxItems); err != nil {
		return nil, fmt.Errorf("read open chunks: %w", err)
	}
	if w.untaken, err = q.UntakenOutcomes(ctx, maxItems); err != nil {
		return nil, fmt.Errorf("read failures to retry: %w", err)
	}
	if w.waiting, err = q.WaitingRecords(ctx); err != nil {
		return nil, fmt.Errorf("read waiting records: %w", err)
	}
	if w.letters, err = q.LettersByState(ctx); err != nil {
		return nil, fmt.Errorf("read letters: %w", err)
	}
	if w.decisions, err = q.OpenDecisions(ctx); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	if w.rereads, err = q.OpenRereads(ctx, maxItems); err != nil {
		return nil, fmt.Errorf("read what is read again: %w", err)
	}
	if w.recoveries, err = q.OpenRecoveries(ctx); err != nil {
		return nil, fmt.Errorf("read recoveries: %w", err)
	}
	jobs, err := q.RunningJobs(ctx, maxItems)
	if err != nil {
		return nil, fmt.Errorf("read running jobs: %w", err)
	}
	for _, j := range jobs {
		w.jobs[j.Pipeline] = append(w.jobs[j.Pipeline], jobOf(j))
	}
	for _, reader := range w.readers {
		if reader.StoppedCode != "" {
			w.stopped[reader.Pipeline] = reader.StoppedCode + ": " + reader.StoppedMessage
		}
	}
	for _, n := range w.waiting {
		if have, ok := w.nextRetry[n.Pipeline]; !ok || n.NextDueAt.Before(have) {
			w.nextRetry[n.Pipeline] = n.NextDueAt
		}
	}
	return w, nil
}

// items lists what is open: what only a person can move first.
func (w *openWork) items() []*opsv1.OpenItem {
	var out []*opsv1.OpenItem
	for _, p := range w.pauses {
		out = append(out, &opsv1.OpenItem{
			Owner: ownerPerson, Kind: "pause", Id: p.ID.String(), Pipeline: p.Pipeline, State: "paused", Since: timestamppb.New(p.Since),
			Note: fmt.Sprintf("%s paused it (%s %s): %s", p.Service, p.Class, p.Code, p.Message),
		})
	}
	for _, reader := range w.readers {
		if reader.StoppedCode != "" {
			out = append(out, &opsv1.OpenItem{
				Owner: ownerPerson, Kind: "reader", Id: reader.Pipeline, Pipeline: reader.Pipeline, State: "stopped",
				Note: reader.StoppedCode + ": " + reader.StoppedMessage,
			})
		}
	}
	for _, r := range w.recoveries {
		out = append(out, recoveryItem(r))
	}
	for _, c := range w.chunks {
		out = append(out, chunkItem(c))
	}
	for _, u := range w.untaken {
		out = append(out, &opsv1.OpenItem{
			Owner: "retrier", Kind: "failures", Id: u.Chunk.String(), Pipeline: u.Pipeline, State: "retrying", Since: timestamppb.New(u.Since),
			Note: fmt.Sprintf("%d records are to be taken over for retry", u.Records),
		})
	}
	for _, n := range w.waiting {
		state := "retrying"
		if n.Class == "reference" {
			state = "waiting_for_parent"
		}
		out = append(out, &opsv1.OpenItem{
			Owner: "retrier", Kind: "waiting", Id: n.Pipeline + "/" + orNone(n.Class), Pipeline: n.Pipeline, State: state, Since: timestamppb.New(n.Since),
			Note: fmt.Sprintf("%d records wait (class %s, at most %d tries so far), the next is due at %s", n.Records, orNone(n.Class), n.MostAttempts, n.NextDueAt.UTC().Format(time.RFC3339)),
		})
	}
	for _, l := range w.letters {
		out = append(out, letterItem(l))
	}
	for _, d := range w.decisions {
		out = append(out, &opsv1.OpenItem{
			Owner: "reconciler", Kind: "decisions", Id: d.Pipeline + "/" + d.Decision, Pipeline: d.Pipeline, State: d.Decision, Since: timestamppb.New(d.Since),
			Note: fmt.Sprintf("%d decisions on unresolved records are to be carried out", d.Records),
		})
	}
	for _, r := range w.rereads {
		out = append(out, &opsv1.OpenItem{
			Owner: "extractor", Kind: "reread", Id: r.ID.String(), Pipeline: r.Pipeline, State: "reading", Since: timestamppb.New(r.OrderedAt),
			Note: noteOf(&r.Error, fmt.Sprintf("messages %d to %d of its stream are read again, the last one read is %d", r.FromSeq, r.ToSeq, r.ReadSeq)),
		})
	}
	return out
}

// recoveryItem says that nothing of a pipeline is sent, and until when.
func recoveryItem(r db.OpenRecoveriesRow) *opsv1.OpenItem {
	note := fmt.Sprintf("the ledger was restored to an earlier moment and has forgotten %d jobs: nothing of the pipeline and of the forgotten jobs' orgs is sent until "+
		"the last %d of them have ended", r.Jobs, r.Open)
	if r.LastError != "" {
		note += "; one cannot be looked at: " + r.LastError
	}
	return &opsv1.OpenItem{
		Owner: "submitter", Kind: "recovery", Id: fmt.Sprint(r.ID), Pipeline: r.Pipeline, State: "recovering", Since: timestamppb.New(r.FoundAt), Note: note,
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func letterItem(l db.LettersByStateRow) *opsv1.OpenItem {
	item := &opsv1.OpenItem{
		Kind: "dead_letters", Id: l.Pipeline + "/" + l.Class, Pipeline: l.Pipeline, State: l.State, Since: timestamppb.New(l.Since),
		Owner: ownerPerson, Note: fmt.Sprintf("%d records are dead and wait for a person", l.Letters),
	}
	if l.Class == string(record.ClassUnresolved) {
		return unresolvedItem(item, l)
	}
	if l.State == "replaying" {
		item.Owner, item.Note = l.Taker, fmt.Sprintf("%d letters were ordered to be sent again and are not taken yet", l.Letters)
		if l.Taken {
			item.Note = fmt.Sprintf("%d letters are being sent again", l.Letters)
			item.Owner = "ops" // it closes them when the new outcome is known; until then their records are open items of their own
		}
	}
	return item
}

// unresolvedItem tells of records of which nobody knows whether they landed.
func unresolvedItem(item *opsv1.OpenItem, l db.LettersByStateRow) *opsv1.OpenItem {
	item.Kind = "unresolved"
	switch {
	case l.State != "replaying":
		item.Note = fmt.Sprintf("of %d records nobody knows whether Salesforce has them: look in the org, then decide with bulkhead dlq resolve", l.Letters)
	case l.Taken:
		item.Owner, item.Note = "ops", fmt.Sprintf("%d letters of records that had not landed are being sent again", l.Letters)
	default:
		item.Owner, item.Note = "retrier", fmt.Sprintf("%d letters were decided as not landed and are not taken yet", l.Letters)
	}
	return item
}

// jobOf is a job that Salesforce works on.
func jobOf(j db.RunningJobsRow) *opsv1.JobProgress {
	return &opsv1.JobProgress{
		JobId: j.JobID, Chunk: j.Chunk.String(), State: j.JobState, Rows: j.Rows, Processed: max(j.Processed, 0), Failed: max(j.Failed, 0),
		SubmittedAt: timestamppb.New(j.SubmittedAt), SeenAt: stampOrNil(j.LookedAt),
	}
}

// reading says how far the reconciler has come with a chunk: whoever takes over goes on from there.
func reading(c db.OpenChunksRow) string {
	does := "reads the result files of job " + text(c.JobID)
	if text(c.JobID) == "" {
		does = "accounts for what the calls for its rows answered"
	}
	note := noteOf(c.WorkReason, does)
	if c.WorkReads == nil || *c.WorkReads == 0 || c.WorkNextReadAt == nil {
		return note
	}
	return fmt.Sprintf("%s (complete reads: %d, the next is due at %s)", note, *c.WorkReads, c.WorkNextReadAt.UTC().Format(time.RFC3339))
}

// chunkItem says who must move a chunk without an outcome: the owner follows from how far it has come.
func chunkItem(c db.OpenChunksRow) *opsv1.OpenItem {
	item := &opsv1.OpenItem{Kind: "chunk", Id: c.Chunk.String(), Pipeline: c.Pipeline}
	since := c.SealedAt
	switch {
	case c.WorkState != nil:
		item.Owner, item.State, item.Note = "reconciler", *c.WorkState, noteOf(c.WorkError, reading(c))
		since = later(since, c.WorkNotedAt)
		if *c.WorkState == "quarantined" {
			item.Owner = ownerPerson
			item.Note = noteOf(c.WorkError, "result files hold rows that were never sent: nothing is decided")
		}
	case c.WatchState != nil && *c.WatchState != "watching":
		item.Owner, item.State, item.Note = "reconciler", *c.WatchState, "job "+text(c.JobID)+" has ended, its result files are to be read"
		since = later(since, c.FinishedAt)
	case c.WatchState != nil:
		item.Owner, item.State = "poller", *c.WatchState
		item.Note = noteOf(c.WatchError, fmt.Sprintf("job %s is %s", text(c.JobID), orUnknown(text(c.JobState))))
		since = later(since, c.SubmittedAt)
	case c.SubmissionState == nil:
		item.Owner, item.State, item.Note = "submitter", "sealed", "the chunk is to be noted"
	case *c.SubmissionState == "submitted":
		item.Owner, item.State, item.Note = "poller", *c.SubmissionState, "job "+text(c.JobID)+" is to be watched"
		since = later(since, c.SubmittedAt)
	case *c.SubmissionState == "nothing_sent", *c.SubmissionState == "reconciled":
		item.Owner, item.State, item.Note = "reconciler", *c.SubmissionState, "the outcome is to be written"
	case *c.SubmissionState == "sent" && c.AnsweredAt != nil:
		item.Owner, item.State, item.Note = "reconciler", "answered", "the calls for its rows were answered, what they said is to be accounted for"
		since = later(since, c.AnsweredAt)
	case *c.SubmissionState == "sent":
		item.Owner, item.State, item.Note = "submitter", *c.SubmissionState, noteOf(c.SubmissionError, "calls for its rows are on their way")
		since = later(since, c.NotedAt)
	default:
		item.Owner, item.State, item.Note = "submitter", *c.SubmissionState, noteOf(c.SubmissionError, noteOf(c.WaitingFor, "is on its way to Salesforce"))
		since = later(since, c.NotedAt)
	}
	item.Since = timestamppb.New(since)
	return item
}
