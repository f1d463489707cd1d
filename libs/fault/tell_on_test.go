//go:build fault

package fault

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A child of TestFaultLog passes these places.
func passSome(ctx context.Context) {
	for _, name := range []string{"a.b", "a.b", "a.c", "a.d"} {
		_ = Point(ctx, name)
	}
}

func TestFaultLog(t *testing.T) {
	if os.Getenv("FAULT_LOG_CHILD") != "" {
		passSome(t.Context())
		return
	}
	child := func(t *testing.T, file, rules string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFaultLog$")
		c.Env = append(os.Environ(), "FAULT_LOG_CHILD=1", "BULKHEAD_FAULT="+rules, "BULKHEAD_FAULT_LOG="+file)
		var exit *exec.ExitError
		if out, err := c.CombinedOutput(); err != nil && !errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, out)
		}
	}
	read := func(t *testing.T, file string) string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	t.Run("says of each place once that it was reached", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "points")
		child(t, file, "")
		if got, want := read(t, file), "reached a.b\nreached a.c\nreached a.d\n"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
	t.Run("says before the process dies where it dies, and the next process writes behind it", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "points")
		child(t, file, "a.c=crash")
		child(t, file, "a.d=delay:1ms")
		want := "reached a.b\nreached a.c\nkilled a.c\nreached a.b\nreached a.c\nreached a.d\nheld a.d\n"
		if got := read(t, file); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
	t.Run("a file that cannot be written ends the process at its start", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
		c.Env = append(os.Environ(), "BULKHEAD_FAULT_LOG="+filepath.Join(t.TempDir(), "none", "points"))
		var exit *exec.ExitError
		if err := c.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Fatalf("ended with %v, want exit code 2", err)
		}
	})
}

func TestFaultHandler(t *testing.T) {
	errDown := errors.New("the process is down")
	t.Run("is asked for the places under its context and for no others", func(t *testing.T) {
		set(t, "")
		var asked []string
		ctx := With(t.Context(), func(_ context.Context, name string) error {
			asked = append(asked, name)
			if name == "a.c" {
				return errDown
			}
			return nil
		})
		if err := Point(ctx, "a.b"); err != nil {
			t.Fatal(err)
		}
		if err := Point(ctx, "a.c"); !errors.Is(err, errDown) {
			t.Fatalf("error %v", err)
		}
		if err := Point(t.Context(), "a.c"); err != nil {
			t.Fatal(err)
		}
		if len(asked) != 2 || Hits()["a.c"] != 2 {
			t.Fatalf("asked %v, hits %v", asked, Hits())
		}
	})
	t.Run("speaks before the rules of the process", func(t *testing.T) {
		set(t, "a.b=error")
		ctx := With(t.Context(), func(context.Context, string) error { return errDown })
		if err := Point(ctx, "a.b"); !errors.Is(err, errDown) || errors.Is(err, ErrInjected) {
			t.Fatalf("error %v", err)
		}
		if err := Point(With(ctx, func(context.Context, string) error { return nil }), "a.b"); !errors.Is(err, ErrInjected) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("can hold a goroutine in simulated time while others pass", func(t *testing.T) {
		set(t, "")
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			held := With(t.Context(), func(ctx context.Context, _ string) error {
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil
			})
			var passed atomic.Int32
			var all sync.WaitGroup
			all.Go(func() { _ = Point(held, "a.b"); passed.Add(1) })
			all.Go(func() { _ = Point(t.Context(), "a.b"); passed.Add(1) })
			synctest.Wait()
			if passed.Load() != 1 {
				t.Fatalf("%d passed", passed.Load())
			}
			close(release)
			all.Wait()
		})
	})
}
