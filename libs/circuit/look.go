package circuit

import (
	"context"
	"errors"
	"time"
)

const (
	// ledgerTime bounds one question to the ledger, or one change: a call must not wait long for what only spares calls.
	ledgerTime = 5 * time.Second
	// staleLooks is how many times [Policy.Look] old may be what is gone by while somebody asks.
	staleLooks = 3
	// maxCause bounds what is stored of a failure.
	maxCause = 500
)

// look is the circuit as this process knows it, and the ledger's clock. It asks the ledger when what it knows is old. While another goroutine asks it goes
// by what it knows, unless that is so old that it says nothing.
func (c *circuit) look(ctx context.Context) (state, time.Time) {
	if c.readWithin(c.cfg.Policy.Look) {
		return c.now()
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	select {
	case c.looking <- struct{}{}:
	default:
		if c.readWithin(staleLooks * c.cfg.Policy.Look) {
			return c.now()
		}
		select {
		case c.looking <- struct{}{}:
		case <-ctx.Done():
			return c.now()
		}
	}
	defer func() { <-c.looking }()
	if c.readWithin(c.cfg.Policy.Look) {
		return c.now()
	}
	asked := time.Now()
	rows, now, err := c.store.read(ctx, c.org)
	if err != nil {
		c.ledgerAway(ctx, err)
		return c.now()
	}
	c.know(merge(rows), now, asked)
	return c.now()
}

// readWithin says whether what is known was read so lately.
func (c *circuit) readWithin(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.readAt.IsZero() && time.Since(c.readAt) < d
}

// now is what is known, and the ledger's clock as it must be by now.
func (c *circuit) now() (state, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known, c.at.Add(time.Since(c.readAt))
}

// know keeps what was read at a moment of this process, unless something newer is known.
func (c *circuit) know(s state, now, readAt time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if readAt.Before(c.readAt) {
		return
	}
	c.known, c.at, c.readAt, c.away = s, now, readAt, false
}

// ledgerAway lets calls through until the ledger answers: a service without its ledger stops by itself, and what only spares calls must not stop one.
func (c *circuit) ledgerAway(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the caller went away
	}
	c.mu.Lock()
	told := c.away
	c.known, c.at, c.readAt, c.away = state{}, time.Time{}, time.Now(), true
	c.mu.Unlock()
	if !told {
		c.log.WarnContext(ctx, "the circuit cannot be read or written, calls are made without it", "error", err)
	}
}

// try takes the right to see whether the org is back: with a wait of 0 the caller has it, or the circuit is closed. Else somebody else has it.
func (c *circuit) try(ctx context.Context) (s state, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	return s, wait, c.store.change(ctx, c.org, func(was state, now time.Time) (row, bool) {
		s, wait = was, c.cfg.Policy.leave(was, now)
		return c.cfg.Policy.tried(was, now), was.open && wait <= 0
	}, c.know)
}

// change changes the circuit, and says what it was and whether it was changed. A change that the ledger does not take costs a call or two.
func (c *circuit) change(ctx context.Context, decide func(state, time.Time) (row, bool)) (was state, changed bool) {
	// It is told after the call, whose context may have ended with it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime)
	defer cancel()
	err := c.store.change(ctx, c.org, func(s state, now time.Time) (r row, ok bool) {
		was = s
		r, changed = decide(s, now)
		return r, changed
	}, c.know)
	if err != nil {
		c.ledgerAway(ctx, err)
		return was, false
	}
	return was, changed
}
