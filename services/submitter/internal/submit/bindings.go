package submit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/salesforce"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

// Flow is what a ledger is compared with.
type Flow interface {
	// Info describes the stream FLOW.
	Info(ctx context.Context) (bus.StreamInfo, error)
	// NextBound reads the first job_bound of any pipeline at or behind a sequence, as the stream's leader knows it; an error that wraps [bus.ErrNoMessage]
	// when there is none.
	NextBound(ctx context.Context, first uint64) (bus.Msg, error)
	// LastRecord is the sequence of the last message in a pipeline's RECORDS; an error that wraps jetstream.ErrStreamNotFound when it has none.
	LastRecord(ctx context.Context, pipeline string) (uint64, error)
}

// Bounds of one comparison.
const (
	// compareTime bounds it. In a healthy ledger it reads the few bindings since the one before; the first one ever reads the eight days that FLOW keeps.
	compareTime = 2 * time.Minute
	// compareBatch is how many bindings are read before the mark moves on.
	compareBatch = 500
	// compareTries is how often it begins anew because another comparison was faster: each time one has come further.
	compareTries = 50
)

// FindOut compares the bindings that FLOW tells of with the ledger, from where that was done last, and says how many the ledger had forgotten. Whoever
// tells of a binding has committed it before, and a bound job stays in the ledger for ever: so an unknown one proves that the ledger was restored to an
// earlier moment. Of each pipeline that has some a recovery begins, in the same transaction: see [Runner.Recover].
//
// Where FLOW was deleted, or keeps less than the time since that moment, there is nothing to find it out by.
func (r *Runner) FindOut(ctx context.Context) (int, error) {
	if planted.On(planted.RestoredLedgerTakenAsWhole) {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, compareTime)
	defer cancel()
	for try := 1; ; try++ {
		n, err := r.compare(ctx)
		if errors.Is(err, pg.ErrLost) && try < compareTries {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("comparing the ledger with job_bound: %w", err)
		}
		return n, nil
	}
}

func (r *Runner) compare(ctx context.Context) (int, error) {
	from, err := r.c.Store.BindingsMark(ctx)
	if err != nil {
		return 0, err
	}
	info, err := r.c.Flow.Info(ctx)
	if isNoStream(err) {
		return 0, nil // made again by ops: it tells of nothing
	}
	if err != nil {
		return 0, err
	}
	to := store.BindingsMark{Incarnation: info.Incarnation.UTC().Truncate(time.Microsecond), Seq: from.Seq}
	if !to.Incarnation.Equal(from.Incarnation) || info.Last < from.Seq {
		to.Seq = 0 // another stream, or an earlier state of this one: its messages are read from the first
	}
	if to == from && info.Last == from.Seq {
		return 0, nil
	}
	found := 0
	for to.Seq < info.Last {
		var unknown []store.Binding
		if to.Seq, unknown, err = r.unknown(ctx, to.Seq, info.Last); err != nil {
			return found, err
		}
		forgotten, err := r.c.Store.Forget(ctx, from, to, unknown)
		if err != nil {
			return found, err
		}
		r.tell(ctx, forgotten)
		found, from = found+len(forgotten), to
	}
	return found, nil
}

// unknown reads bindings behind a sequence up to the last one, at most a batch, and says up to where it read and which of them the ledger does not know.
func (r *Runner) unknown(ctx context.Context, after, last uint64) (upTo uint64, unknown []store.Binding, err error) {
	for range compareBatch {
		m, err := r.c.Flow.NextBound(ctx, after+1)
		if errors.Is(err, bus.ErrNoMessage) || err == nil && m.Seq > last {
			return last, unknown, nil
		}
		if err != nil {
			return 0, nil, err
		}
		after = m.Seq
		b, err := BindingOf(m)
		if err != nil {
			r.c.Logger.WarnContext(ctx, "a job_bound that cannot be read tells of nothing", "sequence", m.Seq, "error", err)
			continue
		}
		known, err := r.c.Store.KnowsBinding(ctx, b)
		if err != nil {
			return 0, nil, err
		}
		if known {
			continue
		}
		if b, err = r.complete(ctx, b); err != nil {
			return 0, nil, err
		}
		unknown = append(unknown, b)
	}
	return after, unknown, nil
}

