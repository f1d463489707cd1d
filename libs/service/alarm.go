package service

import (
	"context"
	"sync"
	"time"
)

// minAlarm keeps a due time that is past, or a clock that stands still, from making a loop spin.
const minAlarm = 10 * time.Millisecond

// Alarm rings a bell at the time that it was set to last: how a loop sleeps until something is due.
type Alarm struct {
	mu    sync.Mutex
	bell  *Bell
	timer *time.Timer
	ended bool
}

// NewAlarm makes an alarm for a bell. It rings nothing until it is set.
func NewAlarm(bell *Bell) *Alarm { return &Alarm{bell: bell} }

// Set makes it ring after wait, and at no other time.
func (a *Alarm) Set(wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	if !a.ended {
		a.timer = time.AfterFunc(max(wait, minAlarm), a.bell.Ring)
	}
}

// Stop ends it for good.
func (a *Alarm) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// Once makes a pass that looks at all there is at once one that a loop rests after, whatever it found.
func Once(pass func(context.Context) (int, error)) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		_, err := pass(ctx)
		return 0, err
	}
}
