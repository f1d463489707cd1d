package service

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTuneCollector(t *testing.T) {
	before := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	for _, c := range []struct {
		name string
		gogc string // "" = not set
		want int
	}{
		{"the collector is set where nobody set it", "", gcPercent},
		{"what the environment says stays", "77", 77},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOGC", c.gogc) // puts back what was there
			if c.gogc == "" {
				if err := os.Unsetenv("GOGC"); err != nil {
					t.Fatal(err)
				}
			}
			debug.SetGCPercent(77)
			TuneCollector(0)
			if got := debug.SetGCPercent(77); got != c.want {
				t.Errorf("it is %d, and should be %d", got, c.want)
			}
		})
	}
	t.Run("behind a run of the collector the heap may grow to its floor", func(t *testing.T) {
		watchCollector(1 << 40) // far above what any test holds
		for end := time.Now().Add(time.Minute); ; {
			runtime.GC()
			if got := debug.SetGCPercent(77); got == 10_000 {
				return
			} else if time.Now().After(end) {
				t.Fatalf("it is still %d", got)
			}
			runtime.Gosched()
		}
	})
}

func TestPercentFor(t *testing.T) {
	const mega = 1 << 20
	for _, c := range []struct {
		name        string
		live, floor uint64
		want        int
	}{
		{"a small heap grows to its floor", 40 * mega, 160 * mega, 300},
		{"a heap of two thirds of the floor grows by half", 107 * mega, 160 * mega, gcPercent},
		{"a heap above the floor grows by half", 400 * mega, 160 * mega, gcPercent},
		{"a heap without anything grows a hundredfold at most", 1, 160 * mega, 10_000},
		{"so does one of which nothing is known", 0, 160 * mega, 10_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentFor(c.live, c.floor); got != c.want {
				t.Errorf("it grows by %d, and should by %d", got, c.want)
			}
		})
	}
}
