package history

import (
	"context"
	"net/http"
)

// Target says where the parts of a running stack are, and what is needed to speak with them: all that the load, the samples and the dump
// of a run know of it. It is never written to the run's directory, because it holds secrets.
type Target struct {
	// Pipelines are the names of those that the run has.
	Pipelines []string
	// NATSURL leads to the broker through the publishers' own edge, so it is cut when that edge is.
	NATSURL string
	// PlainNATSURL leads straight to the broker, for the instrument's own client. The broker itself may be down at times.
	PlainNATSURL string
	// AdminDSN leads to the run's database as an administrator, by a way that no fault touches; the server may be down at times. It is for
	// reading.
	AdminDSN string
	// ControlURL is the root of the simulator's control API, as "http://127.0.0.1:4000/sim", without a slash at its end.
	ControlURL string
	// OpsURLs are the roots of the HTTP API of ops-1 and ops-2, without a slash at their ends.
	OpsURLs []string
	// Token is the bearer token of an administrator of that API.
	Token string
	// Since is the time of the run, in ms, as every file of it counts.
	Since func() float64
	// HTTP carries the requests to the addresses above; nil = the network. A run in virtual time has none.
	HTTP http.RoundTripper
	// Left says which letters lie in the DLQ stream and which streams and consumers are missing; nil = a NATS client asks at PlainNATSURL.
	Left func(ctx context.Context) (letters, holes []string, err error)
	// Bin is the directory that holds the binaries under test, `bulkhead` among them.
	Bin string
}
