package submit

import (
	"math"
	"time"
)

// Backoff says how long to wait after failures in a row.
type Backoff struct {
	// Base is the longest first wait; it doubles with each further failure up to Max.
	Base, Max time.Duration
}

// DefaultBackoff is for real orgs, ShortBackoff for demos and tests.
var (
	DefaultBackoff = Backoff{Base: time.Second, Max: 30 * time.Second}
	ShortBackoff   = Backoff{Base: 100 * time.Millisecond, Max: time.Second}
)

// Wait is the wait after the given number of failures in a row (1 = the first); rnd in [0, 1) spreads it over its upper half, so
// that those that failed together do not come back together. hint is what the server asked for, 0 if it did not; it is never undercut.
func (b Backoff) Wait(failures int, hint time.Duration, rnd float64) time.Duration {
	longest := float64(b.Base) * math.Pow(2, float64(min(max(failures, 1), 32)-1))
	longest = min(longest, float64(b.Max))
	return max(time.Duration(longest*(1+rnd)/2), hint)
}
