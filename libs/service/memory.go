package service

import (
	"os"
	"runtime/debug"
)

// gcPercent is the runtime's GOGC of a process of services, half of Go's default. What they keep for long are few large blocks without pointers (the rows of
// chunks, the keys of results), which cost the collector next to nothing to pass over, and all that they would let the heap grow by lies idle.
// `make bench BENCH='--env GOGC=100'` measures the difference.
const gcPercent = 50

// KeepHeapSmall has the collector run when half of what is alive came anew, unless the environment says otherwise (GOGC). It is for processes that are
// nothing but services.
func KeepHeapSmall() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
}
