package outage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/chaos/internal/stack/link"
	"bulkhead/services/e2e/chaos/internal/watch"
)

// The ways in which an org is away.
const (
	Refused     = "refused"     // nobody takes connections
	Unavailable = "unavailable" // every answer is 503
)

// Options of a measurement.
type Options struct {
	// Dir is its own directory; Bin holds the binaries under test. The cluster is in use by nobody else.
	Dir, Bin string
	Cluster  *stack.Cluster
	// How the org is away, and for how long.
	How  string
	Away time.Duration
	// Warm is the time before speed is taken, Before that in which it is taken, Within the time in which it must be back.
	Warm, Before, Within time.Duration
	// Rate is how many records are published in a second.
	Rate int
	// Said is told what happens, a line each; nil = nobody is.
	Said func(string)
}

// Figures are what came of it.
type Figures struct {
	How         string  `json:"how"`
	AwaySeconds float64 `json:"away_seconds"`
	// Before is how many records landed in a second before the outage.
	Before float64 `json:"landed_per_second_before"`
	// BackSeconds is the time from the org's return to the end of the first ten seconds in which as many landed as before, but for a tenth.
	BackSeconds float64 `json:"back_seconds"`
	Back        bool    `json:"back"`
	// CallsAway are the calls that the org saw and refused; none where nobody takes connections.
	CallsAway int   `json:"calls_while_away"`
	Published int64 `json:"published"`
	Landed    int64 `json:"landed"`
	Dead      int64 `json:"dead"`
	// Wrong is what is not as it must be; none = it passed.
	Wrong   []string `json:"wrong,omitempty"`
	Commit  string   `json:"commit,omitempty"`
	Machine string   `json:"machine,omitempty"`
}

const (
	// sampleEvery is the time from one count to the next.
	sampleEvery = 500 * time.Millisecond
	// restWithin bounds waiting until everything that was published has landed.
	restWithin = 3 * time.Minute
	// calm is the share of what is published that must land before, for the speed to be a steady one; records land by jobs, so one more or less
	// falls into the time that is looked at.
	calm = 0.8
)

// Run measures one outage. An error is one of the instrument.
func Run(ctx context.Context, o Options) (f Figures, err error) {
	if o.Said == nil {
		o.Said = func(string) {}
	}
	timeline, err := history.Create(o.Dir + "/" + history.TimelineFile)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, timeline.Close()) }()
	s, err := stack.Start(ctx, stack.Options{
		Dir: o.Dir, Bin: o.Bin, Plan: history.Plan{RowsPerSecond: 20_000}, Model: []byte(model), Definitions: definitions(),
		Record: func(e history.Event) { _ = timeline.Put(e) }, Cluster: o.Cluster, OwnPace: true,
	})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx))) }()
	m := &measurement{Options: o, stack: s, target: s.Target(), began: time.Now()}
	f, err = m.whole(ctx)
	return f, err
}

// measurement is one under way.
type measurement struct {
	Options
	stack   *stack.Stack
	target  history.Target
	began   time.Time
	samples []sample
	last    history.Balance // of all pipelines
}

func (m *measurement) whole(ctx context.Context) (f Figures, err error) {
	f = Figures{How: m.How, AwaySeconds: m.Away.Seconds()}
	loading, endLoad := context.WithCancel(ctx)
	defer endLoad()
	type loaded struct {
		published int64
		err       error
	}
	load := make(chan loaded, 1)
	go func() {
		n, err := steady(loading, m.target.NATSURL, m.Rate)
		load <- loaded{n, err}
	}()

	if err := m.watch(ctx, m.Warm+m.Before, nil); err != nil {
		return f, err
	}
	now := m.since()
	f.Before = speed(m.samples, now-m.Before, now)
	m.Said(fmt.Sprintf("before: %.0f records landed in a second, of %d that were published", f.Before, m.Rate))
	if f.Before < calm*float64(m.Rate) {
		f.Wrong = append(f.Wrong, fmt.Sprintf("only %.0f of %d records a second landed before: the load is too large for this machine, see --rate", f.Before, m.Rate))
		return f, nil // a speed that is none tells nothing of the time after
	}

	comeBack, err := m.leave(ctx)
	if err != nil {
		return f, err
	}
	left := m.since()
	if err := errors.Join(m.watch(ctx, m.Away, nil), comeBack(context.WithoutCancel(ctx))); err != nil {
		return f, err
	}
	healed := m.since()
	if f.CallsAway, err = m.calls(ctx, left, healed); err != nil {
		return f, err
	}
	m.Said(fmt.Sprintf("back after %.0f s, with %d calls meanwhile", (healed - left).Seconds(), f.CallsAway))

	// Somewhat longer than allowed, so that a figure is there when it took too long.
	err = m.watch(ctx, 2*m.Within, func() bool {
		took, yes := back(m.samples, healed, f.Before)
		f.BackSeconds, f.Back = took.Seconds(), yes
		return yes
	})
	if err != nil {
		return f, err
	}
	switch {
	case !f.Back:
		f.Wrong = append(f.Wrong, fmt.Sprintf("not back at %.0f records a second within %.0f s", enough*f.Before, 2*m.Within.Seconds()))
	case f.BackSeconds > m.Within.Seconds():
		f.Wrong = append(f.Wrong, fmt.Sprintf("back at full speed after %.1f s, and %.0f s are allowed", f.BackSeconds, m.Within.Seconds()))
	}
	endLoad()
	end := <-load
	if end.err != nil {
		return f, end.err
	}
	f.Published = end.published
	return m.rest(ctx, f)
}

