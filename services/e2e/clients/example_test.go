//go:build clients

package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// example is what users of jsforce copy.
const example = "../../orgsim/examples/jsforce"

// bulkhead is the binary that people run.
var bulkhead = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	program := filepath.Join(scratch, "bulkhead")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "bulkhead/services/bulkhead").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

func TestTheExampleForJSforce(t *testing.T) {
	t.Parallel()
	c, err := jsforce()
	if err != nil {
		t.Fatal(err)
	}
	program, err := bulkhead()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("names the version that is tested here", func(t *testing.T) {
		var said struct{ Dependencies map[string]string }
		if err := json.Unmarshal([]byte(content(t, filepath.Join(example, "package.json"))), &said); err != nil {
			t.Fatal(err)
		}
		if version, err := c.Version("jsforce"); err != nil || said.Dependencies["jsforce"] != version {
			t.Errorf("%v, but %q is tested (%v)", said.Dependencies, version, err)
		}
	})
	t.Run("passes as it stands", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(example, "*.*"))
		if err != nil || len(files) < 4 {
			t.Fatalf("%v, %v", files, err)
		}
		dir := t.TempDir()
		if err := c.Beside(dir, files...); err != nil {
			t.Fatal(err)
		}
		a := run(t, dir, bare(t, "BULKHEAD="+program), c.node, "--test", "--test-reporter=tap")
		ok := len(regexp.MustCompile(`(?m)^ok \d+ - `).FindAllString(a.out, -1))
		if tests := strings.Count(content(t, filepath.Join(example, "contacts.test.mjs")), "\ntest("); a.code != 0 || ok != tests || tests < 5 {
			t.Errorf("exit code %d, %d of %d tests passed\n%s%s", a.code, ok, tests, a.out, a.err)
		}
	})
}
