package stack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Crash ends the server at once, as a crash does (its immediate stop), and starts it again after down. Stops that come at the same time
// happen one after the other; struck is called when this one is to happen.
func (c *Cluster) Crash(ctx context.Context, down time.Duration, struck func()) error {
	return c.again(ctx, down, struck, func(ctx context.Context) error { return c.end(ctx, syscall.SIGQUIT) })
}

// Kill ends the server's first process by SIGKILL, and starts it again after down. Its sessions find out by themselves that it is gone, and the start waits
// for that. Stops come one after the other, as with Crash.
func (c *Cluster) Kill(ctx context.Context, down time.Duration, struck func()) error {
	return c.again(ctx, down, struck, func(ctx context.Context) error { return c.end(ctx, syscall.SIGKILL) })
}

// end ends the server's first process by a signal. The lock is held.
func (c *Cluster) end(ctx context.Context, sig syscall.Signal) error {
	pid, err := c.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("crash PostgreSQL: %w", err)
	}
	select {
	case <-c.server.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("crash PostgreSQL: it does not end: %w", ctx.Err())
	}
}

// Restart ends the server fast, that is with its transactions rolled back and its sessions closed, and starts it again after down.
func (c *Cluster) Restart(ctx context.Context, down time.Duration, struck func()) error {
	return c.again(ctx, down, struck, func(context.Context) error { return nil })
}

func (c *Cluster) again(ctx context.Context, down time.Duration, struck func(), end func(context.Context) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // a server that is down would end the run, whatever ends the fault
	ending, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	c.wake() // a frozen server would not hear
	struck()
	if err := end(ending); err != nil {
		return err
	}
	if err := c.server.Stop(ending); err != nil {
		return err
	}
	sleep(ctx, down)
	return c.up(ctx)
}

// Ensure starts the server if it is down.
func (c *Cluster) Ensure(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.server.Done():
		_ = c.server.Stop(ctx) // it has ended; what it held is let go of
		return c.up(ctx)
	default:
		return nil
	}
}

// Freeze makes the server and all its sessions stand still until thaw is called.
func (c *Cluster) Freeze() (thaw func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := c.postmaster()
	if err != nil {
		return func() {}, err
	}
	// The parent first, so that it makes no more children.
	var still []int
	for _, p := range append([]int{pid}, children(pid)...) {
		if syscall.Kill(p, syscall.SIGSTOP) == nil {
			still = append(still, p)
		}
	}
	server := c.server
	return sync.OnceFunc(func() {
		select {
		case <-server.Done():
			return // and its children with it; their numbers may be others' by now
		default:
		}
		for i := len(still) - 1; i >= 0; i-- {
			_ = syscall.Kill(still[i], syscall.SIGCONT) // a session may have ended
		}
	}), nil
}

// wake lets a server go on that was frozen, whoever froze it.
func (c *Cluster) wake() {
	pid, err := c.postmaster()
	if err != nil {
		return // it is down
	}
	for _, p := range append([]int{pid}, children(pid)...) {
		_ = syscall.Kill(p, syscall.SIGCONT) // a session may have ended
	}
}

// postmaster is the number of the server's first process, as it wrote it down itself.
func (c *Cluster) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL's process: %w", err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(bytes.TrimSpace(first)))
	if err != nil || pid < 2 {
		return 0, fmt.Errorf("PostgreSQL's process: its file reads %q", first)
	}
	return pid, nil
}

// children of a process, as the kernel lists them; none where it does not.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return nil
	}
	var out []int
	for field := range bytes.FieldsSeq(text) {
		if n, err := strconv.Atoi(string(field)); err == nil {
			out = append(out, n)
		}
	}
	return out
}
