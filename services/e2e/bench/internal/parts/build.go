package parts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build makes the programs that are measured in a directory, as they are shipped: no tags. The loop that they are measured against is one of them. It runs anywhere within the repository.
func Build(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("build what is measured: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // programs are no secret
		return fmt.Errorf("build what is measured: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), //nolint:gosec // fixed words
		"bulkhead/services/bulkhead", "bulkhead/services/orgsim", "bulkhead/services/e2e/bench/clients/loop", "github.com/nats-io/nats-server/v2")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build what is measured: %w: %s", err, strings.TrimSpace(string(out[:min(len(out), 8<<10)])))
	}
	return nil
}
