package simulation_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// mostGarbage is how much memory, in bytes, is left to worlds that are over.
const mostGarbage = 512 << 20

// On one processor goroutines take turns in an order of their own, so that a seed is the same run again. The collector takes turns too: it comes between
// two worlds, or when there are very many.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(2 * mostGarbage)
	os.Exit(m.Run())
}

// tidy collects what worlds before this one have left.
func tidy() {
	var now runtime.MemStats
	if runtime.ReadMemStats(&now); now.HeapAlloc > mostGarbage {
		runtime.GC()
	}
}
