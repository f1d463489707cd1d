package app

import (
	"sync"
	"time"
)

// minWait keeps a clock that stands still from making the timer spin.
const minWait = 5 * time.Millisecond

// wakeTimer rings once at the earliest of the times it was set to since it rang last.
type wakeTimer struct {
	mu    sync.Mutex
	ring  func()
	timer *time.Timer
	due   time.Time
	ended bool
}

func newWakeTimer(ring func()) *wakeTimer { return &wakeTimer{ring: ring} }

// at sets the timer, unless it rings earlier anyway.
func (w *wakeTimer) at(wait time.Duration) {
	wait = max(wait, minWait)
	w.mu.Lock()
	defer w.mu.Unlock()
	due := time.Now().Add(wait)
	if w.ended || (w.timer != nil && !w.due.After(due)) {
		return
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	w.due = due
	w.timer = time.AfterFunc(wait, func() {
		w.mu.Lock()
		w.timer = nil
		w.mu.Unlock()
		w.ring()
	})
}

// stop ends it; nothing rings afterwards but what was already ringing.
func (w *wakeTimer) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
