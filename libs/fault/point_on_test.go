//go:build fault

package fault

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// set puts rules in place for one test; tests that use it cannot be parallel, the rules are the process's.
func set(t *testing.T, rules string) {
	t.Helper()
	if err := Set(rules); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Set("") })
}

func TestFaultPointWithTheTag(t *testing.T) {
	t.Run("returns the injected error only at the hit that the rule names", func(t *testing.T) {
		set(t, "a.b=error@2")
		for hit := 1; hit <= 3; hit++ {
			if err := Point(t.Context(), "a.b"); errors.Is(err, ErrInjected) != (hit == 2) {
				t.Fatalf("hit %d gave %v", hit, err)
			}
		}
		if Hits()["a.b"] != 3 {
			t.Fatalf("hits %v", Hits())
		}
	})
	t.Run("waits for the delay, or until the context ends", func(t *testing.T) {
		set(t, "a.b=delay:1h")
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			if err := Point(t.Context(), "a.b"); err != nil || time.Since(start) != time.Hour {
				t.Fatalf("waited %v, error %v", time.Since(start), err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := Point(ctx, "a.b"); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error %v", err)
			}
		})
	})
	t.Run("kills the process at once", func(t *testing.T) {
		if os.Getenv("FAULT_TEST_CHILD") != "" {
			_ = Point(t.Context(), "a.b")
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFaultPointWithTheTag$/^kills")
		child.Env = append(os.Environ(), "FAULT_TEST_CHILD=1", "BULKHEAD_FAULT=a.b=crash")
		err := child.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("child ended with %v, want killed", err)
		}
	})
}
