package wake_test

import (
	"testing"

	"bulkhead/services/orgsim/internal/wake"
)

func TestABroadcastWakesEveryoneWhoHoldsTheChannel(t *testing.T) {
	var s wake.Signal
	s.Broadcast() // nobody waits: nothing happens
	a, b := s.Chan(), s.Chan()
	s.Broadcast()
	<-a
	<-b
	select {
	case <-s.Chan():
		t.Error("the next channel is closed already")
	default:
	}
}
