package layout

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bulkhead/libs/fault/planted"
)

// What is shipped is built without tags: no crash point may be obeyed in it, and no planted bug be in it.
func TestNothingShippedCanBeMadeToFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	services := servicesWithLedger(t)
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	for _, s := range services {
		args = append(args, "./services/"+s)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = root
	build.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, s := range services {
		t.Run(s+" obeys no crash points and holds no planted bugs", func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(filepath.Join(dir, s))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range planted.All() {
				if bytes.Contains(b, []byte(d.Bug)) || bytes.Contains(b, []byte(d.Does)) {
					t.Errorf("the binary names the planted bug %s", d.Bug)
				}
			}
			for _, name := range []string{"BULKHEAD_PLANTED", "BULKHEAD_FAULT"} {
				if bytes.Contains(b, []byte(name)) {
					t.Errorf("the binary reads %s", name)
				}
			}
		})
	}
}
