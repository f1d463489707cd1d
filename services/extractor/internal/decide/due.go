package decide

import (
	"slices"
	"time"
)

// Due says what must be committed now.
type Due struct {
	// Seal are the lanes whose rows must be sealed, rising.
	Seal []int
	// Flush says that there are verdicts or marks to commit that need no chunk.
	Flush bool
}

// Any says whether anything is due.
func (d Due) Any() bool { return d.Flush || len(d.Seal) > 0 }

// Due says which lanes are at a limit (rows, bytes, refused and superseded records, age), and whether the rest has waited for the age of a chunk.
func (e *Engine) Due(now time.Time) Due {
	var d Due
	for _, n := range e.order() {
		l := e.lanes[n]
		full := l.full || len(l.rows) >= e.Limits.Rows || l.bytes >= e.Limits.Bytes ||
			len(l.dead) >= MaxDead || l.deadSize >= MaxDeadBytes || len(l.superseded) >= MaxSuperseded
		old := l.items > 0 && now.Sub(l.since) >= e.Limits.Age
		switch {
		case !full && !old:
		case len(l.rows) > 0:
			d.Seal = append(d.Seal, n)
		default:
			d.Flush = true
		}
	}
	if !e.ahead.IsZero() && now.Sub(e.ahead) >= e.Limits.Age && e.Lowest().Less(e.reading) {
		d.Flush = d.Flush || e.movable()
	}
	return d
}

// movable says whether a commit without a chunk would move any mark.
func (e *Engine) movable() bool {
	for _, l := range e.lanes {
		if l.mark.Less(l.target(e.reading, len(l.rows) == 0)) {
			return true
		}
	}
	return false
}

// All are the lanes that hold rows: what must be sealed before another revision may be used.
func (e *Engine) All() []int {
	return slices.DeleteFunc(e.order(), func(n int) bool { return len(e.lanes[n].rows) == 0 })
}

// Next is when something will be due by age if nothing more is read; zero = nothing waits.
func (e *Engine) Next() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if t = t.Add(e.Limits.Age); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, l := range e.lanes {
		if l.items > 0 {
			earlier(l.since)
		}
	}
	if !e.ahead.IsZero() && e.movable() {
		earlier(e.ahead)
	}
	return next
}
