package circuit

import (
	"time"

	"bulkhead/libs/record"
)

// tick is the finest step of the ledger's clock.
const tick = time.Microsecond

// row is what one service knows of an org's circuit, as its table says it. Times are the ledger's.
type row struct {
	service                        string
	class                          record.Class
	failures                       int
	cause                          string
	openedAt, failedAt, nextCallAt time.Time
	closedAt                       *time.Time
}

// state is the circuit that the rows of all services are together.
type state struct {
	row
	open bool
	// closed is when it was closed last; zero = never.
	closed time.Time
}

// merge makes one circuit of the rows: it is open while the newest failure is later than the newest closing. What is told of it is the word of whoever
// failed last, and the next call is the latest that an open row allows.
func merge(rows []row) state {
	var s state
	for _, r := range rows {
		if r.closedAt != nil && r.closedAt.After(s.closed) {
			s.closed = *r.closedAt
		}
	}
	for _, r := range rows {
		if !r.failedAt.After(s.closed) {
			continue
		}
		if !s.open {
			s.row, s.open = r, true
			continue
		}
		next := later(s.nextCallAt, r.nextCallAt)
		if r.failedAt.After(s.failedAt) {
			s.row = r
		}
		s.nextCallAt = next
	}
	return s
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// leave is what a call may do now: nothing to wait for, or how long to wait before asking again. A wait of 0 of an open circuit means that somebody
// has to try.
func (p Policy) leave(s state, now time.Time) time.Duration {
	if !s.open {
		return 0
	}
	wait := s.nextCallAt.Sub(now)
	if wait <= 0 {
		return 0
	}
	if s.nextCallAt.Sub(s.failedAt) > p.wait(s.class, s.failures)+p.Spread {
		return min(wait, p.Ask) // a call is under way, which may end at once
	}
	return wait
}

// tried is the circuit while a call is made to see whether the org is back.
func (p Policy) tried(s state, now time.Time) row {
	r := s.row
	r.nextCallAt = later(now.Add(p.Probe), r.failedAt.Add(p.wait(r.class, r.failures)+p.Spread+tick))
	return r
}

// handedBack is the circuit after such a call which told nothing: the next one may try at once.
func handedBack(s state, now time.Time) row {
	r := s.row
	r.nextCallAt = now
	return r
}

// failed is the circuit after a call that failed, and whether the failure changes it at all. began is when the call was made; probed is the failure after
// which it was made as a try, zero if it was none. What was under way when the circuit opened, or before it was last closed, says nothing new: else a
// hundred calls that fail together would count as a hundred failures in a row.
func (p Policy) failed(s state, f failure, began, probed, now time.Time, draw float64) (row, bool) {
	if s.open && !s.failedAt.Equal(probed) || !s.open && began.Before(s.closed) {
		return row{}, false
	}
	r := row{class: f.class, failures: 1, cause: f.cause, openedAt: now, failedAt: later(now, s.closed.Add(tick))}
	if s.open {
		r.openedAt, r.failedAt = s.openedAt, later(now, s.failedAt.Add(tick))
		if s.class == f.class {
			r.failures = s.failures + 1
		}
	}
	r.nextCallAt = r.failedAt.Add(p.spread(p.wait(r.class, r.failures), draw))
	return r, true
}

// closedBy is the circuit after a call that succeeded.
func closedBy(s state, now time.Time) row {
	r := s.row
	at := later(now, s.failedAt)
	r.closedAt = &at
	return r
}

// failure is why a call counts as failed.
type failure struct {
	class record.Class
	cause string
}
