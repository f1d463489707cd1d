//go:build planted

package planted

import (
	"fmt"
	"os"
	"sync/atomic"
)

// Enabled says whether this binary was built with the tag `planted`.
const Enabled = true

// on is the one bug of this process.
var on atomic.Pointer[Bug]

func init() {
	if err := Set(Bug(os.Getenv("BULKHEAD_PLANTED"))); err != nil {
		fmt.Fprintln(os.Stderr, "BULKHEAD_PLANTED:", err)
		os.Exit(2)
	}
}

// On says whether this bug is switched on.
func On(b Bug) bool { return *on.Load() == b }

// Set switches this bug on, and every other one off; [None] = all off. It is for the whole process: tests that use it cannot be parallel.
func Set(name Bug) error {
	bug, err := find(string(name))
	if err != nil {
		return err
	}
	on.Store(&bug)
	return nil
}
