package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/poller/internal/store"
	"bulkhead/services/poller/internal/store/db"
)

// Fault points around the call of a look.
const (
	pointBeforeCall = "poller.look.before_call"
	pointAfterCall  = "poller.look.after_call"
)

// Org is what a look needs of an org's client.
type Org interface {
	// Job asks for a job's state.
	Job(ctx context.Context, id string) (salesforce.JobInfo, error)
	// OrgID proves that the credentials lead to the right org.
	OrgID(ctx context.Context) (string, error)
}

// Config is what a poller needs. Every field without a default must be set.
type Config struct {
	// Org returns the client of an org by its name.
	Org func(ctx context.Context, name string) (Org, error)
	// Owner names this instance; unique among all that ever ran.
	Owner string
	// Lease is how long a claim lasts without renewal. Default 15 s.
	Lease time.Duration
	// Gone is the setting gone.wait. Default 2 min.
	Gone time.Duration
	// Pace bounds how often a job is looked at. Default [DefaultPace].
	Pace Pace
	// CallTimeout bounds one look, repeated tries included. Default 2 min.
	CallTimeout time.Duration
	// Batch is how many watches one pass claims, and asks after at once. Default 16: far below the 25 long calls that an org allows.
	Batch int
	// Clock is the ledger's clock, by which everything is due: jobs were dated by it when they were closed. Default that of the store.
	Clock pg.Clock
	// Random is the jitter in [0,1). Default math/rand.
	Random func() float64
	// Logger is where looks are told. Registerer takes the metrics. Both may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Poller looks at jobs. Any number of them, in any number of processes, may run at once.
type Poller struct {
	cfg     Config
	store   *store.Store
	metrics metrics
}

// New returns a poller on its store, with defaults filled in.
func New(s *store.Store, cfg Config) *Poller {
	setDefault(&cfg.Lease, 15*time.Second)
	setDefault(&cfg.Gone, record.DefaultWaits().Gone)
	setDefault(&cfg.Pace, DefaultPace())
	setDefault(&cfg.CallTimeout, 2*time.Minute)
	setDefault(&cfg.Batch, 16)
	if cfg.Clock == nil {
		cfg.Clock = s.Clock()
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Poller{cfg: cfg, store: s, metrics: newMetrics(cfg.Registerer)}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Pass claims the watches that are due, looks at each, and stores what it saw. It returns how many it looked at. An error of one look is
// stored in its watch, not returned; what is returned is an error of the ledger.
func (p *Poller) Pass(ctx context.Context) (int, error) {
	now, err := p.cfg.Clock(ctx)
	if err != nil {
		return 0, err
	}
	watches, err := p.store.ClaimDue(ctx, p.cfg.Owner, now, p.cfg.Lease, p.cfg.Batch)
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(watches))
	var all sync.WaitGroup
	for i, w := range watches {
		all.Go(func() { errs[i] = p.look(ctx, w) })
	}
	all.Wait()
	return len(watches), errors.Join(errs...)
}

// look asks after one job and stores the verdict.
func (p *Poller) look(ctx context.Context, row db.PollerWatch) error {
	claim := store.Claim{Chunk: row.Chunk, Epoch: row.Epoch, Owner: row.Owner}
	log := p.cfg.Logger.With("chunk", row.Chunk, "pipeline", row.Pipeline, "org", row.Org, "job_id", row.JobID)
	held, release := p.hold(ctx, claim)
	seen := p.ask(held, row)
	lost := context.Cause(held)
	release()
	if ctx.Err() != nil || lost != nil {
		return p.handBack(ctx, claim)
	}

	now, err := p.cfg.Clock(ctx)
	if err != nil {
		return err
	}
	before := watchOf(row)
	v := Judge(before, seen, now, p.cfg.Random(), p.cfg.Pace, p.cfg.Gone)
	err = p.storeVerdict(ctx, claim, row, v)
	if errors.Is(err, pg.ErrLost) {
		log.Debug("somebody else looked at the job")
		return nil
	}
	if err != nil {
		return err
	}
	p.tell(ctx, log, before, seen, v)
	return nil
}

// handBack gives up a claim when this instance stops, or when its lease ran out: what was seen says nothing then. It fails when the claim is
// lost already, rightly.
func (p *Poller) handBack(ctx context.Context, c store.Claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Lease/3)
	defer cancel()
	if err := p.store.Release(ctx, c); err != nil && !errors.Is(err, pg.ErrLost) {
		return err
	}
	return nil
}

// ask makes the one call of a look.
func (p *Poller) ask(ctx context.Context, row db.PollerWatch) Seen {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
	defer cancel()
	fail := func(err error) Seen {
		hint, _ := salesforce.RetryAfterHint(err)
		return Seen{Failure: record.Storable(err.Error(), maxErrorText), Hint: hint, GivenTime: salesforce.IsGivenTime(err), Held: salesforce.IsHeldBack(err)}
	}
	org, err := p.cfg.Org(ctx, row.Org)
	if err != nil {
		return fail(fmt.Errorf("org %s: %w", row.Org, err))
	}
	if err := fault.Point(ctx, pointBeforeCall); err != nil {
		return fail(err)
	}
	info, err := org.Job(ctx, row.JobID)
	if err == nil || salesforce.IsNotFound(err) {
		if err := fault.Point(ctx, pointAfterCall); err != nil {
			return fail(err)
		}
	}
	switch {
	case err == nil:
		return Seen{Info: info}
	case salesforce.IsNotFound(err):
		if err := p.provenOrg(ctx, org, row.Org); err != nil {
			return fail(fmt.Errorf("job is not found, but that does not count: %w", err))
		}
		return Seen{NotFound: true}
	}
	return fail(err)
}

// provenOrg checks that an answer came from the Salesforce org that jobs of this name were made in. In another one none of them is known: a refreshed
// sandbox or wrong credentials must not make thousands of rows missing.
func (p *Poller) provenOrg(ctx context.Context, org Org, name string) error {
	id, err := org.OrgID(ctx)
	if err != nil {
		return fmt.Errorf("the org could not be checked: %w", err)
	}
	known, err := p.store.KnownOrg(ctx, name)
	if err != nil {
		return err
	}
	if known != "" && known != id {
		return fmt.Errorf("the login of org %s leads to %s, the job was made in %s: correct the credentials, or name orgId: %s in the org's document "+
			"if the change is meant", name, id, known, id)
	}
	return nil
}

func (p *Poller) storeVerdict(ctx context.Context, c store.Claim, row db.PollerWatch, v Verdict) error {
	w := v.Watch
	look := store.Look{
		NextLookAt: v.NextLookAt, LookedAt: timeOrNil(w.LookedAt), ProgressedAt: timeOrNil(w.ProgressedAt),
		FirstNotFoundAt: timeOrNil(w.FirstNotFoundAt),
		Looks:           w.Looks, Errors: w.Errors, NotFound: w.NotFound, LastError: w.LastError,
		JobState: record.Storable(w.JobState, maxWord), ErrorMessage: record.Storable(w.ErrorMessage, maxErrorText), Processed: w.Processed, Failed: w.Failed,
	}
	if v.State == StateWatching {
		return p.store.Keep(ctx, c, look)
	}
	look.NextLookAt, look.FinishedAt = w.LookedAt, timeOrNil(w.LookedAt)
	env := bus.NewEnvelope(row.Pipeline, 0, &flowv1.JobFinished{
		Chunk: row.Chunk.String(), JobId: row.JobID, JobState: look.JobState,
		Processed: w.Processed, Failed: w.Failed, ErrorMessage: look.ErrorMessage,
	})
	fact := bus.FlowMessage(env)
	if v.State == StateGone {
		return p.store.Lose(ctx, c, look, fact)
	}
	return p.store.Finish(ctx, c, look, fact)
}

// tell logs and counts a look whose verdict is stored.
func (p *Poller) tell(ctx context.Context, log *slog.Logger, before Watch, seen Seen, v Verdict) {
	w := v.Watch
	p.metrics.looks.WithLabelValues(resultOf(seen)).Inc()
	log = log.With("looks", w.Looks, "job_state", w.JobState, "processed", w.Processed, "failed", w.Failed)
	if seen.Failure != "" && !seen.Held && seen.Failure != before.LastError {
		log.WarnContext(ctx, "job could not be looked at", "error", seen.Failure, "errors", w.Errors, "next_look_at", v.NextLookAt)
	}
	if v.Odd != "" {
		log.WarnContext(ctx, v.Odd, "not_found", w.NotFound)
	}
	if v.Stalled {
		p.metrics.stalls.Inc()
		log.WarnContext(ctx, "job makes no progress; it stays watched, look at it in Salesforce's Setup under Bulk Data Load Jobs",
			"submitted_at", w.SubmittedAt, "progressed_at", w.ProgressedAt)
	}
	if v.State != StateWatching {
		p.metrics.ended.WithLabelValues(string(v.State)).Inc()
		p.metrics.looksPerJob.Observe(float64(w.Looks))
		log.InfoContext(ctx, "job."+string(v.State), "error_message", w.ErrorMessage, "seconds", v.Watch.LookedAt.Sub(w.SubmittedAt).Seconds())
	}
}

// Note begins to watch submitted jobs that nobody watches: with a chunk its job, else all. It returns how many it found.
func (p *Poller) Note(ctx context.Context, chunk uuid.NullUUID) (int, error) {
	const page = 500
	noted := 0
	for {
		jobs, err := p.store.Unwatched(ctx, chunk, page)
		if err != nil {
			return noted, err
		}
		for _, job := range jobs {
			fresh, err := p.store.Watch(ctx, job, job.SubmittedAt.Add(p.cfg.Pace.FirstLook(job.Rows, Past{Rows: job.PastRows, Seconds: job.PastSeconds})))
			if err != nil {
				return noted, err
			}
			if fresh {
				noted++
			}
		}
		if len(jobs) < page {
			return noted, nil
		}
	}
}

// Settled notes that outcomes exist: with a chunk for its watch, else for all.
func (p *Poller) Settled(ctx context.Context, chunk uuid.NullUUID) (int, error) {
	return p.store.MarkReconciled(ctx, chunk)
}

// NextDue is how long until there is something to look at; false when nothing is watched.
func (p *Poller) NextDue(ctx context.Context) (time.Duration, bool, error) {
	now, err := p.cfg.Clock(ctx)
	if err != nil {
		return 0, false, err
	}
	q, err := p.store.NextDue(ctx, now)
	if err != nil {
		return 0, false, err
	}
	p.metrics.watching.Set(float64(q.Watching))
	p.metrics.oldest.Set(q.Oldest.Seconds())
	return q.Wait, q.Watching > 0, nil
}
