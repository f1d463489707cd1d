package reconcile

import (
	"context"
	"time"
)

// largeRows is from how many rows on a chunk is large. What is held of a row while its files are read and its outcome is stored is some hundred bytes, and of
// the smaller chunks no more are read at once than [Config.Batch] says.
const largeRows = 100_000

// gatePatience is how long a large chunk waits for the one before it. Reading takes a minute at most, unless the org stands still or drips: the chunks of
// others do not wait for that, however much memory it takes.
const gatePatience = 2 * time.Minute

// gate lets large chunks through one at a time.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits for a chunk's turn. leave ends it, and is called once.
func (g gate) enter(ctx context.Context, rows int) (leave func(), err error) {
	if rows < largeRows {
		return func() {}, nil
	}
	patience := time.NewTimer(gatePatience)
	defer patience.Stop()
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	case <-patience.C:
		return func() {}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
