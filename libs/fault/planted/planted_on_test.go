//go:build planted

package planted

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestPlantedWithTheTag(t *testing.T) {
	t.Cleanup(func() { _ = Set(None) })
	t.Run("exactly the bug that was set is on", func(t *testing.T) {
		for _, set := range All() {
			if err := Set(set.Bug); err != nil {
				t.Fatal(err)
			}
			for _, d := range All() {
				if On(d.Bug) != (d.Bug == set.Bug) {
					t.Errorf("with %s set, On(%s) is %v", set.Bug, d.Bug, On(d.Bug))
				}
			}
		}
	})
	t.Run("a name that is not in the list changes nothing and is refused", func(t *testing.T) {
		if err := Set(NoEpoch); err != nil {
			t.Fatal(err)
		}
		if err := Set("no_epohc"); err == nil || !On(NoEpoch) {
			t.Fatalf("error %v, the bug before is on: %v", err, On(NoEpoch))
		}
	})
	t.Run("a process that is told of an unknown bug does not start", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), "BULKHEAD_PLANTED=no_epohc")
		out, err := child.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "no_epohc") {
			t.Fatalf("ended with %v and said %q", err, out)
		}
	})
}
