//go:build fault && !planted

package planted

import (
	"fmt"
	"os"
)

// A binary for the instruments that is asked for a bug which it does not hold would prove them blind.
func init() {
	if name := os.Getenv("BULKHEAD_PLANTED"); name != "" {
		fmt.Fprintf(os.Stderr, "BULKHEAD_PLANTED=%s: this binary was built without the tag `planted`\n", name)
		os.Exit(2)
	}
}
