package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/submitter/internal/store"
)

// Config is what a [Runner] works with. All fields are needed unless their comment names a default.
type Config struct {
	Store *store.Store
	Orgs  Orgs
	// Definition reads one revision of a pipeline's definition.
	Definition func(ctx context.Context, pipeline string, revision int) (*pipeline.Definition, error)
	// Publish sends one message and returns nil once the broker has stored it: job_bound must not wait in an outbox.
	Publish func(context.Context, record.Message) error
	// Flow is what was published, by which a ledger that was restored to an earlier moment finds it out.
	Flow Flow
	// Waits are used here: settle.wait and gone.wait, after which a forgotten job counts as ended. Default [record.DefaultWaits].
	Waits record.Waits
	// Forgotten is called when the ledger was found to have forgotten jobs; may be nil.
	Forgotten func()
	Logger    *slog.Logger
	Metrics   *Metrics
	// Owner names this instance in the ledger.
	Owner string
	// Lease is how long a claim holds without being renewed; it is renewed at a third of it. Default 15 s.
	Lease time.Duration
	// Workers bounds the submissions worked on at once. Default 8.
	Workers int
	// BulkThreshold is the number of rows from which a chunk of a keyed operation goes by a job, where its definition does not say it; smaller ones go by
	// calls of sObject Collections. 0 = every chunk goes by a job.
	BulkThreshold int
	// CallTime is how long such a call may take, far below the lease. Default a third of it. CallMargin is how much longer a call without an answer counts
	// as one that may still land. Default 30 s.
	CallTime, CallMargin time.Duration
	// BindMaxAge is the age at which a job is not bound any more; OrphanAge, above it, that at which an Open job is an orphan.
	BindMaxAge, OrphanAge time.Duration
	// Backoff is for requests that fail. Default [DefaultBackoff].
	Backoff Backoff
	// GateWait is how soon a closed gate is looked at again without being woken. Default 1 s.
	GateWait time.Duration
	// Random gives numbers in [0, 1). Default math/rand/v2.
	Random func() float64
	// Now is the clock for durations of calls and the age of orphans. Default time.Now. Leases are the database's.
	Now func() time.Time
}

