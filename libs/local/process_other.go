//go:build unix && !linux

package local

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// isServerOf says whether the process is a postmaster that was started on the directory, by its command line.
func isServerOf(pid int, dataDir string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "postgres") && strings.Contains(string(out), dataDir)
}

// serversOf finds nothing here: backends do not show their directory. A start over them is tried again instead.
func serversOf(string) []int { return nil }
