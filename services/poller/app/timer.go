package app

import (
	"sync"
	"time"
)

// minWait keeps a due time that is past, or a clock that stands still, from making the loop spin.
const minWait = 10 * time.Millisecond

// alarm rings once, at the time that it was set to last.
type alarm struct {
	mu    sync.Mutex
	ring  func()
	timer *time.Timer
	ended bool
}

func newAlarm(ring func()) *alarm { return &alarm{ring: ring} }

// set makes it ring after wait, and at no other time.
func (a *alarm) set(wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	if !a.ended {
		a.timer = time.AfterFunc(max(wait, minWait), a.ring)
	}
}

// stop ends it for good; nothing rings afterwards but what was already ringing.
func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
