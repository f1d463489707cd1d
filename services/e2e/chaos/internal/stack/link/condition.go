package link

import (
	"math/rand/v2"
	"time"
)

// Condition is what is wrong with a link.
type Condition struct {
	// Cut resets what is connected, and refuses whoever comes.
	Cut bool
	// Silent takes what the client sends and gives nothing back, for as long as it lasts.
	Silent bool
	// Swallow, with Silent, keeps the upstream from what the client sends; without it requests arrive and only answers are lost.
	Swallow bool
	// Delay is how much later bytes arrive, each way; Jitter is by how much it differs at most, up or down.
	Delay, Jitter time.Duration
	// After is the number of bytes after which a connection is reset, both ways counted together; 0 = never. New connections have the same
	// number again.
	After int64
}

// merge adds up what is laid upon a link.
func merge(all map[string]Condition) Condition {
	var sum Condition
	for _, c := range all {
		sum.Cut = sum.Cut || c.Cut
		sum.Silent = sum.Silent || c.Silent
		sum.Swallow = sum.Swallow || c.Silent && c.Swallow
		if c.Delay > sum.Delay {
			sum.Delay, sum.Jitter = c.Delay, min(c.Jitter, c.Delay)
		}
		if c.After > 0 && (sum.After == 0 || c.After < sum.After) {
			sum.After = c.After
		}
	}
	return sum
}

// late is how much later the next bytes arrive.
func (c Condition) late() time.Duration {
	if c.Jitter <= 0 {
		return c.Delay
	}
	return c.Delay - c.Jitter + rand.N(2*c.Jitter+1)
}
