package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// window is how many frames may wait for their acknowledgement; the server keeps at most 128 MB of them in memory.
	window = 32
	// publishTimeout bounds the wait for one frame's acknowledgement, a synchronous write on a busy disk included.
	publishTimeout = 30 * time.Second
	// fullRest is the pause before a frame is offered again to a full stream: it refuses the publisher, nothing was accepted.
	fullRest = 250 * time.Millisecond
	// streamFull is JetStream's error code of a publish that a full stream with discard-new refuses.
	streamFull jetstream.ErrorCode = 10077
)

// publish sends frames in order and returns when each is acknowledged, which is when the records are received.
func publish(ctx context.Context, js jetstream.JetStream, subject string, frames [][]byte, progress func(done int)) error {
	type sent struct {
		frame int
		ack   jetstream.PubAckFuture
	}
	var open []sent
	settle := func(s sent) error {
		for {
			err := awaitAck(ctx, s.ack)
			var api *jetstream.APIError
			switch {
			case err == nil:
				progress(s.frame + 1)
				return nil
			case errors.As(err, &api) && api.ErrorCode == streamFull:
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(fullRest):
				}
			default:
				return fmt.Errorf("publish to %s: %w", subject, err)
			}
			var again error
			if s.ack, again = js.PublishMsgAsync(frame(subject, frames[s.frame])); again != nil {
				return fmt.Errorf("publish to %s: %w", subject, again)
			}
		}
	}
	for i, f := range frames {
		if len(open) == window {
			if err := settle(open[0]); err != nil {
				return err
			}
			open = open[1:]
		}
		ack, err := js.PublishMsgAsync(frame(subject, f), jetstream.WithStallWait(publishTimeout))
		if err != nil {
			return fmt.Errorf("publish to %s: %w", subject, err)
		}
		open = append(open, sent{i, ack})
	}
	for _, s := range open {
		if err := settle(s); err != nil {
			return err
		}
	}
	return nil
}

func awaitAck(ctx context.Context, ack jetstream.PubAckFuture) error {
	timeout := time.NewTimer(publishTimeout)
	defer timeout.Stop()
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout.C:
		return errors.New("no acknowledgement within " + publishTimeout.String())
	}
}

func frame(subject string, body []byte) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set("Content-Type", "application/x-ndjson")
	m.Data = body
	return m
}
