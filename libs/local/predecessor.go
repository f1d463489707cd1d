package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// Each of the postmaster's three ways to stop gets this long before the next harder one.
	stopStep = 5 * time.Second
	// Backends of a dead postmaster notice within a second that it is gone, unless they compute; then they are killed,
	// which loses nothing: their transactions died with the postmaster.
	leftoverWait = 5 * time.Second
	lookEvery    = 20 * time.Millisecond
)

// clearPredecessor makes a data directory free for a start: it stops a postmaster that still lives on it and waits for
// the backends of a dead one. The caller holds the directory's lock, so whatever is found belongs to a killed program.
func clearPredecessor(ctx context.Context, dataDir string, logger *slog.Logger) error {
	pid, err := readPostmasterPID(dataDir)
	if err != nil {
		return err
	}
	if pid > 0 && isServerOf(pid, dataDir) {
		logger.WarnContext(ctx, "a PostgreSQL of a killed predecessor still runs on the directory; it is stopped", "pid", pid, "data_dir", dataDir)
		if err := stopProcess(ctx, pid, dataDir); err != nil {
			return err
		}
	}
	if err := waitLeftovers(ctx, dataDir, logger); err != nil {
		return err
	}
	// The server refuses to start over a pid file whose number another process of its user has by now.
	if err := os.Remove(filepath.Join(dataDir, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the pid file of a dead server: %w", err)
	}
	return nil
}

// readPostmasterPID reads the pid file; 0 when there is none.
func readPostmasterPID(dataDir string) (int, error) {
	data, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the pid file of PostgreSQL: %w", err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	if pid, notNumber := strconv.Atoi(strings.TrimSpace(first)); notNumber == nil && pid > 1 {
		return pid, nil
	}
	return 0, nil // cut off by a crash: no process can be named by it
}

// stopProcess ends a postmaster: fast shutdown, then immediate, then by force.
func stopProcess(ctx context.Context, pid int, dataDir string) error {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL (process %d) that a killed predecessor left on %s: %w; stop it by hand", pid, dataDir, err)
		}
		gone, err := until(ctx, stopStep, func() bool { return !isServerOf(pid, dataDir) })
		if err != nil {
			return err
		}
		if gone {
			return nil
		}
	}
	return fmt.Errorf("the PostgreSQL (process %d) that a killed predecessor left on %s does not end: stop it by hand", pid, dataDir)
}

// waitLeftovers waits for backends of a postmaster that is gone. While one lives, shared memory is in use and a new
// server refuses to start.
func waitLeftovers(ctx context.Context, dataDir string, logger *slog.Logger) error {
	var left []int
	none := func() bool { left = serversOf(dataDir); return len(left) == 0 }
	gone, err := until(ctx, leftoverWait, none)
	if err != nil || gone {
		return err
	}
	logger.WarnContext(ctx, "backends of a killed PostgreSQL do not end by themselves; they are killed", "pids", left, "data_dir", dataDir)
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	gone, err = until(ctx, leftoverWait, none)
	if err != nil || gone {
		return err
	}
	return fmt.Errorf("processes %v of a killed PostgreSQL still use %s: stop them by hand", left, dataDir)
}

// until looks again and again, and says whether it came true in time.
func until(ctx context.Context, most time.Duration, done func() bool) (bool, error) {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if done() {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return done(), nil
		case <-tick.C:
		}
	}
}
