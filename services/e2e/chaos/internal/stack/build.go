package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are what a run starts, by the package that each is made from; a file has the last word of its path as its name.
var programs = []string{
	"bulkhead/services/extractor", "bulkhead/services/submitter", "bulkhead/services/poller", "bulkhead/services/reconciler",
	"bulkhead/services/retrier", "bulkhead/services/ops", "bulkhead/services/orgsim", "bulkhead/services/bulkhead",
	"github.com/nats-io/nats-server/v2",
}

// Build makes the binaries under test in a directory, with the tag `fault` and those that are named beside it: the six services, orgsim,
// bulkhead and nats-server. It runs anywhere within the repository; what is up to date is not made again.
func Build(ctx context.Context, dir string, tags ...string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("build the binaries under test: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // programs are no secret
		return fmt.Errorf("build the binaries under test: %w", err)
	}
	args := []string{"build", "-tags", strings.Join(append([]string{"fault"}, tags...), ","), "-o", dir + string(filepath.Separator)}
	cmd := exec.CommandContext(ctx, "go", append(args, programs...)...) //nolint:gosec // the tags are the caller's own
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the binaries under test: %w: %s", err, strings.TrimSpace(string(out[:min(len(out), 8<<10)])))
	}
	return nil
}

// BuildKept is Build into a directory of the user's cache, which it returns: linking takes longer than most tests, and what is up to date is not made again.
func BuildKept(ctx context.Context) (dir string, err error) {
	if dir, err = os.UserCacheDir(); err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "bulkhead", "chaos-bin")
	return dir, Build(ctx, dir)
}
