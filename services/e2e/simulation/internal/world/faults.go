package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/trial"
)

// deed is a fault that waits for its moment in a slot: its n-th call, or a crash point.
type deed struct {
	trial.Fault

	what string // "call", or the point's name
	n    int    // the call, or how often the point is passed until it is its turn
	left int    // how often it is still to be done
	late bool   // it is due when the call is done
}

// lasting is how long the fault lasts; else longer than every lease.
func (d *deed) lasting() time.Duration {
	if d.For > 0 {
		return time.Duration(d.For * float64(time.Millisecond))
	}
	return pastLease
}

// pastLease is longer than every lease of a world that names none.
const pastLease = 2600 * time.Millisecond

// arm makes deeds of the faults that wait for a call or a point.
func (w *World) arm() {
	for _, f := range w.o.Plan.Faults {
		what, count, _ := strings.Cut(f.Point, "@")
		if what == "" {
			continue
		}
		n, err := strconv.Atoi(count)
		if err != nil {
			n = 1
		}
		for _, s := range slices.Concat(w.slots, w.tools) {
			// A point may be passed by any instance of a service: the first that comes by it is struck.
			if f.Target != s.name && f.Target != s.service {
				continue
			}
			d := &deed{Fault: f, what: what, n: n, left: 1}
			if f.Kind == trial.KillTwice {
				d.left = 2
			}
			s.mu.Lock()
			s.deeds = append(s.deeds, d)
			s.mu.Unlock()
		}
	}
}

// deedAt gives the deed whose moment has come. call is the number of the call; 0 = a point is passed.
func (s *slot) deedAt(what string, call int, _ *life) *deed {
	s.mu.Lock()
	var due *deed
	for _, d := range s.deeds {
		if d.what != what || d.left == 0 {
			continue
		}
		if call > 0 && call < d.n {
			continue
		}
		if call == 0 {
			if d.n--; d.n > 0 {
				continue
			}
		}
		d.left--
		if call > 0 {
			d.n = call + 5 // the second time of two
		} else {
			d.n = 1
		}
		due = d
		break
	}
	s.mu.Unlock()
	if due == nil {
		return nil
	}
	s.world.mu.Lock()
	healed := s.world.healed
	s.world.mu.Unlock()
	if healed || !s.world.once(due) {
		return nil
	}
	s.world.note(trial.Event{What: "fault", Fault: due.ID, Kind: due.Kind, Target: s.name, Point: due.Point, Done: true})
	return due
}

// once says whether a fault that is aimed at a service may still strike: each instance of it has a deed, and one of them does it.
func (w *World) once(d *deed) bool {
	most := 1
	if d.Kind == trial.KillTwice {
		most = 2
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range most {
		if key := d.ID + "#" + strconv.Itoa(n); !w.struck[key] {
			w.struck[key] = true
			return true
		}
	}
	return false
}

// Unstruck are the faults that wait for a call or a point and have not struck as often as they are to.
func (w *World) Unstruck() []trial.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []trial.Fault
	for _, f := range w.o.Plan.Faults {
		last := f.ID + "#0"
		if f.Kind == trial.KillTwice {
			last = f.ID + "#1"
		}
		if f.Point != "" && !w.struck[last] {
			out = append(out, f)
		}
	}
	return out
}

// dies says whether the life was to end when its call is done.
func (s *slot) dies(*life) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.deeds {
		if d.late {
			d.late = false
			return true
		}
	}
	return false
}

// pause lets the instance make no call for a while.
func (s *slot) pause(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := time.Now().Add(d); until.After(s.held) {
		s.held = until
	}
}