// rest waits until everything has landed.
func (m *measurement) rest(ctx context.Context, f Figures) (Figures, error) {
	m.Said(fmt.Sprintf("full speed after %.1f s; waiting until all %d records have landed", f.BackSeconds, f.Published))
	err := m.watch(ctx, restWithin, func() bool { return m.last.Landed+m.last.Dead+m.last.Unresolved >= f.Published })
	f.Landed, f.Dead = m.last.Landed, m.last.Dead
	if f.Landed != f.Published {
		f.Wrong = append(f.Wrong, fmt.Sprintf("%d records were published and %d landed; %d are dead, %d unresolved, %d in flight, %d retrying",
			f.Published, f.Landed, f.Dead, m.last.Unresolved, m.last.InFlight, m.last.Retrying))
	}
	return f, err
}

func (m *measurement) since() time.Duration { return time.Since(m.began) }

// leave makes the org be away until comeBack is called.
func (m *measurement) leave(ctx context.Context) (comeBack func(context.Context) error, err error) {
	switch m.How {
	case Refused:
		edge := m.stack.Edge(stack.EdgeOrg)
		edge.Apply("outage", link.Condition{Cut: true})
		return func(ctx context.Context) error { return edge.Lift(ctx, "outage") }, nil
	case Unavailable:
		ids, err := m.stack.Script(ctx, []byte(`[{"effect":{"kind":"org_down"}}]`))
		return func(ctx context.Context) error { return m.stack.Unscript(ctx, ids...) }, err
	default:
		return nil, fmt.Errorf("an org is away as %q or %q, not as %q", Refused, Unavailable, m.How)
	}
}

// watch takes samples for a time, or until done says yes. It ends early only by done and by ctx.
func (m *measurement) watch(ctx context.Context, d time.Duration, done func() bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	until := time.NewTimer(d)
	defer until.Stop()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		// An answer that does not come is none: the next one says it.
		if all, err := watch.Balances(ctx, m.target, n); err == nil {
			m.last = history.Balance{}
			for _, b := range all {
				m.last.Landed, m.last.Dead, m.last.Unresolved = m.last.Landed+b.Landed, m.last.Dead+b.Dead, m.last.Unresolved+b.Unresolved
				m.last.InFlight, m.last.Retrying = m.last.InFlight+b.InFlight, m.last.Retrying+b.Retrying
			}
			m.samples = append(m.samples, sample{at: m.since(), landed: m.last.Landed})
		}
		if done != nil && done() {
			return nil
		}
		select {
		case <-tick.C:
		case <-until.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxCalls bounds the list of calls that is read.
const maxCalls = 64 << 20

// calls counts what the org was asked between two moments.
func (m *measurement) calls(ctx context.Context, from, to time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.target.ControlURL+"/calls", nil)
	if err != nil {
		return 0, fmt.Errorf("calls to the org: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("calls to the org: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	var answer struct {
		Calls []struct {
			At time.Time `json:"at"`
		} `json:"calls"`
		Lost int64 `json:"lost"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxCalls)).Decode(&answer); err != nil {
		return 0, fmt.Errorf("calls to the org: %w", err)
	}
	if answer.Lost > 0 {
		return 0, fmt.Errorf("the org has forgotten %d calls: publish less, see --rate", answer.Lost)
	}
	n := 0
	for _, c := range answer.Calls {
		if since := c.At.Sub(m.began); since >= from && since <= to {
			n++
		}
	}
	return n, nil
}
