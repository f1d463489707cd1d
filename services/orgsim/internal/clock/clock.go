// Package clock is the org's own time: the time of the process plus an offset that a test moves forward.
//
// Everything the org dates or lets expire (jobs, tokens, rolling limits, cursors) asks this clock. What a caller dates, as the end of an assertion, is
// judged by the time of the process instead: the caller's clock was not moved with it. How long work takes
// is measured in real time instead, so that a moved clock makes no job jump; the time limit of a batch alone is the org's.
package clock

import (
	"fmt"
	"sync/atomic"
	"time"

	"bulkhead/services/orgsim/internal/wake"
)

// Clock is safe for concurrent use. The zero value reads the time of the process.
type Clock struct {
	base   func() time.Time
	offset atomic.Int64 // nanoseconds
	moved  wake.Signal
}

// New returns a clock over base; nil means the time of the process.
func New(base func() time.Time) *Clock { return &Clock{base: base} }

// Now is the org's present time in UTC.
func (c *Clock) Now() time.Time {
	return c.Unmoved().Add(time.Duration(c.offset.Load())).UTC()
}

// Unmoved is the time without the offset, by which those who call the org live: a test moves the org's clock and not theirs.
func (c *Clock) Unmoved() time.Time {
	if c.base != nil {
		return c.base()
	}
	return time.Now()
}

// firstYear and lastYear bound the times that an org may have: what it writes must have four digits, and the way there
// must fit into a duration.
const firstYear, lastYear = 1970, 2200

// Check refuses a time that no org may have.
func Check(t time.Time) error {
	if y := t.UTC().Year(); y < firstYear || y > lastYear {
		return fmt.Errorf("%s is no time for an org: choose a year from %d to %d", t.UTC().Format(time.RFC3339), firstYear, lastYear)
	}
	return nil
}

// Advance moves the clock forward by d, which may be negative to bring it back.
func (c *Clock) Advance(d time.Duration) {
	c.offset.Add(int64(d))
	c.moved.Broadcast()
}

// Set makes the present time t; it goes on from there.
func (c *Clock) Set(t time.Time) {
	c.offset.Store(int64(t.Sub(c.Unmoved())))
	c.moved.Broadcast()
}

// Reset returns to the time of the base.
func (c *Clock) Reset() {
	c.offset.Store(0)
	c.moved.Broadcast()
}

// Moved is closed when somebody moves the clock next, so that who waits for a time can look again.
func (c *Clock) Moved() <-chan struct{} { return c.moved.Chan() }
