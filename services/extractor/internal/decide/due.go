package decide

import (
	"slices"
	"time"
)

// Due says what must be committed now.
type Due struct {
	// Seal are lanes whose rows must be sealed, rising: as many as one commit should make chunks of. The others are due after it.
	Seal []int
	// Flush says that there are verdicts or marks to commit that need no chunk.
	Flush bool
}

// Any says whether anything is due.
func (d Due) Any() bool { return d.Flush || len(d.Seal) > 0 }

// Due says which lanes are at a limit (rows, bytes, refused and superseded records, age), and whether the rest has waited for the age of a chunk; rows of
// a busy lane may become older, see [Engine.Open].
func (e *Engine) Due(now time.Time) Due {
	var d Due
	for _, n := range e.order() {
		l := e.lanes[n]
		full := e.filled(l) || len(l.dead) >= MaxDead || l.deadSize >= MaxDeadBytes || len(l.superseded) >= MaxSuperseded
		old := l.items > 0 && now.Sub(l.since) >= e.age(l)
		switch {
		case !full && !old:
		case l.rows.size() > 0:
			d.Seal = append(d.Seal, n)
		default:
			d.Flush = true
		}
	}
	d.Seal = e.together(d.Seal)
	if !e.ahead.IsZero() && now.Sub(e.ahead) >= e.Limits.Age && e.Lowest().Less(e.reading) {
		d.Flush = d.Flush || e.movable()
	}
	return d
}

// filled says whether a lane's rows fill a chunk.
func (e *Engine) filled(l *lane) bool {
	return l.full || l.rows.size() >= e.Limits.Rows || l.bytes >= e.Limits.Bytes
}

// maxTogether bounds the records of the lanes that one commit makes chunks of, but for the first lane: what a seal takes beside the lane itself is needed once then,
// and a lane that is stored makes room before the next one is.
const maxTogether = 100_000

func (e *Engine) together(seal []int) []int {
	records := 0
	for i, n := range seal {
		if records += e.lanes[n].entries.size(); i > 0 && records > maxTogether {
			return seal[:i]
		}
	}
	return seal
}

// movable says whether a commit without a chunk would move any mark.
func (e *Engine) movable() bool {
	for _, l := range e.lanes {
		if l.mark.Less(l.target(e.reading, l.rows.size() == 0)) {
			return true
		}
	}
	return false
}

// All are the lanes that hold rows: what must be sealed before another revision may be used.
func (e *Engine) All() []int {
	return slices.DeleteFunc(e.order(), func(n int) bool { return e.lanes[n].rows.size() == 0 })
}

// Next is when something will be due by age if nothing more is read; zero = nothing waits.
func (e *Engine) Next() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, l := range e.lanes {
		if l.items > 0 {
			earlier(l.since.Add(e.age(l)))
		}
	}
	if !e.ahead.IsZero() && e.movable() {
		earlier(e.ahead.Add(e.Limits.Age))
	}
	return next
}

// Bounds of what the age of a lane's rows is stretched to while the lane is busy.
const (
	maxDoublings = 3
	maxStretched = time.Minute
)

// age is the age at which what a lane holds is due. A chunk that is sealed while others of its lane have no outcome would only queue up behind them, so
// rows are given the double of the age for each of those, within bounds, to become fewer and larger chunks: else records that come in steadily, faster than
// the org ends jobs, would make a queue of small chunks as long as the bound allows, and each record would wait for all of it. As soon as the lane is free
// the age is the definition's again.
func (e *Engine) age(l *lane) time.Duration {
	age := e.Limits.Age
	if l.rows.size() == 0 || age >= maxStretched {
		return age
	}
	return min(age<<min(e.open[l.number], maxDoublings), maxStretched)
}

// Open tells how many chunks of each lane have no outcome; those of later commits are counted on top, in the same map. An engine that was never told
// takes every lane for free.
func (e *Engine) Open(chunks map[int]int) { e.open = chunks }

// NextIfFree is when the first rows of a busy lane would be due if it became free; zero = no busy lane holds any. It may be past.
func (e *Engine) NextIfFree() time.Time {
	var next time.Time
	for _, l := range e.lanes {
		if l.rows.size() == 0 || e.age(l) == e.Limits.Age {
			continue
		}
		if t := l.since.Add(e.Limits.Age); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next
}
