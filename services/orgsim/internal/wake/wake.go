// Package wake lets any number of goroutines wait until something has changed, without polling.
//
// A waiter takes the channel before it looks at the state it waits for; a change after that look closes the channel.
// So no change between look and wait is lost. Pause is for waits that nothing but time ends.
package wake

import (
	"context"
	"sync"
	"time"
)

// Signal is safe for concurrent use; its zero value is ready.
type Signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// Chan returns a channel that is closed by the next Broadcast.
func (s *Signal) Chan() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

// Broadcast wakes everyone who holds the present channel.
func (s *Signal) Broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// Pause waits for d or until ctx ends, and says which of the two by ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
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
