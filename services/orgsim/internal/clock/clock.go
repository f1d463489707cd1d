// Package clock is the org's own time: the time of the process plus an offset that a test moves forward.
//
// Everything the org dates or lets expire (jobs, tokens, rolling limits, cursors) asks this clock. How long work takes
// is measured in real time instead, so that a moved clock never makes a job jump.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock is safe for concurrent use. The zero value reads the time of the process.
type Clock struct {
	base   func() time.Time
	offset atomic.Int64 // nanoseconds
}

// New returns a clock over base; nil means the time of the process.
func New(base func() time.Time) *Clock { return &Clock{base: base} }

// Now is the org's present time in UTC.
func (c *Clock) Now() time.Time {
	now := time.Now
	if c.base != nil {
		now = c.base
	}
	return now().Add(time.Duration(c.offset.Load())).UTC()
}

// Advance moves the clock forward by d, which may be negative to bring it back.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// Reset returns to the time of the base.
func (c *Clock) Reset() { c.offset.Store(0) }
