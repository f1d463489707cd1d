package drive

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine says what a run was made on: cores and memory, nothing that names it.
func Machine() string {
	out := fmt.Sprintf("%d cores", runtime.NumCPU())
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return out // a system that tells it elsewhere
	}
	defer func() { _ = f.Close() }() // only read
	var kib int64
	for in := bufio.NewScanner(f); in.Scan(); {
		if _, err := fmt.Sscanf(in.Text(), "MemTotal: %d kB", &kib); err == nil {
			return fmt.Sprintf("%s, %d GiB", out, kib>>20)
		}
	}
	return out
}

// Commit names the source that the binaries were built from, with "+" where files differ from it; "unknown" outside of a checkout.
func Commit(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(head))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err != nil || len(changed) > 0 {
		commit += "+"
	}
	return commit
}
