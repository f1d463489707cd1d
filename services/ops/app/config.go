package app

import (
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/host"
)

// Config is ops' configuration. [DefaultConfig] has every default.
type Config struct {
	// DSN is the ledger's address, for the role bulkhead_ops.
	DSN string `yaml:"dsn" env:"BULKHEAD_DSN"`
	// NATSURL is the broker's address; ops' user may make, change and purge streams.
	NATSURL string `yaml:"natsUrl" env:"BULKHEAD_NATS"`
	// NATSMonitor are the monitoring addresses of the broker's servers (`http:` in their configurations), with commas: the only place where they tell whether
	// they sync before they acknowledge. One that does not is refused at start, unless it says itself that losses are wanted (tag
	// bulkhead.durability:unsafe). "" = nobody looks.
	NATSMonitor string `yaml:"natsMonitor" env:"BULKHEAD_NATS_MONITOR"`
	// HTTPListen is the address of the HTTP API, /healthz, /readyz and /metrics; port 0 = a free one. Default 127.0.0.1:8080.
	HTTPListen string `yaml:"httpListen" env:"BULKHEAD_HTTP_LISTEN"`
	// GRPCListen is the address of the gRPC API; port 0 = a free one. Default 127.0.0.1:8081.
	GRPCListen string `yaml:"grpcListen" env:"BULKHEAD_GRPC_LISTEN"`
	// TokensFile holds the bearer tokens and their roles; "" = none: then both addresses must be of this machine.
	TokensFile string `yaml:"tokensFile" env:"BULKHEAD_TOKENS_FILE"`
	// Lease is how long the DLQ reader belongs to an instance that says nothing more; default 15 s.
	Lease time.Duration `yaml:"lease" env:"BULKHEAD_LEASE" check:"positive"`
	// Sweep is how often views and streams are looked at without being told of; default 30 s.
	Sweep time.Duration `yaml:"sweep" env:"BULKHEAD_SWEEP" check:"positive"`
	// Horizon is how long decided records stay in RECORDS, to be read again after a restore of the ledger; 0 = they go at once. Default 24 h.
	Horizon time.Duration `yaml:"horizon" env:"BULKHEAD_HORIZON"`
	// Replicas of every stream: 1 on one machine, 3 in a cluster. Default 1.
	Replicas int `yaml:"replicas" env:"BULKHEAD_REPLICAS" check:"positive"`
	// HardDelete lets an admin apply definitions whose operation is hardDelete; default false: rows would be gone without a way back.
	HardDelete bool `yaml:"hardDelete" env:"BULKHEAD_HARD_DELETE"`
	// OrgsDir and PipelinesDir hold YAML documents, one a file, that are applied at start where they differ; "" = none.
	OrgsDir      string `yaml:"orgsDir" env:"BULKHEAD_ORGS_DIR"`
	PipelinesDir string `yaml:"pipelinesDir" env:"BULKHEAD_PIPELINES_DIR"`

	// Orgs and Definitions are further documents that are applied at start where they differ.
	Orgs        [][]byte `yaml:"-"`
	Definitions [][]byte `yaml:"-"`
	// SkipDescribe leaves out asking the org when a definition is applied: for tests without an org.
	SkipDescribe bool `yaml:"-"`
	// Footing is stood on instead of what DSN and NATSURL lead to; nil = those. With it ops listens only where HTTPListen
	// and GRPCListen say, and both may be empty: [App.Handler] answers all the same.
	Footing *host.Footing `yaml:"-"`
	// Now replaces the clock in tests; nil = the real one.
	Now func() time.Time `yaml:"-"`
}

const minLease = time.Second // a fetch waits for a quarter of it at most, and it is renewed at a third of it

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		HTTPListen: "127.0.0.1:8080", GRPCListen: "127.0.0.1:8081", Lease: 15 * time.Second, Sweep: 30 * time.Second,
		Horizon: 24 * time.Hour, Replicas: 1,
	}
}

// Check says everything that is wrong with the configuration, before anything is opened.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

func (c Config) withDefaults() (Config, error) {
	d := DefaultConfig()
	if c.HTTPListen == "" && c.Footing == nil {
		c.HTTPListen = d.HTTPListen
	}
	if c.GRPCListen == "" && c.Footing == nil {
		c.GRPCListen = d.GRPCListen
	}
	if c.Lease == 0 {
		c.Lease = d.Lease
	}
	if c.Sweep == 0 {
		c.Sweep = d.Sweep
	}
	if c.Replicas == 0 {
		c.Replicas = d.Replicas
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	var errs []error
	if err := c.Footing.Check(c.DSN, c.NATSURL); err != nil {
		errs = append(errs, err)
	}
	if err := bus.CheckMonitors(c.NATSMonitor); err != nil {
		errs = append(errs, fmt.Errorf("natsMonitor: %w", err))
	}
	if c.Lease < minLease {
		errs = append(errs, fmt.Errorf("lease is %s: at least %s", c.Lease, minLease))
	}
	if c.Sweep < 0 || c.Horizon < 0 {
		errs = append(errs, fmt.Errorf("sweep (%s) and horizon (%s) must not be negative", c.Sweep, c.Horizon))
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		errs = append(errs, fmt.Errorf("replicas is %d: 1, 3 or 5", c.Replicas))
	}
	return c, errors.Join(errs...)
}
