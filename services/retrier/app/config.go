package app

import (
	"fmt"
	"time"

	"bulkhead/libs/host"
)

// Config is the retrier's configuration. The zero value lacks only DSN and NATSURL; every other field has a default.
type Config struct {
	// DSN is the PostgreSQL connection string, as the role bulkhead_retrier.
	DSN string `yaml:"dsn" env:"BULKHEAD_DSN"`
	// NATSURL is where NATS answers.
	NATSURL string `yaml:"natsUrl" env:"BULKHEAD_NATS"`
	// Listen is the address of /healthz, /readyz and /metrics; "" = none.
	Listen string `yaml:"listen" env:"BULKHEAD_LISTEN"`
	// ShortRetries makes each wait before a retry at most 2 s. For demos and tests, never a default: a real org needs longer.
	ShortRetries bool `yaml:"shortRetries" env:"BULKHEAD_SHORT_RETRIES"`
	// Sweep is how often rows are looked at without being told of; default 30 s.
	Sweep time.Duration `yaml:"sweep" env:"BULKHEAD_SWEEP" check:"positive"`
	// Gather is how long due records wait for others, so that one resend carries many; default 1 s, 200 ms with ShortRetries.
	Gather time.Duration `yaml:"gather" env:"BULKHEAD_RETRIER_GATHER"`
	// MaxWaiting is the number of waiting records at which a pipeline is paused; default 1,000,000.
	MaxWaiting int `yaml:"maxWaiting" env:"BULKHEAD_RETRIER_MAX_WAITING" check:"positive"`

	// Footing is stood on instead of what DSN and NATSURL lead to; nil = those.
	Footing *host.Footing `yaml:"-"`
	// Now replaces the process's clock in tests; nil = the real one. What is due goes by the ledger's clock.
	Now func() time.Time `yaml:"-"`
}

// Check says everything that is wrong with the configuration, before anything is opened.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

func (c Config) withDefaults() (Config, error) {
	if c.Sweep == 0 {
		c.Sweep = 30 * time.Second
	}
	if err := c.Footing.Check(c.DSN, c.NATSURL); err != nil {
		return c, err
	}
	switch {
	case c.Sweep < 0, c.Gather < 0, c.MaxWaiting < 0:
		return c, fmt.Errorf("sweep (%s), gather (%s) and maxWaiting (%d) must not be negative", c.Sweep, c.Gather, c.MaxWaiting)
	}
	return c, nil
}