// Storm does what the plan says, each fault at its time, and returns when the last has begun.
func (w *World) Storm() {
	began := time.Now()
	var wg sync.WaitGroup
	for _, f := range w.o.Plan.Faults {
		if f.Point != "" {
			continue
		}
		wg.Go(func() {
			if sleep(w.ctx, time.Until(began.Add(ms(f.At)))) {
				w.strike(f)
			}
		})
	}
	wg.Wait()
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// strike begins one fault.
func (w *World) strike(f trial.Fault) {
	e := trial.Event{At: w.Since(), What: "fault", Fault: f.ID, Kind: f.Kind, Target: f.Target, Done: true}
	var err error
	switch f.Kind {
	case trial.Kill, trial.KillAll, trial.Pause, trial.Term, trial.Cut, trial.Delay:
		err = w.strikeSlots(f)
	case trial.BrokerFull:
		w.broker.Full(true)
		time.AfterFunc(ms(f.For), func() { w.broker.Full(false) })
	case trial.StreamDelete:
		if !w.broker.Forget(f.Stream) {
			err = fmt.Errorf("there is no stream %s", f.Stream)
		}
	case trial.ConsumerDel:
		err = w.broker.As("admin").DeleteConsumer(w.ctx, f.Stream, f.Consumer)
	case trial.Org:
		err = w.script(f)
	case trial.Operators:
		err = trial.Replay(w.ctx, w.Target(), w.o.Plan, w.note)
	case JobsForgotten:
		err = w.forgetJobs(f)
	case Reread:
		err = w.reread()
	case trial.Definition:
		err = trial.Change(w.ctx, w.Target(), w.o.Plan, w.note)
	case trial.Restore:
		err = w.restore(f)
	case MadeAgain:
		err = w.makeAgain(f.Stream)
	default:
		err = fmt.Errorf("a simulation has no fault of kind %s", f.Kind)
	}
	if err != nil {
		e.Done, e.Text = false, err.Error()
	}
	w.note(e)
}

// strikeSlots does what is done to instances.
func (w *World) strikeSlots(f trial.Fault) error {
	target, edge, _ := strings.Cut(f.Target, ">")
	hit := false
	for _, s := range w.slots {
		if f.Kind != trial.KillAll && s.name != target && s.service != target {
			continue
		}
		hit = true
		l := s.now()
		switch f.Kind {
		case trial.Kill, trial.KillAll:
			if l != nil {
				l.kill()
			}
		case trial.Term:
			if l != nil {
				l.stop()
			}
		case trial.Pause:
			s.pause((&deed{Fault: f}).lasting())
		case trial.Cut, trial.Delay:
			st := storm{edge: edge, until: time.Now().Add(ms(f.For))}
			if f.Kind == trial.Delay {
				st.late = 300 * time.Millisecond
			}
			s.mu.Lock()
			s.storm = st
			s.mu.Unlock()
		}
	}
	if !hit {
		return fmt.Errorf("no instance is called %s", f.Target)
	}
	return nil
}

// script gives the org a script.
func (w *World) script(f trial.Fault) error {
	status, answer, err := w.Ask(http.MethodPost, orgHost, "/sim/faults", f.Script)
	if err == nil && status >= 300 {
		err = fmt.Errorf("script of the org: %d %s", status, answer)
	}
	return err
}

// Heal ends every fault: nothing strikes any more, no instance is paused, no edge loses anything, the broker has room, and the org obeys.
func (w *World) Heal() {
	w.note(trial.Event{What: "phase", Text: "heal"})
	w.mu.Lock()
	w.healed = true
	w.mu.Unlock()
	w.broker.Full(false)
	for _, s := range w.slots {
		s.mu.Lock()
		s.storm = storm{}
		s.mu.Unlock()
	}
	if _, _, err := w.Ask(http.MethodDelete, orgHost, "/sim/faults", nil); err != nil {
		w.fail(err)
	}
}

// Ask sends a request to the org or to an instance of ops, at once.
func (w *World) Ask(method, at, path string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+at+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	res, err := w.web().RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // it is memory
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// Get asks for a JSON value.
func (w *World) Get(at, path string, into any) error {
	status, answer, err := w.Ask(http.MethodGet, at, path, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s%s: %d %.300s", at, path, status, answer)
	}
	return json.Unmarshal(answer, into)
}