func (c *Config) fill() {
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.Waits == (record.Waits{}) {
		c.Waits = record.DefaultWaits()
	}
	if c.CallTime == 0 {
		c.CallTime = c.Lease / 3
	}
	if c.CallMargin == 0 {
		c.CallMargin = DefaultCallMargin
	}
	if c.Workers == 0 {
		c.Workers = 8
	}
	if c.Backoff == (Backoff{}) {
		c.Backoff = DefaultBackoff
	}
	if c.GateWait == 0 {
		c.GateWait = time.Second
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
}

// Runner carries out what [Step] says.
type Runner struct {
	c Config
	// reported are the orphans that were logged last, by org: the same ones again are no news.
	reported sync.Map
}

// NewRunner makes a runner.
func NewRunner(c Config) *Runner {
	c.fill()
	return &Runner{c: c}
}

// DefaultCallMargin is for real orgs: what was sent goes on there for seconds after nobody waits for it.
const DefaultCallMargin = 30 * time.Second

// Bounds of what is not the chunk's own work.
const (
	// handBackTime bounds giving a submission back while stopping; without it the lease runs out by itself.
	handBackTime = 2 * time.Second
	// publishTime bounds the publish of job_bound.
	publishTime = 10 * time.Second
	// ledgerTime bounds one move in the ledger.
	ledgerTime = 30 * time.Second
	// uploadsRefused is the number of uploads refused for good in a row at which the pipeline pauses: a single one may be due to the
	// job, which somebody may have closed, and is cured by the next.
	uploadsRefused = 5
)

// errPoint marks an error of a fault point inside an action: what came of the call is not known here.
var errPoint = errors.New("fault point")

// turn is one worker's work on one submission, from a claim to the end or to being parked.
type turn struct {
	*Runner
	w     *store.Work
	log   *slog.Logger
	chunk *store.Chunk
	// proven is the id of the Salesforce org that calls of this turn were proven to go to.
	proven string
	// body is what is uploaded, sent what was uploaded in this turn.
	body *upload
	sent *store.Upload
	// asked is when the job was asked for.
	asked time.Time
	// sending is how far the calls of the chunk are, answer what the call in hand answered.
	sending *sending
	answer  store.Answer
	// doubt are the rows that a forgotten job may have carried, of a chunk that must not be sent again blindly.
	doubt []store.Range
	// refusal is why the close, or a call, was refused for good.
	refusal error
	// parked collects why the submission will be given back.
	parked store.Parked
	hint   time.Duration
	// givenTime: the org is, by its circuit, for so long as hint says. held: that alone is why the turn ends, nothing was sent that failed.
	givenTime, held bool
	// lost is the last call of the turn that was sent and got no answer.
	lost error
}

// Drive works on one claimed submission until there is nothing more to do for it now. It never fails: what went wrong stands in the
// ledger, and the next claim goes on from there.
func (r *Runner) Drive(ctx context.Context, w store.Work) {
	t := &turn{Runner: r, w: &w, log: r.c.Logger.With("chunk", w.Chunk, "pipeline", w.Pipeline, "org", w.Org, "epoch", w.Epoch)}
	ctx, release := t.hold(ctx)
	defer release()
	defer func() {
		if p := recover(); p != nil {
			t.log.Error("panic in a submission, it is taken up again when its lease has run out", "panic", p, "stack", string(debug.Stack()))
		}
	}()

	defer func() {
		if t.sending != nil && t.sending.feed != nil {
			t.sending.feed.close()
		}
	}()
	collects, err := t.collects(ctx)
	if err != nil {
		t.handBack(ctx, Claim, Broken, err)
		return
	}
	silent, err := t.silent(ctx)
	if err != nil {
		t.handBack(ctx, Claim, Broken, err)
		return
	}
	forgotten, err := t.rememberForgotten(ctx)
	if err != nil {
		t.handBack(ctx, Claim, Broken, err)
		return
	}
	s := Step(State[string]{}, Event[string]{Kind: Claimed, Stored: Stored[string]{
		Stage: Stage(w.State), Job: w.JobID, Straight: t.straight(), Checked: w.Checked, Uploaded: w.Uploaded, Refused: w.CloseRefused != "",
		Collects: collects, Silent: silent, Forgotten: forgotten, Adopts: forgotten != "", Doubted: len(t.doubt) > 0,
	}})
	for s.Do != Stop && s.Do != Park {
		e, err := t.perform(ctx, s)
		r.c.Metrics.step(s.Do, e.Kind)
		if err != nil {
			t.failed(err)
		}
		if e.Kind == Broken || e.Kind == Fenced {
			t.handBack(ctx, s.Do, e.Kind, err)
			return
		}
		t.log.Debug("step", "did", s.Do.String(), "came", e.Kind.String(), "job_id", s.Job, "error", err)
		s = Step(s, e)
	}
	if s.Do == Park {
		t.park(ctx)
	}
}

// perform carries out one action. The error is for people: the event has its meaning. For Broken it is never nil.
func (t *turn) perform(ctx context.Context, s State[string]) (Event[string], error) {
	switch s.Do {
	case TakeLane:
		return t.takeLane(ctx)
	case Check:
		return t.check(ctx)
	case Create:
		return t.create(ctx)
	case SaveCreated:
		return t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveCreated(ctx, t.w, s.Job, t.c.Now().Sub(t.asked)) })
	case Upload:
		return t.upload(ctx, s.Job)
	case SaveUploaded:
		return t.write(ctx, func(ctx context.Context) error { return t.c.Store.SaveUploaded(ctx, t.w, s.Job, *t.sent) })
	case Adopt:
		return t.adopt(ctx, s.Job)
	case SaveDoubted:
		return t.saveDoubted(ctx)
	case Bind:
		return t.bind(ctx, s.Job)
	case Announce:
		return t.announce(ctx, s.Job)
	case Close:
		return t.close(ctx, s.Job)
	case Look:
		return t.look(ctx, s.Job)
	case SaveRefused:
		return t.saveRefused(ctx, s.Job)
	case Abort:
		return t.abort(ctx, s.Job)
	case SaveSubmitted:
		return t.saveSubmitted(ctx, s.Job)
	case SaveSent:
		return t.saveSent(ctx)
	case Call:
		return t.makeCall(ctx)
	case SaveAnswer:
		return t.saveAnswer(ctx)
	case SaveVoid:
		return t.saveVoid(ctx)
	case SaveRest:
		return t.saveRest(ctx)
	}
	return Event[string]{Kind: Broken}, fmt.Errorf("no such action: %s", s.Do)
}

