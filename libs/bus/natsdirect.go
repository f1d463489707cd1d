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

// Range reads by one batched direct get, which the broker ends at maxBytes. Any replica answers it, and one that lags behind or whose disk is damaged lacks what
// others hold: what it passes over, and what it does not have behind the last message that it gives, is asked for at the leader, and comes after the rest.
func (b *natsBroker) Range(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(Msg)) (uint64, error) {
	gave, more, passed, err := b.direct(ctx, stream, first, last, maxBytes, each)
	if err != nil {
		return 0, err
	}
	upTo := last
	if more {
		upTo = gave
	} else if gave < last {
		passed = append(passed, Range{From: max(first, gave+1), Through: last})
	}
	if len(passed) == 0 {
		return upTo, nil
	}
	return b.passedOver(ctx, stream, passed, upTo, maxBytes, each)
}

// direct is one batched direct get. gave is the sequence up to which messages came, 0 = none; more = the broker has more that did not fit; passed are the
// sequences up to gave that did not come.
func (b *natsBroker) direct(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(Msg)) (gave uint64, more bool, passed []Range, err error) {
	body, err := json.Marshal(map[string]any{"seq": first, "batch": last - first + 1, "max_bytes": maxBytes})
	if err != nil {
		return 0, false, nil, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, false, nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // best effort: the connection may be closed
	if err := b.nc.PublishRequest(apiDirectGet+stream, inbox, body); err != nil {
		return 0, false, nil, err
	}
	for next := first; ; {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, false, nil, err
		}
		switch status := msg.Header.Get("Status"); {
		case msg.Header.Get(headerSequence) != "":
			m, err := directMessage(msg)
			if err != nil {
				return 0, false, nil, err
			}
			if gave = min(m.Seq, last); m.Seq > next {
				passed = append(passed, Range{From: next, Through: min(m.Seq-1, last)})
			}
			next = m.Seq + 1
			if m.Seq <= last {
				each(m)
			}
			if m.Seq >= last {
				return gave, false, passed, nil
			}
		case status == "204": // end of batch
			return gave, gave > 0 && msg.Header.Get("Nats-Num-Pending") != "0", passed, nil
		case status == "404": // nothing at or behind first
			return gave, false, passed, nil
		case status == "503":
			return 0, false, nil, nats.ErrNoResponders
		default:
			return 0, false, nil, fmt.Errorf("broker answers %s %s", status, msg.Header.Get("Description"))
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
