package service

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// gcPercent is the runtime's GOGC of a process of services, half of Go's default. What they keep for long are few large blocks without pointers (the rows of
// chunks, the keys of results), which cost the collector next to nothing to pass over, and all that they would let the heap grow by lies idle.
// `make bench BENCH='--env GOGC=100'` measures the difference.
const gcPercent = 50

// TuneCollector is for processes that are nothing but services, unless the environment says otherwise (GOGC): the heap grows by half of what is alive
// before the collector runs, and to floor bytes in any case. A floor takes memory once, and saves collecting a small heap over and over; 0 = none.
// GOMEMLIMIT holds beside it.
func TuneCollector(floor uint64) {
	if _, set := os.LookupEnv("GOGC"); set {
		return
	}
	debug.SetGCPercent(gcPercent)
	if floor > 0 {
		watchCollector(floor)
	}
}

// watchCollector sets the collector's percentage anew behind each of its runs: what is not reachable any more is cleaned up then.
func watchCollector(floor uint64) {
	marker := &[4]*byte{} // more than the smallest objects, which share their fate with others
	runtime.AddCleanup(marker, func(floor uint64) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(percentFor(live[0].Value.Uint64(), floor))
		watchCollector(floor)
	}, floor)
}

// percentFor is by how many hundredths of what is alive the heap may grow.
func percentFor(live, floor uint64) int {
	const most = 10_000 // what is alive of a process that has just begun is next to nothing
	if live == 0 {
		return most
	}
	if percent := 100 * floor / live; percent > 100+gcPercent {
		return int(min(percent-100, most))
	}
	return gcPercent
}
