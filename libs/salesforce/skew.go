package salesforce

import (
	"net/http"
	"time"
)

// MaxSkew is how far the clocks may differ before logins and ages go wrong: Salesforce takes a JWT assertion that expires within five minutes of
// its own clock.
const MaxSkew = 5 * time.Minute

// Skew is how far Salesforce's clock was ahead of ours at the last reply that told the time (header Date, whole seconds); negative = behind. ok is
// false before the first.
func (c *Client) Skew() (skew time.Duration, ok bool) {
	d := c.skew.Load()
	if d == nil {
		return 0, false
	}
	return *d, true
}

// timeOf is the moment of a reply by Salesforce's clock, which has made the dates in it: as the reply tells it, else ours as far as the last ones put it
// right.
func (c *Client) timeOf(header http.Header) time.Time {
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		return at
	}
	ahead, _ := c.Skew()
	return c.cfg.Now().Add(ahead)
}

// noteDate keeps what a reply's header tells of the time. A malformed one is ignored.
func (c *Client) noteDate(header http.Header) {
	if at, err := http.ParseTime(header.Get("Date")); err == nil {
		d := at.Sub(c.cfg.Now()).Round(time.Second)
		c.skew.Store(&d)
	}
}
