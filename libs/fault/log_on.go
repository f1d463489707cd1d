//go:build fault

package fault

import (
	"fmt"
	"os"
	"sync"
)

// trace is where this process tells which places it reached. It is opened once, at the start, and never closed: a process that is
// killed leaves what it wrote.
var trace struct {
	sync.Mutex
	file *os.File // nil = nobody asked
	told map[string]bool
}

// openLog begins to tell into the file of that name, behind what others wrote; "" = nobody is told.
func openLog(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // the file's name is the instrument's own
	if err != nil {
		return fmt.Errorf("BULKHEAD_FAULT_LOG: %w: name a file in a directory that is there and may be written", err)
	}
	trace.Lock()
	defer trace.Unlock()
	trace.file, trace.told = f, map[string]bool{}
	return nil
}

// tellFirst tells that a place was reached, once in this process whatever rules were set since.
func tellFirst(name string) {
	trace.Lock()
	first := trace.file != nil && !trace.told[name]
	if first {
		trace.told[name] = true
	}
	trace.Unlock()
	if first {
		tell("reached", name)
	}
}

// tell appends one line in one write, so that several processes can share a file. A line that cannot be written is lost: what misses it
// fails the run that waits for it.
func tell(what, name string) {
	trace.Lock()
	defer trace.Unlock()
	if trace.file != nil {
		_, _ = trace.file.WriteString(what + " " + name + "\n")
	}
}
