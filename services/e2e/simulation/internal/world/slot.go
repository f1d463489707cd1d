package world

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/fault"
	"bulkhead/libs/host"
	"bulkhead/libs/memory/courier"
	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/memory/wire"
	"bulkhead/libs/service"
	"bulkhead/services/e2e/chaos/trial"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

// down is the time from the death of an instance to the start of its next life.
const down = 60 * time.Millisecond

// errKilled is what the calls of an instance end with that was killed.
var errKilled = errors.New("killed")

// slot is the place of one instance of a service, which has one life after another.
type slot struct {
	world   *World
	service string
	n       int
	name    string
	ended   chan struct{}

	mu    sync.Mutex
	life  *life
	lives int
	calls map[string]int // by what they are, in all lives
	all   int
	deeds []*deed // faults that wait for their moment in this slot
	held  time.Time
	storm storm
	off   bool // it stays down when its life ends
}

// life is one process, from its start to its death.
type life struct {
	slot *slot
	ctx  context.Context //nolint:containedctx // what the process lives by
	stop context.CancelFunc
	db   *ledger.Handle
	bus  *courier.Handle
	org  *wire.Caller

	mu   sync.Mutex
	dead bool
	door http.Handler // of ops, when it stands
}

// begin lets the slot live until it is ended.
func (s *slot) begin() {
	s.ended = make(chan struct{})
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	go func() {
		defer close(s.ended)
		time.Sleep(time.Duration(hashed(s.name, 0) % uint64(time.Millisecond))) // no two begin at the same moment
		for s.once() {
			time.Sleep(down)
		}
	}()
}

// born begins a life; stop ends what it lives by.
func (s *slot) born() (l *life, stop func()) {
	w := s.world
	l = &life{slot: s, db: w.db.As(s.name), bus: w.broker.As(s.name), org: w.net.As(s.name)}
	ctx, cancel := context.WithCancel(w.ctx)
	l.ctx, l.stop = fault.With(ctx, l.point), cancel
	l.listen()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = l
	s.lives++
	s.held = time.Time{} // a pause ends with the process that it stopped
	return l, func() {
		cancel()
		l.org.Close()
		l.db.Close()
		l.bus.Close()
	}
}

// footing is what a life stands on.
func (l *life) footing() *host.Footing {
	return &host.Footing{DB: l.db, Bus: l.bus.Conn(), Org: l.carrier()}
}

func (s *slot) env() service.Env {
	return service.Env{Logger: s.world.o.Log.With("instance", s.name), Registry: prometheus.NewRegistry()}
}

// once is one life; false = there is no other.
func (s *slot) once() bool {
	w := s.world
	l, stop := s.born()
	defer stop()
	w.mu.Lock()
	ending := w.ending
	w.mu.Unlock()
	if ending {
		return false
	}
	w.note(trial.Event{What: "start", Target: s.name})
	a, err := s.make(l)
	ran := err == nil
	if ran {
		err = a.Run(l.ctx)
	}
	l.mu.Lock()
	dead, asked := l.dead, l.ctx.Err() != nil
	l.mu.Unlock()
	w.mu.Lock()
	ending = w.ending
	w.mu.Unlock()
	switch {
	case ending:
		if err != nil && !dead && ran { // what is asked to stop while it starts says so
			w.fail(fmt.Errorf("%s did not stop in order: %w", s.name, err))
		}
		return false
	case dead:
		w.note(trial.Event{What: "exit", Target: s.name, Text: "signal: killed"})
	case asked:
		w.note(trial.Event{What: "exit", Target: s.name, Text: text(err)})
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.off
	case err != nil:
		// As an orchestrator has it: what ends by itself is started again. At its start an instance may end so when its ledger fails.
		w.note(trial.Event{What: "exit", Target: s.name, Text: "by itself: " + err.Error()})
	default:
		w.fail(fmt.Errorf("%s ended though nobody asked for it", s.name))
	}
	return true
}

