package world

import (
	"context"
	"errors"
	"fmt"
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
	"bulkhead/services/e2e/simulation/internal/parts"
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
		apart := time.Duration(hashed(s.name, 0) % uint64(time.Millisecond)) // no two begin at the same moment, not even those that were killed at one
		time.Sleep(apart)
		for s.once() {
			time.Sleep(down + apart)
		}
	}()
}

// born begins a life; stop ends what it lives by.
func (s *slot) born() (l *life, stop func()) {
	w := s.world
	l = &life{slot: s, db: w.db.As(s.name), bus: w.broker.As(s.name), org: w.org.Net.As(s.name)}
	ctx, cancel := context.WithCancel(w.ctx)
	l.ctx, l.stop = fault.With(ctx, l.point), cancel
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives++
	l.listen(s.lives)
	s.life = l
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
	return service.Env{
		Logger: s.world.o.Log.With("instance", s.name), Registry: prometheus.NewRegistry(), Random: dice(s.world.o.Plan.Seed, hashed(s.name, s.lives)),
	}
}

// once is one life; false = there is no other.
func (s *slot) once() bool {
	w := s.world
	l, stop := s.born()
	defer stop()
	w.mu.Lock()
	ending := w.ending
	w.mu.Unlock()
	if ending || s.staysDown() {
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
	case err != nil:
		// As an orchestrator has it: what ends by itself is started again. At its start an instance may end so when its ledger fails.
		w.note(trial.Event{What: "exit", Target: s.name, Text: "by itself: " + err.Error()})
	default:
		w.fail(fmt.Errorf("%s ended though nobody asked for it", s.name))
	}
	return !s.staysDown()
}

func (s *slot) staysDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.off
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

// Fell kills all instances of some services, for good until [World.Up].
func (w *World) Fell(services ...string) {
	for _, s := range w.slots {
		if slices.Contains(services, s.service) {
			s.mu.Lock()
			s.off = true
			s.mu.Unlock()
			if l := s.now(); l != nil {
				l.kill()
			}
		}
	}
	for _, s := range w.slots {
		if slices.Contains(services, s.service) {
			<-s.ended
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

// alive says whether an instance of a service runs.
func (w *World) alive(service string) bool {
	return slices.ContainsFunc(w.slots, func(s *slot) bool {
		l := s.now()
		return s.service == service && l != nil && l.ctx.Err() == nil
	})
}

// make makes the instance's app anew.
func (s *slot) make(l *life) (parts.App, error) {
	w := s.world
	o := w.o
	settings := parts.Settings{
		On: l.footing(), Env: s.env(), Lease: o.Lease, Sweep: o.Sweep, Short: !o.LongWaits, MaxWaiting: o.Plan.MaxWaiting, PurgeAtOnce: !w.isRestored(), Orgs: w.documents,
		Now: func() time.Time { return time.Now().Add(o.Skew[s.service]) },
	}
	w.mu.Lock()
	if !w.defined {
		settings.Definitions = w.definitions
	}
	w.mu.Unlock()
	a, door, err := parts.New(l.ctx, s.service, settings)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && !l.dead {
		l.door = door
	}
	return a, err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
