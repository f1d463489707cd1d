// Package origin says what figures and runs were made on and from: the machine and the commit. It names nobody's machine.
package origin

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

// askFor bounds what git is asked.
const askFor = 10 * time.Second

// Machine is cores, their make, memory and system, as far as the system tells.
func Machine() string {
	out := fmt.Sprintf("%d cores", runtime.NumCPU())
	if model := valueOf("/proc/cpuinfo", "model name"); model != "" {
		out += " (" + model + ")"
	}
	var kib int64
	if _, err := fmt.Sscanf(valueOf("/proc/meminfo", "MemTotal"), "%d kB", &kib); err == nil {
		out += fmt.Sprintf(", %d GiB", kib>>20)
	}
	return out + ", " + runtime.GOOS + "/" + runtime.GOARCH + ", " + runtime.Version()
}

// valueOf is what stands behind a name and a colon in a file of lines; "" = nothing.
func valueOf(file, name string) string {
	f, err := os.Open(file) //nolint:gosec // the kernel's
	if err != nil {
		return "" // a system that tells it elsewhere
	}
	defer func() { _ = f.Close() }() // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, found := strings.Cut(s.Text(), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Commit names the source that the programs were built from, with "+" where files differ from it; "unknown" outside of a checkout.
func Commit(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, askFor)
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
