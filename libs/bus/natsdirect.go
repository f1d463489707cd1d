package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	apiDirectGet = "$JS.API.DIRECT.GET."

	headerStream    = "Nats-Stream"
	headerSubject   = "Nats-Subject"
	headerSequence  = "Nats-Sequence"
	headerTimeStamp = "Nats-Time-Stamp"
)

// Range reads by one batched direct get, which the broker ends at maxBytes. Any replica answers it: what it does not have behind the last message that
// it gives is asked for at the leader.
func (b *natsBroker) Range(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(Msg)) (uint64, error) {
	gave, more, err := b.direct(ctx, stream, first, last, maxBytes, each)
	if err != nil {
		return 0, err
	}
	if more || gave >= last {
		return gave, nil
	}
	return b.tail(ctx, stream, max(first, gave+1), last, maxBytes, each)
}

// direct is one batched direct get. gave is the sequence of the last message that came, 0 = none; more = the broker has more that did not fit.
func (b *natsBroker) direct(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(Msg)) (gave uint64, more bool, err error) {
	body, err := json.Marshal(map[string]any{"seq": first, "batch": last - first + 1, "max_bytes": maxBytes})
	if err != nil {
		return 0, false, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // best effort: the connection may be closed
	if err := b.nc.PublishRequest(apiDirectGet+stream, inbox, body); err != nil {
		return 0, false, err
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, false, err
		}
		switch status := msg.Header.Get("Status"); {
		case msg.Header.Get(headerSequence) != "":
			m, err := directMessage(msg)
			if err != nil {
				return 0, false, err
			}
			gave = min(m.Seq, last)
			if m.Seq <= last {
				each(m)
			}
			if m.Seq >= last {
				return gave, false, nil
			}
		case status == "204": // end of batch
			return gave, gave > 0 && msg.Header.Get("Nats-Num-Pending") != "0", nil
		case status == "404": // nothing at or behind first
			return gave, false, nil
		case status == "503":
			return 0, false, nats.ErrNoResponders
		default:
			return 0, false, fmt.Errorf("broker answers %s %s", status, msg.Header.Get("Description"))
		}
	}
}

func directMessage(msg *nats.Msg) (Msg, error) {
	seq, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return Msg{}, fmt.Errorf("direct get: sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(headerTimeStamp))
	if err != nil {
		return Msg{}, fmt.Errorf("direct get: time: %w", err)
	}
	m := Msg{Seq: seq, Subject: msg.Header.Get(headerSubject), Header: msg.Header, Data: msg.Data, Time: at}
	for _, h := range []string{headerStream, headerSubject, headerSequence, headerTimeStamp, "Nats-Num-Pending", "Nats-Last-Sequence"} {
		m.Header.Del(h)
	}
	return m, nil
}
