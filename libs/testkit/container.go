package testkit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// startContainer runs a PostgreSQL in a container and returns the administrator's address. The container lives in a
// program of its own, so that the many test binaries that never need one do not carry Docker's client; it ends when its
// input does, which is when we end.
func startContainer(ctx context.Context) (string, error) {
	root, err := findRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "run", "./testkit/pgcontainer")
	cmd.Dir = filepath.Join(root, "libs") // its module, which alone knows Docker's client
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("start a container: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("start a container: %w", err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start a container: %w", err)
	}
	type answer struct {
		line string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil {
			err = errors.Join(err, cmd.Wait())
		}
		answered <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		_ = stdin.Close()
		return "", fmt.Errorf("start a container: %w", ctx.Err())
	case a := <-answered:
		if a.err != nil {
			return "", fmt.Errorf("start a container: %w: %s", a.err, strings.TrimSpace(stderr.String()))
		}
		keepOpen = stdin
		return strings.TrimSpace(a.line), nil
	}
}

// keepOpen holds the container's input open: collected as garbage it would be closed.
var keepOpen any //nolint:unused // holding it is its use