// Down stops all instances of some services, as an operator does, and Up starts them again.
func (w *World) Down(services ...string) {
	for _, s := range w.slots {
		if slices.Contains(services, s.service) {
			s.mu.Lock()
			s.off = true
			s.mu.Unlock()
			s.end()
		}
	}
}

// Up is told of at [World.Down].
func (w *World) Up(services ...string) {
	for _, s := range w.slots {
		if slices.Contains(services, s.service) {
			s.mu.Lock()
			s.off = false
			s.mu.Unlock()
			s.begin()
		}
	}
}

// end asks the slot's instance to stop, as an operator does, and waits for that.
func (s *slot) end() {
	s.mu.Lock()
	l := s.life
	s.held = time.Time{}
	s.mu.Unlock()
	if l != nil {
		l.stop()
	}
	if s.ended != nil {
		<-s.ended
	}
}

// kill ends the life at once. It does not wait, so that the instance's own goroutines may come here.
func (l *life) kill() {
	l.mu.Lock()
	was := l.dead
	l.dead, l.door = true, nil
	l.mu.Unlock()
	if was {
		return
	}
	l.db.Cut(errKilled)
	l.bus.Cut(errKilled)
	l.org.Cut(errKilled)
	l.stop()
}

func (l *life) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// now gives the present life; nil = there is none.
func (s *slot) now() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// app is what all six are.
type app interface {
	Run(ctx context.Context) error
}

// make makes the instance's app anew.
func (s *slot) make(l *life) (app, error) {
	w := s.world
	o := w.o
	on, env := l.footing(), s.env()
	now := time.Now
	if d := o.Skew[s.service]; d != 0 {
		now = func() time.Time { return time.Now().Add(d) }
	}
	dice := rand.New(rand.NewPCG(o.Plan.Seed, hashed(s.name, s.lives))) //nolint:gosec // to be drawn again
	var mu sync.Mutex
	random := func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return dice.Float64()
	}
	var a app
	var err error
	switch s.service {
	case "ops":
		c := ops.DefaultConfig()
		c.Footing, c.Lease, c.Sweep, c.Horizon, c.Now, c.HTTPListen, c.GRPCListen = on, o.Lease, o.Sweep, 0, now, "", ""
		w.mu.Lock()
		if !w.defined {
			c.Definitions = w.definitions
		}
		w.mu.Unlock()
		c.Orgs = w.documents
		var made *ops.App
		if made, err = ops.New(l.ctx, c, env); err == nil {
			l.mu.Lock()
			if !l.dead {
				l.door = made.Handler()
			}
			l.mu.Unlock()
			a = made
		}
	case "reconciler":
		a, err = reconciler.New(l.ctx, reconciler.Config{Footing: on, Lease: o.Lease, Sweep: o.Sweep, ShortWaits: !o.LongWaits, ShortRetries: !o.LongWaits, Now: now, Random: random}, env)
	case "poller":
		a, err = poller.New(l.ctx, poller.Config{Footing: on, Lease: o.Lease, Sweep: o.Sweep, ShortWaits: !o.LongWaits, ShortRetries: !o.LongWaits, Now: now, Random: random}, env)
	case "retrier":
		a, err = retrier.New(l.ctx, retrier.Config{Footing: on, Sweep: o.Sweep, ShortRetries: !o.LongWaits, MaxWaiting: o.Plan.MaxWaiting, Now: now, Random: random}, env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.Footing, c.Lease, c.Sweep, c.ShortWaits, c.ShortRetries = on, o.Lease, o.Sweep, !o.LongWaits, !o.LongWaits
		a, err = submitter.New(l.ctx, c, env)
	case "extractor":
		c := extractor.DefaultConfig()
		c.Footing, c.Lease, c.Sweep, c.Now = on, o.Lease, o.Sweep, now
		a, err = extractor.New(l.ctx, c, env)
	default:
		err = fmt.Errorf("there is no service %q", s.service)
	}
	return a, err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
