package app

import (
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/host"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/submit"
)

// Config is what the submitter is told. [DefaultConfig] has every default.
type Config struct {
	// DSN is the ledger's address, for the role bulkhead_submitter.
	DSN string `yaml:"dsn" env:"BULKHEAD_DSN"`
	// NATSURL is the broker's address.
	NATSURL string `yaml:"natsUrl" env:"BULKHEAD_NATS"`
	// ShortWaits (`waits: short`) makes bind.max_age, orphan.age and collectionMargin at most 2 s: for demos and tests, never for a real org.
	ShortWaits bool `yaml:"shortWaits" env:"BULKHEAD_SHORT_WAITS"`
	// Waits are shared by all services; used here: bind.max_age and orphan.age. What is not set is the default, or the short one.
	Waits record.Waits `yaml:"waits"`
	// ShortRetries makes the waits between failing requests at most a second: for demos and tests, never for a real org.
	ShortRetries bool `yaml:"shortRetries" env:"BULKHEAD_SHORT_RETRIES"`
	// Lease is how long a claim holds without being renewed. A shorter one is taken over sooner, and costs more renewals. Default 15 s.
	Lease time.Duration `yaml:"lease" env:"BULKHEAD_LEASE" check:"positive"`
	// Sweep is how often open work is looked for that no fact told of. Default 30 s.
	Sweep time.Duration `yaml:"sweep" env:"BULKHEAD_SWEEP" check:"positive"`
	// Workers bounds the submissions worked on at once, and with them the uploads; each upload holds a few megabytes. Default 8.
	Workers int `yaml:"workers" env:"BULKHEAD_WORKERS" check:"positive"`
	// BulkThreshold is the number of rows from which a chunk of an upsert, update or delete goes by a Bulk API job, where the definition of its pipeline does not
	// say it (bulk.threshold); smaller ones go by calls of sObject Collections, 200 rows each. 0 = every chunk goes by a job. Default 2000.
	BulkThreshold int `yaml:"bulkThreshold" env:"BULKHEAD_BULK_THRESHOLD"`
	// CollectionMargin is how long after the deadline of such a call, a third of the lease, a call without an answer counts as one that may still land: its
	// rows are called for again only then. Longer than a request may be held on its way or take at Salesforce. Default 30 s, with short waits at most 2 s.
	CollectionMargin time.Duration `yaml:"collectionMargin" env:"BULKHEAD_COLLECTION_MARGIN" check:"positive"`
	// Listen is where /healthz, /readyz and /metrics are served; empty = nowhere.
	Listen string `yaml:"listen" env:"BULKHEAD_LISTEN"`
	// StopTimeout bounds the stop: submissions in hand may come to their end in the first half of it, then they are handed back, the outbox is flushed
	// and everything closed. An upload that takes longer is made again by the next instance. Default 10 s.
	StopTimeout time.Duration `yaml:"stopTimeout" env:"BULKHEAD_STOP_TIMEOUT" check:"positive"`

	// Footing is stood on instead of what DSN and NATSURL lead to; nil = those.
	Footing *host.Footing `yaml:"-"`
	// Now replaces the process's clock in tests, which logins and durations of calls go by; nil = the real one. Leases and ages go by the ledger's.
	Now func() time.Time `yaml:"-"`
}

// DefaultConfig returns the defaults, for real orgs.
func DefaultConfig() Config {
	return Config{Lease: 15 * time.Second, Sweep: 30 * time.Second, Workers: 8, BulkThreshold: defaultBulkThreshold, CollectionMargin: submit.DefaultCallMargin, StopTimeout: 10 * time.Second}
}

// ShortCollectionMargin is a margin for demos and tests: long enough for a simulator beside the service, never for a real org.
const ShortCollectionMargin = 2 * time.Second

// Bounds of the configuration.
const (
	minLease = 500 * time.Millisecond // three renewals must fit in it, each a round trip to the ledger

	// defaultBulkThreshold is the size at which ten calls become more than a job takes, and the job's own seconds are no longer most of what it costs.
	defaultBulkThreshold = 2000

	maxWorkers = 64 // uploads at once; more only queue at Salesforce, and each needs a connection to the ledger
)

// Check refuses a configuration that cannot work, with everything that is wrong with it.
func (c Config) Check() error {
	var errs []error
	if err := c.Footing.Check(c.DSN, c.NATSURL); err != nil {
		errs = append(errs, err)
	}
	if err := c.waits().Check(); err != nil {
		errs = append(errs, err)
	}
	if c.Lease < minLease {
		errs = append(errs, fmt.Errorf("lease is %s: at least %s", c.Lease, minLease))
	}
	if c.Sweep <= 0 || c.StopTimeout <= 0 {
		errs = append(errs, fmt.Errorf("sweep (%s) and stopTimeout (%s) must be above zero", c.Sweep, c.StopTimeout))
	}
	if c.Workers < 1 || c.Workers > maxWorkers {
		errs = append(errs, fmt.Errorf("workers is %d: from 1 to %d", c.Workers, maxWorkers))
	}
	if c.BulkThreshold < 0 || c.BulkThreshold > pipeline.MaxBulkThreshold {
		errs = append(errs, fmt.Errorf("bulkThreshold is %d: from 0 to %d", c.BulkThreshold, pipeline.MaxBulkThreshold))
	}
	if c.CollectionMargin <= 0 {
		errs = append(errs, fmt.Errorf("collectionMargin is %s: it must be above zero", c.CollectionMargin))
	}
	return errors.Join(errs...)
}

// collectionMargin is the margin in force.
func (c Config) collectionMargin() time.Duration {
	if c.ShortWaits {
		return min(c.CollectionMargin, ShortCollectionMargin)
	}
	return c.CollectionMargin
}

// waits are the waits in force.
func (c Config) waits() record.Waits { return c.Waits.Filled(c.ShortWaits) }
