package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bulkhead/services/e2e/chaos/internal/stack/disk"
)

// ledgerBytes and storeBytes are the sizes of the disks: several times what runs write to them, and mostly holes.
const (
	ledgerBytes = 4 << 30
	storeBytes  = 2 << 30
)

// lazily is how seldom a broker syncs that is not to be trusted: what nats-server does unless it is told otherwise.
const lazily = "2m"

// disks are what PostgreSQL and the broker write to where their power can be cut. nil = directories of the machine's own disk.
type disks struct {
	ledger, broker *disk.Disk
	unsafe         string
}

// OpenPowered is OpenCluster with a disk each for the cluster and for the brokers of its runs, whose power can be cut (see Stack.PowerCut). unsafe
// names the one server, NATS or Postgres, that acknowledges before it has synced, on purpose; "" = none. Close takes the disks away.
func OpenPowered(ctx context.Context, dir, unsafe string) (_ *Cluster, err error) {
	if unsafe != "" && unsafe != NATS && unsafe != Postgres {
		return nil, fmt.Errorf("nobody is called %q who could be unsafe: %s or %s", unsafe, NATS, Postgres)
	}
	d := &disks{unsafe: unsafe}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close(ctx))
		}
	}()
	if d.ledger, err = disk.Make(ctx, dir, "ledger", ledgerBytes); err != nil {
		return nil, err
	}
	if d.broker, err = disk.Make(ctx, dir, "broker", storeBytes); err != nil {
		return nil, err
	}
	c := &Cluster{dir: d.ledger.Path(), disks: d}
	if unsafe == Postgres {
		// The services take such a server only because it says by name that it is one.
		c.settings = map[string]string{"synchronous_commit": "off", "bulkhead.durability": "unsafe"}
	}
	return openCluster(ctx, c)
}

// store is where the broker of the run in a directory keeps its streams.
func (d *disks) store(run string) string {
	if d == nil {
		return filepath.Join(run, "nats")
	}
	return filepath.Join(d.broker.Path(), filepath.Base(run))
}

// sync is the broker's sync_interval.
func (d *disks) sync() string {
	if d != nil && d.unsafe == NATS {
		return lazily
	}
	return "always"
}

// clear takes away what the broker of a run stored on its disk: it would be copied with every cut of later runs. What lies in the run's directory stays.
func (d *disks) clear(run string) error {
	if d == nil {
		return nil
	}
	if err := os.RemoveAll(d.store(run)); err != nil {
		return fmt.Errorf("streams of the run: %w", err)
	}
	return nil
}

func (d *disks) close(ctx context.Context) error {
	if d == nil {
		return nil
	}
	var errs []error
	for _, one := range []*disk.Disk{d.ledger, d.broker} {
		if one != nil {
			errs = append(errs, one.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// disks of the run's cluster; nil = its servers write to none of their own.
func (s *Stack) disks() *disks {
	if s.o.Cluster == nil {
		return nil
	}
	return s.o.Cluster.disks
}
