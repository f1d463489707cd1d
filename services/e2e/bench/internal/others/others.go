// Package others finds the clients that people use today to load records, so that they can be measured on the same simulator: jsforce (JavaScript)
// and go-salesforce (Go), each in the exact version that its lock file names.
//
// What always holds: they are not part of the product nor of its modules; what they need is fetched by npm and by the Go toolchain, into a cache
// outside of the tree, with install scripts switched off and a home of their own. What cannot be run here is told in one line and left out.
package others

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/internal/npm"
)

const (
	// fetchFor bounds fetching and building one client.
	fetchFor = 10 * time.Minute
	jsforce  = "clients/jsforce"
	gosf     = "clients/gosalesforce"
)

// Find prepares the clients, and says which are left out and why. bin is a directory for programs that are built.
func Find(ctx context.Context, bin string) (clients []trial.Client, leftOut []string) {
	source, err := sources(ctx)
	if err != nil {
		return nil, []string{"other clients: " + err.Error()}
	}
	for _, c := range []struct {
		name    string
		prepare func(ctx context.Context) (trial.Client, error)
	}{
		{"jsforce", func(ctx context.Context) (trial.Client, error) {
			return prepareJSforce(ctx, filepath.Join(source, jsforce), bin)
		}},
		{"go-salesforce", func(ctx context.Context) (trial.Client, error) {
			return prepareGo(ctx, filepath.Join(source, gosf), bin)
		}},
	} {
		bounded, cancel := context.WithTimeout(ctx, fetchFor)
		client, err := c.prepare(bounded)
		cancel()
		if err != nil {
			leftOut = append(leftOut, c.name+": "+strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		clients = append(clients, client)
	}
	return clients, leftOut
}

// sources is where the bench's own files lie.
func sources(ctx context.Context) (string, error) {
	out, err := output(ctx, exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "bulkhead/services/e2e/bench"))
	return strings.TrimSpace(out), err
}

// output runs a command; what it says when it fails is part of the error.
func output(_ context.Context, cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), cmd.Args[1], err, said[max(0, len(said)-300):])
	}
	return string(out), nil
}

// prepareGo builds the client outside of the workspace: it is a module of its own.
func prepareGo(ctx context.Context, source, bin string) (trial.Client, error) {
	binary := filepath.Join(bin, "gosalesforce")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".") //nolint:gosec // fixed words
	cmd.Dir, cmd.Env = source, append(os.Environ(), "GOWORK=off")
	if _, err := output(ctx, cmd); err != nil {
		return trial.Client{}, err
	}
	text, err := os.ReadFile(filepath.Join(source, "go.mod")) //nolint:gosec // our own file
	if err != nil {
		return trial.Client{}, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "require github.com/k-capehart/go-salesforce/v3 "); ok {
			return trial.Client{Name: "go-salesforce " + strings.TrimSpace(rest), Command: []string{binary}}, nil
		}
	}
	return trial.Client{}, errors.New("its go.mod does not name the library")
}

// prepareJSforce installs what the lock file names, once for each lock file.
func prepareJSforce(ctx context.Context, source, bin string) (trial.Client, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return trial.Client{}, errors.New("node is not on PATH")
	}
	packages, err := npm.Install(ctx, os.DirFS(source))
	if err != nil {
		return trial.Client{}, err
	}
	version, err := packages.Version("jsforce")
	if err != nil {
		return trial.Client{}, err
	}
	dir := filepath.Join(bin, "jsforce")
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // programs are no secret
		return trial.Client{}, err
	}
	if err := packages.Beside(dir, filepath.Join(source, "load.mjs")); err != nil {
		return trial.Client{}, err
	}
	of, err := output(ctx, exec.CommandContext(ctx, node, "--version")) //nolint:gosec // found on PATH
	if err != nil {
		return trial.Client{}, err
	}
	return trial.Client{
		Name: fmt.Sprintf("jsforce %s (node %s)", version, strings.TrimSpace(of)), Command: []string{node, filepath.Join(dir, "load.mjs")},
	}, nil
}
