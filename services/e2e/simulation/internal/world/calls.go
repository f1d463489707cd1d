package world

import (
	"context"
	"errors"
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bulkhead/libs/memory/courier"
	"bulkhead/services/e2e/chaos/trial"
)

// The edges of an instance, as faults name them: "submitter-1>postgres".
const (
	toLedger = "postgres"
	toBroker = "nats"
	toOrg    = "org"
)

// The least and the most that a call takes on its way, and again on its way back.
var pace = map[string][2]time.Duration{
	toLedger: {20 * time.Microsecond, 2 * time.Millisecond},
	toBroker: {30 * time.Microsecond, 3 * time.Millisecond},
	toOrg:    {500 * time.Microsecond, 20 * time.Millisecond},
}

// errLost is what a call ends with that an edge has lost, or whose answer it has.
var errLost = errors.New("the connection was lost")

// ErrDies is what [Options.Call] answers so that the instance is killed there.
var ErrDies = errors.New("killed at a call")

// storm is what is wrong with an edge of an instance until a time.
type storm struct {
	edge  string
	until time.Time
	late  time.Duration // of each call; 0 = calls and answers are lost instead
}

// listen puts the world between the life and everything that it calls.
func (l *life) listen(n int) {
	l.db.Random = dice(l.slot.world.o.Plan.Seed, hashed(l.slot.name+" ledger", n))
	l.db.Before = func(ctx context.Context, sql string) error { return l.before(ctx, toLedger, sql) }
	l.db.After = func(ctx context.Context, sql string) error { return l.after(ctx, toLedger, sql) }
	l.bus.SetHooks(courier.Hooks{
		Before: func(ctx context.Context, op string) error { return l.before(ctx, toBroker, op) },
		After:  func(ctx context.Context, op string) error { return l.after(ctx, toBroker, op) },
	})
}

// carrier carries requests to the org.
func (l *life) carrier() http.RoundTripper {
	return carrier(func(req *http.Request) (*http.Response, error) {
		op := req.Method + " " + kindOf(req.URL.Path)
		if err := l.before(req.Context(), toOrg, op); err != nil {
			if req.Body != nil {
				err = errors.Join(err, req.Body.Close()) // as every carrier must
			}
			return nil, err
		}
		res, err := l.org.Transport().RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if err := l.after(req.Context(), toOrg, op); err != nil {
			return nil, errors.Join(err, res.Body.Close())
		}
		return res, nil
	})
}

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(req *http.Request) (*http.Response, error) { return c(req) }

// kindOf leaves the ids out of a path.
func kindOf(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if len(p) >= 15 && p[0] >= '0' && p[0] <= '9' {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// before is asked before a call. It waits as long as the call takes on its way, and as long as the instance is paused.
func (l *life) before(ctx context.Context, edge, op string) error {
	s := l.slot
	s.mu.Lock()
	s.all++
	n := s.all
	s.calls[op]++
	nth := s.calls[op]
	s.mu.Unlock()
	if ask := s.world.o.Call; ask != nil {
		if err := ask(s.service, edge, op); err != nil {
			if errors.Is(err, ErrDies) {
				l.kill()
			}
			return err
		}
	}
	if d := s.deedAt("call", n, l); d != nil {
		if n%2 == 0 {
			l.kill()
			return errKilled
		}
		d.late = true // when it is done, and nobody knows
	}
	if err := l.travel(ctx, edge, op, nth, "to"); err != nil {
		return err
	}
	return l.lost(edge, op, nth, "to")
}

// after is asked when a call is done.
func (l *life) after(ctx context.Context, edge, op string) error {
	s := l.slot
	if s.dies(l) {
		l.kill()
		return errKilled
	}
	s.mu.Lock()
	nth := s.calls[op]
	s.mu.Unlock()
	if err := l.travel(ctx, edge, op, nth, "from"); err != nil {
		return err
	}
	if edge == toLedger && op != "commit" {
		return nil // a connection that is lost in a transaction shows at its next statement
	}
	return l.lost(edge, op, nth, "from")
}

// travel takes the time that the seed says.
func (l *life) travel(ctx context.Context, edge, op string, nth int, way string) error {
	if err := l.slot.hold(ctx, l); err != nil {
		return err
	}
	w := l.slot.world
	d := time.Duration(0)
	if !w.o.Calm {
		bounds := pace[edge]
		span := math.Log(float64(bounds[1]) / float64(bounds[0]))
		d = time.Duration(float64(bounds[0]) * math.Exp(span*w.fraction(l.slot.name, edge, op, way, nth)))
	}
	l.slot.mu.Lock()
	if st := l.slot.storm; st.edge == edge && time.Now().Before(st.until) {
		d += st.late
	}
	l.slot.mu.Unlock()
	if !sleep(ctx, d) {
		return ctx.Err()
	}
	if l.gone() {
		return errKilled
	}
	return l.slot.hold(ctx, l)
}

// lost says whether the edge loses what comes by just now.
func (l *life) lost(edge, op string, nth int, way string) error {
	l.slot.mu.Lock()
	st := l.slot.storm
	l.slot.mu.Unlock()
	if st.edge != edge || st.late > 0 || !time.Now().Before(st.until) || l.slot.world.fraction(l.slot.name, "lost", op, way, nth) > 0.4 {
		return nil
	}
	return errLost
}

// hold waits until the instance is not paused.
func (s *slot) hold(ctx context.Context, l *life) error {
	for {
		s.mu.Lock()
		rest := time.Until(s.held)
		s.mu.Unlock()
		if rest <= 0 {
			return nil
		}
		// A process that is stopped does not hear that it is asked to end.
		if !sleep(context.WithoutCancel(ctx), rest) || l.gone() {
			return errKilled
		}
	}
}

// fraction is a number from 0 to 1 that the seed draws for these words.
func (w *World) fraction(a, b, c, d string, n int) float64 {
	h := fnv.New64a()
	for _, word := range []string{a, b, c, d, strconv.FormatUint(w.o.Plan.Seed, 10), strconv.Itoa(n)} {
		_, _ = h.Write([]byte(word)) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	return float64(mixed(h.Sum64())>>11) / (1 << 53)
}

// mixed spreads what a hash of few bytes leaves close together.
func mixed(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func hashed(name string, n int) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name + strconv.Itoa(n))) // a hash takes everything
	return mixed(h.Sum64())
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// point is passed by an instance, in a build that has crash points.
func (l *life) point(ctx context.Context, name string) error {
	s, w := l.slot, l.slot.world
	w.mu.Lock()
	w.points.Reached[name]++
	w.mu.Unlock()
	if w.o.Passed != nil {
		w.o.Passed(name)
	}
	if l.gone() {
		return errKilled
	}
	switch d := s.deedAt(name, 0, l); {
	case d == nil:
		return nil
	case d.Kind == trial.PausePoint:
		w.mu.Lock()
		w.points.Held[name]++
		w.mu.Unlock()
		s.pause(d.lasting())
		return s.hold(ctx, l)
	default:
		w.mu.Lock()
		w.points.Killed[name]++
		w.mu.Unlock()
		l.kill()
		return errKilled
	}
}
