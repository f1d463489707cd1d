package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

// ErrFull says that the stream, or the server's storage, is full: nothing was stored. Wait until records have left it and call Flush, or make the
// pipeline's backlog larger. It is the backpressure.
var ErrFull = bus.ErrFull

// ErrNoStream says that no stream takes the pipeline's records: apply its definition first, or correct the pipeline's name.
var ErrNoStream = bus.ErrNoStream

// ErrClosed says that the publisher was closed.
var ErrClosed = errors.New("the publisher is closed")

// TooLargeError says that a record fits no frame. It was not taken; nothing else is affected.
type TooLargeError struct {
	// Bytes is what it takes in a frame, Max what there is.
	Bytes, Max int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the record takes %d bytes of a frame, at most %d are allowed: cut it, or carry its large values another way", e.Bytes, e.Max)
}

// RecordError says that a record cannot be published as it is. It was not taken; nothing else is affected.
type RecordError struct{ Reason string }

func (e *RecordError) Error() string { return e.Reason }

// Codes of the broker's answers (nats-server 2.15, server/errors.json).
const (
	codeAccountLimits     jetstream.ErrorCode = 10002
	codeInsufficient      jetstream.ErrorCode = 10023
	codeMemoryExceeded    jetstream.ErrorCode = 10028
	codeStorageExceeded   jetstream.ErrorCode = 10047
	codeStoreFailed       jetstream.ErrorCode = 10077
	codeInProcess         jetstream.ErrorCode = 10158
	codeTooManyRequests   jetstream.ErrorCode = 10167
	statusServerErrors                        = 500
	storeFailedBecauseMax                     = "exceeded"
)

// verdict is what follows from a failed sending.
type verdict int

const (
	// again: the frame may not be stored, send it again.
	again verdict = iota
	// full: it is not stored, because there is no room.
	full
	// nobody: nobody answered on the subject. A server that is starting looks the same as a pipeline that does not exist.
	nobody
	// never: sending it again would be answered alike.
	never
)

// streamless says whether a subject on which nobody answered for so long has no stream. In a cluster that elects a leader nobody answers either.
func (p *Publisher) streamless(ctx context.Context, waited time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	s, err := p.js.Stream(ctx, p.stream)
	var api *jetstream.APIError
	switch {
	case err == nil:
		// In a cluster it will have a leader. One server that has it, and does not take the subject, will not.
		c := s.CachedInfo().Cluster
		return c == nil || c.Leader != "" && waited >= leaderPatience
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return true
	case errors.As(err, &api):
		return false // the cluster has no leader itself
	default:
		return waited >= leaderPatience // nobody says anything, or we may not ask
	}
}

// judge says what follows from an error of one sending; last is the connection's last asynchronous error.
func judge(err, last error, subject string) verdict {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return nobody
	case errors.As(err, &api):
		return judgeAnswer(api)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining), errors.Is(err, nats.ErrMaxPayload),
		errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrHeadersNotSupported):
		return never
	case errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), `"`+subject+`"`):
		return never // the server refuses the publish beside the request, which then times out
	}
	return again
}

func judgeAnswer(api *jetstream.APIError) verdict {
	switch api.ErrorCode {
	case codeAccountLimits, codeInsufficient, codeMemoryExceeded, codeStorageExceeded:
		return full
	case codeStoreFailed:
		// Its description is the store's own error: "maximum bytes exceeded", or the operating system's "no space left on device".
		if strings.Contains(api.Description, storeFailedBecauseMax) || strings.Contains(api.Description, "no space") {
			return full
		}
		return again
	case codeTooManyRequests, codeInProcess: // the latter: an earlier sending is not stored yet, and may never be
		return again
	}
	if api.Code >= statusServerErrors {
		return again
	}
	return never
}
