package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"bulkhead/services/e2e/chaos/internal/stack/disk"
)

const (
	// stillWithin bounds waiting until a process that was told to stand still does: it may be in the middle of a sync.
	stillWithin = 10 * time.Second
	stillEvery  = time.Millisecond
	// backWithin bounds the way back to a server that answers.
	backWithin = time.Minute
)

// Outage says who loses power at one moment.
type Outage struct {
	Broker, Ledger bool
	// Services: all instances die in the same moment, as when all of it stands on one machine. Without it they go on and find nobody.
	Services bool
	// Before is how long the instrument's own writers keep the servers at work until then.
	Before time.Duration
}

// Kept is what became of that which a server had acknowledged to the instrument's own writer.
type Kept struct {
	Target      string
	Acked, Kept int
}

// PowerCut has servers lose their power: they stand still, what reached their disks by then is kept, they die, and they start again on that and
// nothing else. Servers that lose power together lose it in the same moment. struck is called at that moment. It returns when the servers answer
// again, and says what they kept. Cuts that come at the same time happen one after the other.
func (s *Stack) PowerCut(ctx context.Context, o Outage, struck func()) ([]Kept, error) {
	d := s.o.Cluster.disks
	if d == nil {
		return nil, errors.New("cut the power: the servers write to no disk of their own (see OpenPowered)")
	}
	s.power.Lock()
	defer s.power.Unlock()
	writers, err := s.witnesses(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("cut the power: %w", err)
	}
	if err := writers.begun(ctx); err != nil {
		writers.end()
		return nil, fmt.Errorf("cut the power: %w", err)
	}
	if !sleep(ctx, o.Before) {
		writers.end()
		return nil, ctx.Err()
	}
	// From here on it is brought to its end, whatever ends the fault: a server that is down would end the run.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backWithin)
	defer cancel()
	if err := s.powerless(ctx, o, d, struck); err != nil {
		writers.end()
		return nil, fmt.Errorf("cut the power: %w", err)
	}
	writers.end()
	if o.Broker {
		if err := s.broker.WaitReady(ctx); err != nil {
			return nil, err
		}
	}
	return writers.kept(ctx)
}

// powerless takes the power away and gives it back.
func (s *Stack) powerless(ctx context.Context, o Outage, d *disks, struck func()) error {
	var struckDisks []*disk.Disk
	if o.Services {
		for _, name := range Instances() {
			defer s.parts[name].Hold()()
		}
	}
	if o.Broker {
		for _, n := range s.broker.nodes {
			defer n.Hold()()
		}
		struckDisks = append(struckDisks, d.broker)
	}
	die := func(context.Context) error { return nil }
	up := die
	if o.Ledger {
		struckDisks = append(struckDisks, d.ledger)
		c := s.o.Cluster
		c.mu.Lock()
		defer c.mu.Unlock()
		pids, err := c.halt(ctx)
		if err != nil {
			return err
		}
		die, up = func(ctx context.Context) error { return c.fall(ctx, pids) }, c.up
	}
	if o.Broker {
		if err := s.broker.halt(ctx); err != nil {
			return err
		}
	}
	struck()
	if o.Services {
		var dead sync.WaitGroup
		for _, name := range Instances() {
			dead.Go(func() { s.parts[name].Kill() })
		}
		dead.Wait()
	}
	for _, one := range struckDisks {
		if err := one.Snapshot(ctx); err != nil {
			return err
		}
	}
	if o.Broker {
		for _, n := range s.broker.nodes {
			n.Kill()
		}
	}
	if err := die(ctx); err != nil {
		return err
	}
	for _, one := range struckDisks {
		if err := one.Revert(ctx); err != nil {
			return err
		}
	}
	return up(ctx)
}

// halt makes the broker stand still. It is killed next.
func (b *Broker) halt(ctx context.Context) error {
	for _, n := range b.nodes {
		proc := n.process()
		if proc == nil || !proc.freeze() {
			continue // it is down: its disk has what it had
		}
		if err := standStill(ctx, proc.handle.Pid); err != nil {
			return err
		}
	}
	return nil
}

// halt makes the server and its sessions stand still, and gives their numbers. They are killed next. The lock is held.
func (c *Cluster) halt(ctx context.Context) ([]int, error) {
	pid, err := c.postmaster()
	if err != nil {
		return nil, err
	}
	// The parent first, so that it makes no more children.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil, fmt.Errorf("PostgreSQL's process: %w", err)
	}
	if err := standStill(ctx, pid); err != nil {
		return nil, err
	}
	all := append([]int{pid}, children(pid)...)
	for _, p := range all[1:] {
		_ = syscall.Kill(p, syscall.SIGSTOP) // a session may have ended
	}
	return all, standStill(ctx, all...)
}

// fall kills the server and its sessions at once, and lets go of its directory. The lock is held.
func (c *Cluster) fall(ctx context.Context, pids []int) error {
	for _, p := range pids {
		_ = syscall.Kill(p, syscall.SIGKILL) // a session may have ended
	}
	select {
	case <-c.server.Done():
		return c.server.Stop(ctx)
	case <-ctx.Done():
		return fmt.Errorf("PostgreSQL does not die: %w", ctx.Err())
	}
}

// standStill waits until no thread of any of the processes runs any more: what one is in the middle of comes to its end first, a write, or a sync.
func standStill(ctx context.Context, pids ...int) error {
	ctx, cancel := context.WithTimeout(ctx, stillWithin)
	defer cancel()
	for _, pid := range pids {
		for !still(pid) {
			if !sleep(ctx, stillEvery) {
				return fmt.Errorf("process %d does not stand still: %w", pid, ctx.Err())
			}
		}
	}
	return nil
}

// still says whether all threads of a process are stopped, or it is gone.
func still(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	for _, name := range threads {
		text, err := os.ReadFile(name) //nolint:gosec // the kernel's
		if err != nil {
			continue // it has ended
		}
		// The letter behind the program's name, which stands in brackets and may hold some itself.
		behind := bytes.TrimSpace(text[bytes.LastIndexByte(text, ')')+1:])
		if len(behind) > 0 && !bytes.ContainsRune([]byte("TtZX"), rune(behind[0])) {
			return false
		}
	}
	return true
}
