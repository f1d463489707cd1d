package poll

import (
	"math"
	"time"
)

// Pace bounds how often a job is looked at.
type Pace struct {
	// Least is the shortest wait before the first look at a job whose like are known to end that soon, and the shortest at all. Default 250 ms.
	Least time.Duration
	// Floor is the shortest wait before the second look at a job that is as old; it grows by a quarter with each further one, so that an estimate
	// that is always a little short cannot make a storm of looks. Default 1 s.
	Floor time.Duration
	// Cap is the longest wait while a job is young. Default 30 s.
	Cap time.Duration
	// CapOld is the longest wait at all. Between the two the longest wait is a twentieth of the job's age: a job of three hours
	// is seen to have ended at most five minutes late, and costs some eighty looks instead of 360. Default 5 min.
	CapOld time.Duration
	// Queue is the time that Salesforce takes before it begins, added to the first estimate where no speed is known: a known one has it in it.
	// Default 2 s.
	Queue time.Duration
	// Rows is the number of rows a second assumed for a pipeline of which no job has ended yet. Default 500.
	Rows float64
	// Stall is the time without progress after which a job is reported, once per such time. Default 15 min.
	Stall time.Duration
}

// DefaultPace is the pace for real orgs.
func DefaultPace() Pace {
	return Pace{Least: 250 * time.Millisecond, Floor: time.Second, Cap: 30 * time.Second, CapOld: 5 * time.Minute, Queue: 2 * time.Second, Rows: 500, Stall: 15 * time.Minute}
}

// ShortPace is the pace for demos and tests on one machine, whose simulator is faster than any org.
func ShortPace() Pace {
	return Pace{Least: 50 * time.Millisecond, Floor: 100 * time.Millisecond, Cap: 2 * time.Second, CapOld: 2 * time.Second, Queue: 100 * time.Millisecond, Rows: 50_000, Stall: time.Minute}
}

// slowest is how many times longer than by [Pace.Rows] a row may take where nothing else is known.
const slowest = 5

// ageShare is the part of a job's age that its end may be noticed late.
const ageShare = 20

// floor is the shortest wait after so many looks.
func (p Pace) floor(looks int) time.Duration {
	return clamp(time.Duration(float64(p.Floor)*math.Pow(1.25, float64(min(max(looks-1, 0), 64)))), p.Floor, p.Cap)
}

// ceiling is the longest wait for a job of this age.
func (p Pace) ceiling(age time.Duration) time.Duration {
	return clamp(age/ageShare, p.Cap, max(p.Cap, p.CapOld))
}

// Past is what the last jobs of a pipeline had and took on average, as they were seen to end: what is added to that once more would be added again by
// each job to the next. The zero value says that none is known.
type Past struct{ Rows, Seconds float64 }

// FirstLook is how long after its submission a job is looked at first.
func (p Pace) FirstLook(rows int, past Past) time.Duration {
	if !(past.Seconds > 0 && past.Rows > 0) {
		return clamp(p.Queue+seconds(float64(rows)/p.Rows), p.Floor, p.Cap)
	}
	// Part of the time was the queue's, nobody knows how much: a row took so long at most.
	each, more := past.Seconds/past.Rows, float64(rows)-past.Rows
	wait := past.Seconds + more*each
	switch {
	case more > 0: // or the queue of small jobs would make a larger one seem to take for ever
		wait = min(wait, past.Seconds+more/p.Rows)
	default: // a few rows less do not shorten the queue
		wait = max(wait, past.Seconds+more*slowest/p.Rows)
	}
	least := p.Floor
	if 2*float64(rows) >= past.Rows || 2*wait >= past.Seconds {
		least = p.Least // what was seen of the others may be believed of this one
	}
	return clamp(seconds(wait).Round(time.Millisecond), least, p.Cap)
}

// NextLook is how long to wait after a look that found the job running. rnd in [0,1) spreads the looks of many jobs: up to a tenth is
// added.
func (p Pace) NextLook(w Watch, now time.Time, rnd float64) time.Duration {
	age := max(now.Sub(w.SubmittedAt), 0)
	wait := age / 2 // nothing is known of its speed yet: look again when it is half as old again
	if w.Processed > 0 && w.Rows > 0 && age > 0 {
		left := max(int64(w.Rows)-w.Processed, 0)
		wait = seconds(age.Seconds() * float64(left) / float64(w.Processed))
	}
	floor := p.floor(w.Looks)
	if age < p.Floor {
		floor = clamp(age/2, p.Least, floor) // others like it have ended by now
	}
	wait = clamp(wait, floor, p.ceiling(age))
	return wait + time.Duration(float64(wait)*rnd/10)
}

// Backoff is how long to wait after so many errors in a row, at least hint when the answer asked for that.
func (p Pace) Backoff(errs int, hint time.Duration, rnd float64) time.Duration {
	wait := min(time.Duration(float64(p.Floor)*math.Pow(2, float64(min(max(errs-1, 0), 32)))), p.Cap)
	// From half to all of it: many watches of one org that failed together must not come back together.
	return max(time.Duration(float64(wait)*(0.5+rnd/2)), hint)
}

func clamp(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }

// seconds converts without overflowing: whatever is longer than a day is clamped by the caller anyway.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 86_400) * float64(time.Second))
}
