package app

import (
	"fmt"
	"time"

	"bulkhead/libs/host"
	"bulkhead/libs/record"
)

// Config is the poller's configuration. The zero value lacks only DSN and NATSURL; every other field has a default.
type Config struct {
	// DSN is the PostgreSQL connection string, as the role bulkhead_poller.
	DSN string `yaml:"dsn" env:"BULKHEAD_DSN"`
	// NATSURL is where NATS answers.
	NATSURL string `yaml:"natsUrl" env:"BULKHEAD_NATS"`
	// Listen is the address of /healthz, /readyz and /metrics; "" = none.
	Listen string `yaml:"listen" env:"BULKHEAD_LISTEN"`
	// ShortWaits makes each wait for Salesforce at most 2 s. For demos and tests, never a default: a real org needs longer.
	ShortWaits bool `yaml:"shortWaits" env:"BULKHEAD_SHORT_WAITS"`
	// Waits are the waits one by one (missing.wait, settle.wait, …); what is not set is the default, or the short one with ShortWaits.
	Waits record.Waits `yaml:"waits"`
	// ShortRetries makes each wait after a failed call at most 1 s. For demos and tests, too.
	ShortRetries bool `yaml:"shortRetries" env:"BULKHEAD_SHORT_RETRIES"`
	// Lease is how long a claim on a chunk lasts without renewal, and so how long its work rests after a crash; default 15 s.
	Lease time.Duration `yaml:"lease" env:"BULKHEAD_LEASE" check:"positive"`
	// Sweep is how often the views of others are looked at without being told of; default 30 s.
	Sweep time.Duration `yaml:"sweep" env:"BULKHEAD_SWEEP" check:"positive"`
	// Concurrency is how many jobs are asked after at once; default 16, below the 25 long calls at once that an org allows.
	Concurrency int `yaml:"concurrency" env:"BULKHEAD_POLLER_CONCURRENCY" check:"positive"`

	// Footing is stood on instead of what DSN and NATSURL lead to; nil = those.
	Footing *host.Footing `yaml:"-"`
	// Now replaces the process's clock, which logins go by, in tests; nil = the real one. What is due goes by the ledger's clock.
	Now func() time.Time `yaml:"-"`
}

// Check says everything that is wrong with the configuration, before anything is opened.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

func (c Config) withDefaults() (Config, error) {
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.Sweep == 0 {
		c.Sweep = 30 * time.Second
	}
	c.Waits = c.Waits.Filled(c.ShortWaits)
	if err := c.Footing.Check(c.DSN, c.NATSURL); err != nil {
		return c, err
	}
	switch {
	case c.Sweep < 0:
		return c, fmt.Errorf("sweep (%s) must not be negative", c.Sweep)
	case c.Concurrency < 0:
		return c, fmt.Errorf("concurrency (%d) must not be negative", c.Concurrency)
	case c.Lease < minLease:
		return c, fmt.Errorf("lease (%s) must be at least %s: it is renewed at a third of it", c.Lease, minLease)
	}
	return c, c.Waits.Check()
}

// minLease is the shortest lease that a slow commit does not outlast.
const minLease = time.Second
