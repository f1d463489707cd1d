package app

import (
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/host"
)

// Config is what the extractor is told. [DefaultConfig] has every default.
type Config struct {
	// DSN is the ledger's address, for the role bulkhead_extractor.
	DSN string `yaml:"dsn" env:"BULKHEAD_DSN"`
	// NATSURL is the broker's address.
	NATSURL string `yaml:"natsUrl" env:"BULKHEAD_NATS"`
	// Lease is how long a reader's lease holds without being renewed: the longest time that a pipeline is not read after its instance
	// died. Default 15 s.
	Lease time.Duration `yaml:"lease" env:"BULKHEAD_LEASE" check:"positive"`
	// Sweep is how often work is looked for that no fact told of. Default 30 s.
	Sweep time.Duration `yaml:"sweep" env:"BULKHEAD_SWEEP" check:"positive"`
	// OpenChunks bounds the fresh chunks of a pipeline that have no outcome: at the bound nothing more is read. Default 64.
	OpenChunks int `yaml:"openChunks" env:"BULKHEAD_OPEN_CHUNKS" check:"positive"`
	// Remember bounds the memory, in MiB, in which the reader of a pipeline remembers which keys the ledger holds, and as much for entities: what is
	// certainly new need not be looked up. A MiB holds 700,000; a pipeline that has three times as many is looked up. Taken as it is needed. Default 16.
	Remember int `yaml:"rememberMiB" env:"BULKHEAD_REMEMBER_MIB" check:"positive"`
	// Listen is where /healthz, /readyz and /metrics are served; empty = nowhere.
	Listen string `yaml:"listen" env:"BULKHEAD_LISTEN"`
	// StopTimeout bounds giving leases back, flushing the outbox and closing. Default 10 s.
	StopTimeout time.Duration `yaml:"stopTimeout" env:"BULKHEAD_STOP_TIMEOUT" check:"positive"`

	// Footing is stood on instead of what DSN and NATSURL lead to; nil = those.
	Footing *host.Footing `yaml:"-"`
	// Now replaces the clock in tests; nil = the real one. Leases, and when a record was accepted, go by the ledger's clock.
	Now func() time.Time `yaml:"-"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Lease: 15 * time.Second, Sweep: 30 * time.Second, OpenChunks: 64, Remember: 16, StopTimeout: 10 * time.Second}
}

// Bounds of the configuration.
const (
	minLease      = 500 * time.Millisecond // three renewals must fit in it, each a round trip to the ledger
	maxOpenChunks = 10_000                 // each has its rows in the ledger
	maxRemember   = 1 << 10                // of each pipeline
)

// Check refuses a configuration that cannot work, with everything that is wrong with it.
func (c Config) Check() error {
	var errs []error
	if err := c.Footing.Check(c.DSN, c.NATSURL); err != nil {
		errs = append(errs, err)
	}
	if c.Lease < minLease {
		errs = append(errs, fmt.Errorf("lease is %s: at least %s", c.Lease, minLease))
	}
	if c.Sweep <= 0 || c.StopTimeout <= 0 {
		errs = append(errs, fmt.Errorf("sweep (%s) and stopTimeout (%s) must be above zero", c.Sweep, c.StopTimeout))
	}
	if c.OpenChunks < 1 || c.OpenChunks > maxOpenChunks {
		errs = append(errs, fmt.Errorf("openChunks is %d: from 1 to %d", c.OpenChunks, maxOpenChunks))
	}
	if c.Remember < 1 || c.Remember > maxRemember {
		errs = append(errs, fmt.Errorf("rememberMiB is %d: from 1 to %d", c.Remember, maxRemember))
	}
	return errors.Join(errs...)
}
