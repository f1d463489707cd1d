package publish

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestJudge(t *testing.T) {
	api := func(status int, code jetstream.ErrorCode, text string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{Code: status, ErrorCode: code, Description: text})
	}
	for name, c := range map[string]struct {
		err, last error
		want      verdict
	}{
		"a stream at its bound is full":                  {api(503, 10077, "maximum bytes exceeded"), nil, full},
		"a disk without room is full":                    {api(503, 10077, "write: no space left on device"), nil, full},
		"another trouble of the store may pass":          {api(503, 10077, "store is closed"), nil, again},
		"insufficient resources are full":                {api(503, 10023, "insufficient resources"), nil, full},
		"an account at its bound is full":                {api(400, 10002, "resource limits exceeded for account"), nil, full},
		"storage at its bound is full":                   {api(500, 10047, "insufficient storage resources available"), nil, full},
		"a cluster without a leader may find one":        {api(503, 10008, "JetStream system temporarily unavailable"), nil, again},
		"too many requests are slowed down for":          {api(429, 10167, "too many requests"), nil, again},
		"an earlier sending that is not stored yet":      {api(409, 10158, "duplicate message id is in process"), nil, again},
		"a message that the stream never takes":          {api(400, 10054, "message size exceeds maximum allowed"), nil, never},
		"nobody answers":                                 {jetstream.ErrNoStreamResponse, nil, nobody},
		"no acknowledgement":                             {errors.New("no acknowledgement within 10s"), nil, again},
		"a connection that its owner closed":             {nats.ErrConnectionClosed, nil, never},
		"a publish that the server forbids":              {errors.New("timeout"), fmt.Errorf(`%w: Permissions Violation for Publish to "records.p"`, nats.ErrPermissionViolation), never},
		"a violation of another subject is no answer":    {errors.New("timeout"), fmt.Errorf(`%w: Permissions Violation for Publish to "x"`, nats.ErrPermissionViolation), again},
		"a message above what the server takes at once":  {nats.ErrMaxPayload, nil, never},
		"a connection that is being made anew may serve": {nats.ErrConnectionReconnecting, nil, again},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judge(c.err, c.last, "records.p"); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
		})
	}
}
