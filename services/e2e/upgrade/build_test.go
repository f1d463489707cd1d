//go:build upgrade

package upgrade

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

//go:embed from.txt
var fromFile string

// releaseBefore is the revision that is upgraded from: BULKHEAD_UPGRADE_FROM, else the newest tag, else what from.txt names.
func releaseBefore(t *testing.T) string {
	t.Helper()
	named := os.Getenv("BULKHEAD_UPGRADE_FROM")
	if named == "" {
		if out, err := exec.Command("git", "describe", "--tags", "--abbrev=0").Output(); err == nil {
			named = strings.TrimSpace(string(out))
		} else {
			named, _, _ = strings.Cut(fromFile, "\n")
			t.Logf("there is no tag yet: from.txt names %s", named)
		}
	}
	out, err := exec.Command("git", "rev-parse", "--verify", "--quiet", named+"^{commit}").Output()
	if err != nil {
		t.Fatalf("the revision %s is not in this clone, so that nothing can be upgraded from it: fetch the whole history and the tags (git fetch --unshallow --tags), or name another revision: make upgrade FROM=...", named)
	}
	return strings.TrimSpace(string(out))
}

// binaries of one build: the directory that holds a program for each service.
type binaries string

func (b binaries) program(service string) string { return filepath.Join(string(b), service) }

// buildBefore builds the services of an earlier revision from its own tree.
func buildBefore(t *testing.T, revision string) binaries {
	t.Helper()
	tree := t.TempDir()
	archive := filepath.Join(t.TempDir(), "tree.tar")
	for _, c := range []*exec.Cmd{
		exec.Command("git", "-C", testkit.Root(t), "archive", "--format=tar", "-o", archive, revision),
		exec.Command("tar", "-xf", archive, "-C", tree),
	} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	return build(t, tree)
}

// build builds the services of a tree.
func build(t *testing.T, tree string) binaries {
	t.Helper()
	bin := t.TempDir()
	args := []string{"build", "-o", bin + string(filepath.Separator)}
	for _, service := range pg.Services {
		args = append(args, "./services/"+service)
	}
	c := exec.Command("go", args...)
	c.Dir = tree
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the services of %s: %v\n%s", tree, err, out)
	}
	return binaries(bin)
}
