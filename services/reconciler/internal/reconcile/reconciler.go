package reconcile

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
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
	"bulkhead/services/reconciler/internal/store/db"
)

// Org is what is needed of an org's client.
type Org interface {
	// Results starts reading one result file of a job.
	Results(ctx context.Context, jobID string, kind salesforce.ResultKind) (*salesforce.ResultReader, error)
	// Classes says what a refused row needs: the table of this org.
	Classes() *salesforce.ClassTable
	// Skew is how far the org's clock is ahead of ours, as far as it told.
	Skew() (skew time.Duration, ok bool)
	// Identity proves that the credentials lead to the right org, and says who we are there.
	Identity(ctx context.Context) (salesforce.Identity, error)
	// Lookup finds all rows of an object whose field has one of the values, with further fields.
	Lookup(ctx context.Context, object, field string, values []string, more ...string) ([]salesforce.Found, error)
}

// Streams is what is needed of the broker: RECORDS by direct get, and what it says of a stream.
type Streams interface {
	// Info describes a stream; an error that wraps jetstream.ErrStreamNotFound when there is none.
	Info(ctx context.Context, stream string) (bus.StreamInfo, error)
	// LettersSince says since when the stream of dead letters has to be given every open letter, as [bus.LettersSince] does.
	LettersSince(ctx context.Context) (time.Time, error)
	// GetMany reads stored messages; what is not in the answer is not in the stream.
	GetMany(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error)
}

// Config is what a reconciler needs. Every field without a default must be set.
type Config struct {
	Store   *store.Store
	Streams Streams
	// Org returns the client of an org by its name.
	Org func(ctx context.Context, name string) (Org, error)
	// Pipelines are the names of those whose definitions name an org; with an error, those that are known. nil = only those that have chunks on their
	// way are known.
	Pipelines func(ctx context.Context, org string) ([]string, error)
	// Owner names this instance; unique among all that ever ran.
	Owner string
	// Lease is how long a claim lasts without renewal. Default 15 s.
	Lease time.Duration
	// Waits are the settings missing.wait, settle.wait, gone.wait and lookup.wait. Default [record.DefaultWaits].
	Waits record.Waits
	// Backoff bounds the waits after reads that broke off, up to the first few hundred in a row; those after are further apart. Default 1 s to 30 s.
	BackoffBase, BackoffMax time.Duration
	// ReadTimeout bounds one read of all files of a job. Default 1 h: a file may take Salesforce's slowest line its time, and the client
	// ends what stands still far earlier.
	ReadTimeout time.Duration
	// Batch is how many chunks one pass claims and reads at once. Default 4.
	Batch int
	// Claimed is called when a pass has claimed as many as it may, before it reads them: there may be more. May be nil.
	Claimed func()
	// Clock is the ledger's clock, by which everything is due and dated. Default that of the store.
	Clock pg.Clock
	// Now is this process's clock, which the org's clients compare the org's with. Default time.Now.
	Now func() time.Time
	// Random is the jitter in [0,1). Default math/rand.
	Random func() float64
	// Logger is where work is told. Registerer takes the metrics. Both may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Reconciler accounts for chunks. Any number of them, in any number of processes, may run at once.
type Reconciler struct {
	cfg     Config
	metrics metrics
	large   gate
}

// New returns a reconciler, with defaults filled in.
func New(cfg Config) *Reconciler {
	setDefault(&cfg.Lease, 15*time.Second)
	setDefault(&cfg.Waits, record.DefaultWaits())
	setDefault(&cfg.BackoffBase, time.Second)
	setDefault(&cfg.BackoffMax, 30*time.Second)
	setDefault(&cfg.ReadTimeout, time.Hour)
	setDefault(&cfg.Batch, 4)
	if cfg.Clock == nil && cfg.Store != nil {
		cfg.Clock = cfg.Store.Clock()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Reconciler{cfg: cfg, metrics: newMetrics(cfg.Registerer), large: newGate()}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Note takes up chunks that are to be reconciled: with a chunk only that one, else all. It returns how many are new.
func (r *Reconciler) Note(ctx context.Context, chunk uuid.NullUUID) (int, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return 0, err
	}
	return r.cfg.Store.Note(ctx, chunk, now)
}

// Lifted takes up quarantined chunks again whose pause a person has lifted.
func (r *Reconciler) Lifted(ctx context.Context) (int, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return 0, err
	}
	n, err := r.cfg.Store.LiftQuarantined(ctx, now)
	if n > 0 {
		r.cfg.Logger.InfoContext(ctx, "quarantine was lifted, the files are read again", "chunks", n)
	}
	return n, err
}

// NextDue is how long until there is something to read; false when there is nothing.
func (r *Reconciler) NextDue(ctx context.Context) (time.Duration, bool, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return 0, false, err
	}
	q, err := r.cfg.Store.NextDue(ctx, now)
	if err != nil {
		return 0, false, err
	}
	r.metrics.reading.Set(float64(q.Reading))
	r.metrics.quarantined.Set(float64(q.Quarantined))
	r.metrics.oldest.Set(q.Oldest.Seconds())
	return q.Wait, q.Reading > 0, nil
}

