package rest_test

import (
	"errors"
	"syscall"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestConnectionsThatAreReset(t *testing.T) {
	for _, tc := range []struct {
		name    string
		effect  simtest.Effect
		applied bool
	}{
		{"before the effect", simtest.Effect{Kind: simtest.DropBefore, Reset: true}, false},
		{"after the effect", simtest.Effect{Kind: simtest.DropAfter, Reset: true}, true},
	} {
		t.Run(tc.name+" the caller is told of a reset", func(t *testing.T) {
			c, id := prepared(t)
			c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: tc.effect})
			if a := c.patch(id, "UploadComplete"); !errors.Is(a.err, syscall.ECONNRESET) {
				t.Errorf("got %d, %v", a.status, a.err)
			}
			if call := c.sim.AwaitCall(0, simtest.Close, true); call.Applied != tc.applied || call.Status != 0 {
				t.Errorf("the call log says %+v", call)
			}
		})
	}
	t.Run("without a reset the caller is told of an end", func(t *testing.T) {
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
		if a := c.patch(id, "UploadComplete"); a.err == nil || errors.Is(a.err, syscall.ECONNRESET) {
			t.Errorf("got %d, %v", a.status, a.err)
		}
	})
}
