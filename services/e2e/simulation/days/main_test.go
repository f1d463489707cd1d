//go:build !race

package days_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// A day of rests is millions of small objects that live for moments, in a heap of some megabytes: the collector would run all the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
