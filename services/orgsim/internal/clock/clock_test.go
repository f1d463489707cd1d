package clock_test

import (
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/clock"
)

func TestTheClockMovesAndComesBack(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	c := clock.New(func() time.Time { return at })
	if got := c.Now(); !got.Equal(at) || got.Location() != time.UTC {
		t.Errorf("got %s", got)
	}
	c.Advance(time.Hour)
	c.Advance(time.Minute)
	if got := c.Now().Sub(at); got != 61*time.Minute {
		t.Errorf("moved by %s", got)
	}
	to := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	moved := c.Moved()
	c.Set(to)
	if got := c.Now(); !got.Equal(to) {
		t.Errorf("set to %s", got)
	}
	select {
	case <-moved:
	default:
		t.Error("who waits was not told")
	}
	if got := c.Unmoved(); !got.Equal(at) {
		t.Errorf("callers have %s", got)
	}
	c.Reset()
	if got := c.Now(); !got.Equal(at) {
		t.Errorf("got %s", got)
	}
}