// write runs one move and says what came of it. A commit whose outcome is unknown is Broken: whoever claims next reads it.
func (t *turn) write(ctx context.Context, move func(context.Context) error) (Event[string], error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	switch err := move(ctx); {
	case err == nil:
		return Event[string]{Kind: Done}, nil
	case errors.Is(err, pg.ErrLost) && planted.On(planted.NoEpoch):
		return Event[string]{Kind: Done}, nil
	case errors.Is(err, pg.ErrLost):
		return Event[string]{Kind: Fenced}, err
	default:
		return Event[string]{Kind: Broken}, err
	}
}

// hold renews the lease while the turn goes on; the context ends when the lease is another's or could not be renewed for as long as it holds.
func (t *turn) hold(ctx context.Context) (held context.Context, release func()) {
	held, release = pg.Hold(ctx, t.c.Lease, func(ctx context.Context) error { return t.c.Store.Renew(ctx, t.w, t.c.Lease) })
	if planted.On(planted.NoEpoch) {
		held = ctx // it hears of no loss
	}
	return held, release
}

// park gives the submission back and names the next try.
func (t *turn) park(ctx context.Context) {
	p := t.parked
	switch {
	case p.WaitingFor != "":
		p.Wait, p.LastError = t.c.GateWait, ""
	default:
		p.Tries, p.Wait = t.again()
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	if err := t.c.Store.Park(ctx, t.w, p); err != nil {
		t.log.Debug("not given back, the lease runs out by itself", "error", err)
		return
	}
	switch {
	case p.WaitingFor != "":
		t.log.Debug("waiting at a gate", "waiting_for", p.WaitingFor)
	case t.held:
		t.log.Debug("the org is given time", "error", p.LastError, "wait", p.Wait)
	case p.Tries == 1:
		t.log.Warn("a request failed, tried again later", "error", p.LastError, "wait", p.Wait)
	default:
		t.log.Info("a request failed again", "error", p.LastError, "tries", p.Tries, "wait", p.Wait)
	}
}

// failed keeps what came of an action, for the next try.
func (t *turn) failed(err error) {
	heldBack := salesforce.IsHeldBack(err)
	if !heldBack && salesforce.IsUnreachable(err) {
		t.lost = err
	}
	t.held = heldBack && t.lost == nil
	if heldBack && t.lost != nil {
		err = fmt.Errorf("%w; then: %w", t.lost, err) // the second is due to the first
	}
	t.parked.LastError = err.Error()
	t.hint, _ = salesforce.RetryAfterHint(err)
	t.givenTime = salesforce.IsGivenTime(err)
}

// again says how many tries in a row have failed by now, and when the next one is. A call that was held back is no failure of this submission's own;
// but if it has failed before, it comes after those that have not.
func (t *turn) again() (tries int, wait time.Duration) {
	if t.held && t.w.Tries == 0 {
		return 0, t.hint
	}
	tries = t.w.Tries
	if !t.held {
		tries++
	}
	backoff := t.c.Backoff.Wait(tries, 0, t.c.Random())
	switch {
	case t.held:
		return tries, salesforce.Behind(t.hint, backoff)
	case t.givenTime:
		return tries, max(backoff, salesforce.Behind(t.hint, backoff))
	}
	return tries, max(backoff, t.hint)
}

// handBack ends a turn that cannot go on here. What the ledger holds is true; the only question is when somebody takes it up.
func (t *turn) handBack(ctx context.Context, did Action, kind Kind, err error) {
	if cause := context.Cause(ctx); kind == Fenced || errors.Is(cause, pg.ErrLost) || errors.Is(cause, pg.ErrLeaseOver) {
		t.c.Metrics.fenced()
		t.log.Info("somebody else owns this submission now or may take it, stopped", "did", did.String())
		return
	}
	stopping := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackTime)
	defer cancel()
	if stopping {
		err = t.c.Store.Release(ctx, t.w)
	} else {
		t.log.Warn("the ledger did not answer as it should, tried again later", "did", did.String(), "error", err)
		tries := t.w.Tries + 1
		err = t.c.Store.Park(ctx, t.w, store.Parked{Wait: t.c.Backoff.Wait(tries, 0, t.c.Random()), Tries: tries, LastError: err.Error()})
	}
	if err != nil {
		t.log.Debug("not given back, the lease runs out by itself", "error", err)
	}
}

// at passes a fault point.
func at(ctx context.Context, point string) error { return fault.Point(ctx, point) }
