package conformance

import (
	"net/http"
	"testing"

	"bulkhead/services/orgsim/internal/switches"
)

// TestClients holds what other people's clients send and nobody else would.
func TestClients(t *testing.T) {
	o := aSim(t)
	t.Run("a request without a body may say that it is compressed, whatever the switch says", func(t *testing.T) {
		o.want(o.call("GET", data+"/limits", "", gzipBody), http.StatusOK)
		o.sim.Move(switches.GzipRequests, switches.Refused)
		o.want(o.call("GET", data+"/limits", "", gzipBody), http.StatusOK)
	})
}
