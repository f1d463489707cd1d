package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/service"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// maxItems bounds the open items of one kind; what is older comes first.
const maxItems = 200

// Owners of open items beside the services: what only a person can move.
const ownerPerson = "a person"

// Status answers for everything: balance, pipelines, orgs, and what is open.
func (r *Reader) Status(ctx context.Context) (*opsv1.GetStatusResponse, error) {
	balance, err := r.Balance(ctx, "", "")
	if err != nil {
		return nil, err
	}
	states, err := r.store.Read().PipelineStates(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the pipelines: %w", err)
	}
	_, marks, err := r.pipelines(ctx)
	if err != nil {
		return nil, err
	}
	open, err := r.openWork(ctx)
	if err != nil {
		return nil, err
	}
	out := &opsv1.GetStatusResponse{
		Balance: balance.GetBalance(), AddsUp: balance.GetAddsUp(), Repeats: balance.GetRepeats(), Unread: balance.GetUnread(),
		OpenItems: open.items(), Version: service.Version(),
	}
	for _, s := range states {
		b := balance.GetPipelines()[s.Pipeline]
		p := &opsv1.PipelineStatus{
			Name: s.Pipeline, Revision: s.Revision, Balance: b.GetBalance(), Repeats: b.GetRepeats(), Unread: b.GetUnread(),
			OpenChunks: s.OpenChunks, OpenJobs: s.OpenJobs, PartialChunks: s.PartialChunks,
			Stopped: open.stopped[s.Pipeline], NextRetryAt: stampOf(open.nextRetry[s.Pipeline]),
		}
		for _, m := range marks[s.Pipeline] {
			p.Checkpoints = append(p.Checkpoints, &opsv1.Checkpoint{Lane: int32(m.Lane), Seq: int64(m.Place.Seq), Index: int32(m.Place.Idx)})
		}
		for _, pause := range open.pauses {
			if pause.Pipeline == s.Pipeline {
				p.Pauses = append(p.Pauses, PauseOf(pause))
			}
		}
		if p.GetUnread().GetMessages() < 0 {
			out.OpenItems = append(out.OpenItems, &opsv1.OpenItem{
				Owner: "ops", Kind: "unread", Id: s.Pipeline, Pipeline: s.Pipeline, State: "unknown", Note: "NATS did not answer: how much is unread is not known",
			})
		}
		out.Pipelines = append(out.Pipelines, p)
	}
	if out.Orgs, err = r.orgStatus(ctx); err != nil {
		return nil, err
	}
	if !out.GetAddsUp() {
		out.OpenItems = append([]*opsv1.OpenItem{{
			Owner: ownerPerson, Kind: "balance", Id: "balance", State: "does_not_add_up",
			Note: "the terms do not add up to accepted: this is an incident, keep the database as it is and compare the pipelines' balances",
		}}, out.GetOpenItems()...)
	}
	return out, nil
}

// orgStatus says what is known of every org.
func (r *Reader) orgStatus(ctx context.Context) ([]*opsv1.OrgStatus, error) {
	orgs, err := r.store.Read().Orgs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the orgs: %w", err)
	}
	var out []*opsv1.OrgStatus
	for _, o := range orgs {
		s := &opsv1.OrgStatus{Name: o.Name}
		if r.orgs != nil {
			id, used, limit, err := r.orgs.Usage(ctx, o.Name)
			s.OrgId, s.ApiUsed, s.ApiMax = id, used, limit
			if err != nil {
				s.Error = err.Error()
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// PauseOf is a pause as the API says it.
func PauseOf(p store.Pause) *opsv1.Pause {
	return &opsv1.Pause{Id: p.ID.String(), Service: p.Service, Class: p.Class, Code: p.Code, Message: p.Message, Since: timestamppb.New(p.Since)}
}

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
}

func (r *Reader) openWork(ctx context.Context) (*openWork, error) {
	q := r.store.Read()
	w := &openWork{stopped: map[string]string{}, nextRetry: map[string]time.Time{}}
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
	return out
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
	if l.State == "replaying" {
		item.Owner, item.Note = l.Taker, fmt.Sprintf("%d letters were ordered to be sent again and are not taken yet", l.Letters)
		if l.Taken {
			item.Note = fmt.Sprintf("%d letters are being sent again", l.Letters)
			item.Owner = "ops" // it closes them when the new outcome is known; until then their records are open items of their own
		}
	}
	return item
}

// chunkItem says who must move a chunk without an outcome: the owner follows from how far it has come.
func chunkItem(c db.OpenChunksRow) *opsv1.OpenItem {
	item := &opsv1.OpenItem{Kind: "chunk", Id: c.Chunk.String(), Pipeline: c.Pipeline}
	since := c.SealedAt
	switch {
	case c.WorkState != nil:
		item.Owner, item.State, item.Note = "reconciler", *c.WorkState, noteOf(c.WorkError, noteOf(c.WorkReason, "reads the result files of job "+text(c.JobID)))
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
	default:
		item.Owner, item.State, item.Note = "submitter", *c.SubmissionState, noteOf(c.SubmissionError, noteOf(c.WaitingFor, "is on its way to a job"))
		since = later(since, c.NotedAt)
	}
	item.Since = timestamppb.New(since)
	return item
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orUnknown(s string) string {
	if s == "" {
		return "not looked at yet"
	}
	return s
}

// noteOf is the last error where there is one.
func noteOf(problem *string, otherwise string) string {
	if problem != nil && *problem != "" {
		return *problem
	}
	return otherwise
}

func later(a time.Time, b *time.Time) time.Time {
	if b != nil && b.After(a) {
		return *b
	}
	return a
}

func stampOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func stampOrNil(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}

func uuidText(id uuid.NullUUID) string {
	if !id.Valid {
		return ""
	}
	return id.UUID.String()
}