// Pass claims the chunks that are due, reads the files of each once, and stores what follows. It returns how many it worked on. What goes wrong
// with one chunk is stored with it, not returned; what is returned is an error of the ledger.
func (r *Reconciler) Pass(ctx context.Context) (int, error) {
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return 0, err
	}
	works, err := r.cfg.Store.ClaimDue(ctx, r.cfg.Owner, now, r.cfg.Lease, r.cfg.Batch)
	if err != nil {
		return 0, err
	}
	if len(works) == r.cfg.Batch && r.cfg.Claimed != nil {
		r.cfg.Claimed()
	}
	errs := make([]error, len(works))
	var all sync.WaitGroup
	for i, w := range works {
		all.Go(func() { errs[i] = r.work(ctx, w) })
	}
	all.Wait()
	return len(works), errors.Join(errs...)
}

// task is one claimed chunk in hand.
type task struct {
	work  db.ReconcilerWork
	claim store.Claim
	job   account.Job
	log   *slog.Logger

	stopped context.Context //nolint:containedctx // of this instance: it ends when that stops, whatever became of the claim
	release func()          // ends the claim's renewal
}

func (r *Reconciler) work(ctx context.Context, row db.ReconcilerWork) error {
	t := &task{
		work: row, claim: store.Claim{Chunk: row.Chunk, Epoch: row.Epoch, Owner: row.Owner},
		job: account.Job{State: row.JobState, Processed: row.Processed, Failed: row.Failed, ErrorMessage: row.ErrorMessage},
		log: r.cfg.Logger.With("chunk", row.Chunk, "pipeline", row.Pipeline, "org", row.Org, "job_id", row.JobID, "job_state", row.JobState),
	}
	held, release := r.hold(ctx, t.claim)
	t.stopped, t.release = ctx, release
	err := r.settleOrWait(held, t)
	lost := context.Cause(held)
	release()
	if errors.Is(lost, context.Canceled) {
		lost = nil // the claim was let go, or this instance stops
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pg.ErrLost):
		t.log.DebugContext(ctx, "somebody else works on the chunk")
		return nil
	case ctx.Err() != nil || lost != nil:
		return r.handBack(ctx, t.claim)
	}
	return r.brokeOff(ctx, t, err)
}

// handBack gives up a claim when this instance stops, or when its lease ran out: what was found is not stored. It fails when the claim is lost
// already, rightly.
func (r *Reconciler) handBack(ctx context.Context, c store.Claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Lease/3)
	defer cancel()
	return beaten(r.cfg.Store.Release(ctx, c))
}