// BindingOf reads a message of subject job_bound.
func BindingOf(m bus.Msg) (store.Binding, error) {
	e, err := bus.ParseEnvelope(m.Data)
	if err != nil {
		return store.Binding{}, err
	}
	f := e.GetJobBound()
	if f == nil {
		return store.Binding{}, errors.New("it is another fact")
	}
	b := store.Binding{Pipeline: e.GetPipeline(), Revision: int(e.GetRevision()), Org: f.GetOrg(), At: m.Time, From: f.GetFromSeq(), Through: f.GetThroughSeq()}
	if b.Chunk, err = uuid.Parse(f.GetChunk()); err != nil {
		return b, fmt.Errorf("chunk: %w", err)
	}
	if b.JobID, err = salesforce.ID18(f.GetJobId()); err != nil {
		return b, fmt.Errorf("job: %w", err)
	}
	if !storableName(b.Org) {
		return b, errors.New("its org is no name")
	}
	if b.From > math.MaxInt64 || b.Through > math.MaxInt64 || b.Through > 0 && b.From > b.Through {
		return b, fmt.Errorf("it carries records from %d through %d", b.From, b.Through)
	}
	return b, nil
}

// maxName bounds the name of an org.
const maxName = 255

func storableName(s string) bool {
	if len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' {
			return false
		}
	}
	return true
}

// complete fills in what facts of earlier releases do not say: the org from the definition, and that the job may have carried whatever RECORDS holds.
func (r *Runner) complete(ctx context.Context, b store.Binding) (store.Binding, error) {
	if b.Org == "" {
		b.Org = r.orgOf(ctx, b.Pipeline, b.Revision)
	}
	if b.Through > 0 {
		return b, nil
	}
	b.From = 0
	last, err := r.c.Flow.LastRecord(ctx, b.Pipeline)
	switch {
	case isNoStream(err):
		b.Through = math.MaxInt64 // whatever a stream of that name will hold one day
	case err != nil:
		return b, err
	default:
		b.Through = last
	}
	return b, nil
}

// orgOf is the org of a revision; "" = this ledger does not know it, or not yet.
func (r *Runner) orgOf(ctx context.Context, name string, revision int) string {
	def, err := r.c.Definition(ctx, name, revision)
	if err != nil {
		return ""
	}
	return def.Org
}

// tell says loudly what was found.
func (r *Runner) tell(ctx context.Context, forgotten []store.Found) {
	byPipeline := map[string]int{}
	for _, f := range forgotten {
		byPipeline[f.Pipeline]++
		if f.Contradicts != "" {
			r.c.Logger.ErrorContext(ctx, "a job was bound that excludes what the ledger says: it is not closed, and its records count as sent", "pipeline", f.Pipeline,
				"chunk", f.Chunk, "job_id", f.JobID, "contradiction", f.Contradicts)
		}
	}
	for name, jobs := range byPipeline {
		r.c.Logger.ErrorContext(ctx, "the ledger was restored to an earlier moment: nothing of the pipeline is sent until the jobs that it has forgotten have ended",
			"pipeline", name, "jobs", jobs)
	}
	if len(forgotten) > 0 && r.c.Forgotten != nil {
		r.c.Forgotten()
	}
}

// ledgerKnows is asked before anything is decided or bound: Done says that the ledger was compared. What it had forgotten closes the gates of the move that
// follows.
func (t *turn) ledgerKnows(ctx context.Context) (Event[string], error) {
	if _, err := t.FindOut(ctx); err != nil {
		if ctx.Err() != nil {
			return broken(err)
		}
		return Event[string]{Kind: Unsure}, err
	}
	return Event[string]{Kind: Done}, nil
}
