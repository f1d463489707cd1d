package service

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestKeepHeapSmall(t *testing.T) {
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
			KeepHeapSmall()
			if got := debug.SetGCPercent(77); got != c.want {
				t.Errorf("it is %d, and should be %d", got, c.want)
			}
		})
	}
}
