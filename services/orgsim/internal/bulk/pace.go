package bulk

import (
	"context"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/wake"
)

// pacer keeps the org at its speed: callers take turns. Who gives up leaves its time to the others.
type pacer struct {
	turn chan struct{} // holds something while it is somebody's turn
	last time.Time     // when the last turn was over; for whoever has the turn
}

func newPacer() pacer { return pacer{turn: make(chan struct{}, 1)} }

// wait returns when n more units may be done at the speed of the settings, which may change while it waits.
func (p *pacer) wait(ctx context.Context, n int, set *settings.Store) error {
	perSecond := set.Get().RowsPerSecond
	if perSecond <= 0 {
		return ctx.Err()
	}
	from := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case p.turn <- struct{}{}:
	}
	defer func() { <-p.turn }()
	if from.Before(p.last) { // it is the next in a line, so it begins where the one before it ended
		from = p.last
	}
	for left := float64(n); ; {
		changed := set.Changed()
		if perSecond = set.Get().RowsPerSecond; perSecond <= 0 {
			p.last = time.Now()
			return ctx.Err()
		}
		due := from.Add(time.Duration(left / float64(perSecond) * float64(time.Second)))
		late := time.NewTimer(time.Until(due))
		select {
		case <-late.C:
			p.last = due
			return ctx.Err()
		case <-changed:
			late.Stop()
			now := time.Now()
			left -= max(now.Sub(from).Seconds(), 0) * float64(perSecond)
			from = now
		case <-ctx.Done():
			late.Stop()
			p.last = time.Now()
			return ctx.Err()
		}
	}
}

// gate lets as many batches through at a time as the settings say.
type gate struct {
	mu      sync.Mutex
	in      int
	changed wake.Signal
}

func (g *gate) enter(ctx context.Context, set *settings.Store) error {
	for {
		changed, widened := g.changed.Chan(), set.Changed()
		g.mu.Lock()
		free := g.in < set.Get().ParallelBatches
		if free {
			g.in++
		}
		g.mu.Unlock()
		if free {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-widened:
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	g.in--
	g.mu.Unlock()
	g.changed.Broadcast()
}

// locks are the row locks of transactions that are under way, by parent.
type locks struct {
	mu      sync.Mutex
	held    map[uint64]*int // parent → its transaction
	changed wake.Signal
}

// take locks a parent for a transaction, waiting at most wait for another one to let go.
func (l *locks) take(ctx context.Context, parent uint64, transaction *int, wait time.Duration) bool {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		changed := l.changed.Chan()
		l.mu.Lock()
		if l.held == nil {
			l.held = map[uint64]*int{}
		}
		holder := l.held[parent]
		if holder == nil {
			l.held[parent] = transaction
		}
		l.mu.Unlock()
		if holder == nil || holder == transaction {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-late.C:
			return false
		case <-changed:
		}
	}
}

// release lets go of everything that a transaction holds.
func (l *locks) release(transaction *int) {
	l.mu.Lock()
	for parent, holder := range l.held {
		if holder == transaction {
			delete(l.held, parent)
		}
	}
	l.mu.Unlock()
	l.changed.Broadcast()
}
