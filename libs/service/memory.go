package service

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// What processes of services keep for long are few large blocks without pointers (the rows of chunks that fill), which are quickly collected: their heap
// may grow by half of what is alive, half of Go's default. `make bench BENCH='--env GOGC=100'` measures the difference.
const (
	gcPercent = 50
	// gcPercentBelow is for memory below a floor: there it may grow to five times what is alive.
	gcPercentBelow = 400
	// besideHeap is about what the runtime holds that is no heap, in bytes.
	besideHeap = 32 << 20
)

// TuneCollector is for processes that are nothing but services, unless the environment says otherwise (GOGC, GOMEMLIMIT). Up to floor bytes of memory the
// collector runs seldom, beyond as soon as the heap has grown by half of what is alive. A floor takes memory once, and saves collecting a small heap over
// and over; 0 = none.
func TuneCollector(floor int64) {
	for _, name := range [...]string{"GOGC", "GOMEMLIMIT"} {
		if _, set := os.LookupEnv(name); set {
			return
		}
	}
	if floor <= 0 {
		debug.SetGCPercent(gcPercent)
		return
	}
	debug.SetGCPercent(gcPercentBelow)
	debug.SetMemoryLimit(floor)
	watchCollector(floor)
}

// watchCollector sets the limit of memory anew behind each run of the collector: what cannot be reached any more is cleaned up then. Where that comes late
// it costs another run, and no memory.
func watchCollector(floor int64) {
	marker := &[4]*byte{} // more than the smallest objects, which share their fate with others
	runtime.AddCleanup(marker, func(floor int64) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetMemoryLimit(limitFor(int64(live[0].Value.Uint64()), floor))
		watchCollector(floor)
	}, floor)
}

// limitFor is how much memory a process may take of whose heap so much is alive.
func limitFor(live, floor int64) int64 { return max(floor, live+live*gcPercent/100+besideHeap) }
