package inject

import (
	"context"
	"fmt"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack/link"
)

const (
	// badFor is how long an edge is bad where a plan does not say.
	badFor = 2 * time.Second
	// The least and most that an edge is late, each way.
	leastLate = 20 * time.Millisecond
	mostLate  = 400 * time.Millisecond
	// The least and most bytes after which an edge is cut: within a reply's header, and within a chunk's upload.
	leastBytes = 1
	mostBytes  = 60_000
)

// edge makes a link bad for a while.
func (f *fault) edge(ctx context.Context) error {
	edge := f.s.Edge(f.Target)
	c, how := f.condition()
	edge.Apply(f.ID, c)
	f.struck(true, how)
	err := f.last(ctx, f.lasting(badFor), func(ctx context.Context) error { return edge.Lift(ctx, f.ID) })
	f.over("")
	return err
}

// condition is what the kind means, with what the dice decide, and its words.
func (f *fault) condition() (link.Condition, string) {
	switch f.Kind {
	case history.Delay:
		d := leastLate + time.Duration(f.dice.Int64N(int64(mostLate-leastLate)))
		return link.Condition{Delay: d, Jitter: d / 2}, fmt.Sprintf("late by %d ms and up to half of it more or less", d.Milliseconds())
	case history.HalfOpen:
		if f.dice.IntN(2) == 0 {
			return link.Condition{Silent: true, Swallow: true}, "requests and answers are lost"
		}
		return link.Condition{Silent: true}, "requests arrive, answers are lost"
	default:
		if f.dice.IntN(3) == 0 {
			// Small numbers as often as large ones.
			n := int64(leastBytes)
			for n < mostBytes && f.dice.IntN(4) != 0 {
				n *= 3
			}
			return link.Condition{After: n}, fmt.Sprintf("reset after %d bytes", n)
		}
		return link.Condition{Cut: true}, "reset and refused"
	}
}
