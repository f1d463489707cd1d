package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// nextRequest is a [PullRequest] as the broker reads it.
type nextRequest struct {
	Expires   time.Duration `json:"expires,omitempty"`
	Batch     int           `json:"batch"`
	MaxBytes  int           `json:"max_bytes,omitempty"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

const (
	// pullHeartbeat notices a consumer that vanished without a word; the broker allows at most half of Expires.
	pullHeartbeat = time.Second
	// pullGrace is how much later than Expires the end of a request without heartbeats may arrive.
	pullGrace = 2 * time.Second
	// apiNext is where pulls go.
	apiNext = "$JS.API.CONSUMER.MSG.NEXT."
)

// errSilent says that neither a message nor a heartbeat came in time.
var errSilent = errors.New("broker has fallen silent")

// Pull asks over an inbox of its own.
func (b *natsBroker) Pull(ctx context.Context, stream, consumer string, r PullRequest, each func(Delivery) error) error {
	req := nextRequest{Expires: r.Expires, Batch: r.Batch, MaxBytes: r.MaxBytes, NoWait: r.NoWait}
	silence := req.Expires + pullGrace
	if req.Expires >= 2*pullHeartbeat {
		req.Heartbeat, silence = pullHeartbeat, 3*pullHeartbeat
	}
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	// Best effort: a connection that is closed has no subscriptions.
	defer func() { _ = sub.Unsubscribe() }()
	if err := b.nc.PublishRequest(apiNext+stream+"."+consumer, inbox, body); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	for got := 0; got < req.Batch; {
		msg, err := next(ctx, sub, silence)
		if err != nil {
			return err
		}
		if msg.Reply == "" && len(msg.Data) == 0 {
			over, err := readStatus(msg)
			if over || err != nil {
				return err
			}
			continue
		}
		got++
		d, err := delivery(msg)
		if err != nil {
			return err
		}
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}

// delivery reads what the broker says of a message in its reply subject.
func delivery(msg *nats.Msg) (Delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Delivery{}, fmt.Errorf("pull: %w", err)
	}
	m := Msg{Seq: meta.Sequence.Stream, Subject: msg.Subject, Header: msg.Header, Data: msg.Data, Time: meta.Timestamp}
	return Delivery{Msg: m, Ack: func() error { return msg.Ack() }}, nil
}

func next(ctx context.Context, sub *nats.Subscription, silence time.Duration) (*nats.Msg, error) {
	bound, cancel := context.WithTimeoutCause(ctx, silence, errSilent)
	defer cancel()
	msg, err := sub.NextMsgWithContext(bound)
	switch {
	case err == nil:
		return msg, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bound.Err() != nil:
		return nil, context.Cause(bound)
	}
	return nil, fmt.Errorf("pull: %w", err)
}

// readStatus reads a message of the broker itself. over = the request ended as it should.
func readStatus(msg *nats.Msg) (over bool, err error) {
	status, text := msg.Header.Get("Status"), msg.Header.Get("Description")
	switch {
	case status == "100": // heartbeat
		return false, nil
	case status == "404" || status == "408":
		return true, nil
	case status == "409" && (text == "Message Size Exceeds MaxBytes" || text == "Batch Completed"):
		return true, nil
	case status == "503":
		return true, nats.ErrNoResponders
	}
	return true, fmt.Errorf("pull ended with %s %s", status, text)
}