// settleOrWait reads a chunk's files and goes as far as rule 8 allows. An error means that the read broke off.
func (r *Reconciler) settleOrWait(ctx context.Context, t *task) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ReadTimeout)
	defer cancel()
	c, err := r.load(ctx, t.work.Chunk)
	if err != nil {
		return err
	}
	t.job.CloseRefused = c.CloseRefused != ""
	leave, err := r.large.enter(ctx, int(c.Rows))
	if err != nil {
		return err
	}
	defer leave()
	x, err := r.index(ctx, c, t.job)
	if err != nil {
		return err
	}
	if t.job.ByCalls() {
		return r.answered(ctx, t, c, x)
	}
	if !t.job.HasFiles() {
		return r.conclude(ctx, t, c, account.NewReading(x, nil), "there are no files: "+t.job.State)
	}
	org, err := r.cfg.Org(ctx, t.work.Org)
	if err != nil {
		return fmt.Errorf("org %s: %w", t.work.Org, err)
	}
	if org.Classes().Own() > 0 {
		t.log = t.log.With("classes", org.Classes().Version()) // by whose rules the refused rows were classed
	}
	// What the files say is as old as the beginning of the read, which may take an hour: a row may have shown up since.
	began, err := r.cfg.Clock(ctx)
	if err != nil {
		return err
	}
	reading, err := r.download(ctx, org, t.log, t.work.JobID, t.job, c, x)
	if err != nil {
		if salesforce.IsNotFound(err) {
			// In another org no job of ours is known: before a 404 counts, the org must prove to be the one that it was.
			if _, orgErr := r.identity(ctx, t, org); orgErr != nil {
				return fmt.Errorf("job is not found, and that does not count: %w", orgErr)
			}
		}
		if givenUp(t, err) {
			t.log.ErrorContext(ctx, "the result files stayed unreadable: they tell of no row", "error", err, "reads", t.work.Malformed+1)
			t.job.Unreadable = true
			return r.conclude(ctx, t, c, account.NewReading(x, nil), "the result files stayed unreadable")
		}
		return err
	}
	r.metrics.reads.WithLabelValues("complete").Inc()
	r.noteSkew(ctx, t, org)
	if err := r.matchContent(ctx, c, reading); err != nil {
		return err
	}
	if n := reading.BadIDs(); n > 0 {
		t.log.WarnContext(ctx, "rows of the success file have no valid id, they do not count as landed", "rows", n)
	}
	if n := reading.NotCreated(); n > 0 {
		t.log.WarnContext(ctx, "Salesforce says of inserted rows that it did not make them, they count as landed", "rows", n)
	}

	past := account.Past{Reads: int(t.work.Reads)}
	if digest, ok := account.DigestOf(t.work.LastDigest); ok && t.work.FirstReadAt != nil && t.work.LastReadAt != nil {
		past.FirstReadAt, past.LastAt, past.LastDigest = *t.work.FirstReadAt, *t.work.LastReadAt, digest
	} else {
		past.Reads = 0
	}
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return err
	}
	summary := reading.Summary()
	verdict := account.Decide(t.job, summary, past, r.cfg.Waits, began)
	verdict.At = verdict.At.Add(now.Sub(began)) // of no meaning where nothing is read again
	switch verdict.Step {
	case account.StepQuarantine:
		return r.quarantine(ctx, t, "FOREIGN_ROWS", verdict.Reason)
	case account.StepAgain:
		if planted.On(planted.DeadLetterBeforeCommit) {
			if err := r.publishEarly(ctx, t, c, reading); err != nil {
				return err
			}
		}
		if past.Reads == 0 {
			past.FirstReadAt = now
		}
		t.log.InfoContext(ctx, "the result files decide nothing yet", "reason", verdict.Reason, "reads", past.Reads+1, "next_read_at", verdict.At,
			"landed", summary.Landed, "failed", summary.Failed, "unprocessed", summary.Unprocessed, "sent", summary.Sent, "unclear", summary.Unclear)
		return r.cfg.Store.ReadAgain(ctx, t.claim, store.Again{
			Reads: past.Reads + 1, FirstReadAt: past.FirstReadAt, ReadAt: now, NextReadAt: verdict.At,
			Digest: summary.Digest.Bytes(), Reason: verdict.Reason,
		})
	}
	return r.conclude(ctx, t, c, reading, verdict.Reason)
}

// identity says who we are in the org, once it has proved to be the one in which this job was made: in another one nothing of ours is known, and
// that would pass for "gone" and for "not there".
func (r *Reconciler) identity(ctx context.Context, t *task, org Org) (salesforce.Identity, error) {
	who, err := org.Identity(ctx)
	if err != nil {
		return who, err
	}
	known, err := r.cfg.Store.OrgID(ctx, t.work.Org)
	if err != nil {
		return who, err
	}
	if known != "" && known != who.OrgID {
		return who, fmt.Errorf("org %s: %w", t.work.Org, &salesforce.OrgMismatchError{Want: known, Got: who.OrgID})
	}
	return who, nil
}

// noteSkew tells of clocks that differ by more than Salesforce bears.
func (r *Reconciler) noteSkew(ctx context.Context, t *task, org Org) {
	skew, ok := org.Skew()
	if !ok {
		return
	}
	r.metrics.skew.Set(skew.Seconds())
	if skew.Abs() > salesforce.MaxSkew {
		t.log.WarnContext(ctx, "this machine's clock differs from Salesforce's: set it right, logins and waits go by it", "skew_seconds", int(skew.Seconds()))
	}
}
