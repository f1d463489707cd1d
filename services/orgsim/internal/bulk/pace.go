package bulk

import (
	"context"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/wake"
)

// pacer keeps the org at its speed: callers take turns on one line of time.
type pacer struct {
	mu   sync.Mutex
	next time.Time
}

// wait returns when n more units may be done at perSecond, 0 = at once.
func (p *pacer) wait(ctx context.Context, n, perSecond int) error {
	if perSecond <= 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
	due := p.next.Sub(now)
	p.mu.Unlock()
	return pause(ctx, due)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// gate lets a number of batches through at a time; the number may change while it is in use.
type gate struct {
	mu      sync.Mutex
	in      int
	changed wake.Signal
}

func (g *gate) enter(ctx context.Context, width func() int) error {
	for {
		changed := g.changed.Chan()
		g.mu.Lock()
		free := g.in < width()
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
