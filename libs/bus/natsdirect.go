package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	apiDirectGet = "$JS.API.DIRECT.GET."
	apiGet       = "$JS.API.STREAM.MSG.GET."

	headerStream    = "Nats-Stream"
	headerSubject   = "Nats-Subject"
	headerSequence  = "Nats-Sequence"
	headerTimeStamp = "Nats-Time-Stamp"
)

// Range reads by one batched direct get, which the broker ends at maxBytes.
func (b *natsBroker) Range(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(Msg)) (uint64, error) {
	body, err := json.Marshal(map[string]any{"seq": first, "batch": last - first + 1, "max_bytes": maxBytes})
	if err != nil {
		return 0, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }() // best effort: the connection may be closed
	if err := b.nc.PublishRequest(apiDirectGet+stream, inbox, body); err != nil {
		return 0, err
	}
	var upTo uint64
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, err
		}
		switch status := msg.Header.Get("Status"); {
		case msg.Header.Get(headerSequence) != "":
			m, err := directMessage(msg)
			if err != nil {
				return 0, err
			}
			upTo = m.Seq
			each(m)
			if m.Seq >= last {
				return last, nil
			}
		case status == "204": // end of batch
			if upTo == 0 {
				return last, nil
			}
			if pending := msg.Header.Get("Nats-Num-Pending"); pending == "0" {
				return last, nil
			}
			return upTo, nil
		case status == "404": // nothing at or behind first
			return last, nil
		case status == "503":
			return 0, nats.ErrNoResponders
		default:
			return 0, fmt.Errorf("broker answers %s %s", status, msg.Header.Get("Description"))
		}
	}
}

// Next asks the stream's leader for one message: a direct get may be answered by a replica that lags behind.
func (b *natsBroker) Next(ctx context.Context, stream, subject string, first uint64) (Msg, error) {
	body, err := json.Marshal(map[string]any{"seq": max(first, 1), "next_by_subj": subject})
	if err != nil {
		return Msg{}, err
	}
	reply, err := b.nc.RequestWithContext(ctx, apiGet+stream, body)
	if err != nil {
		return Msg{}, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return Msg{}, fmt.Errorf("unreadable answer to a get: %w", err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return Msg{}, jetstream.ErrMsgNotFound
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return Msg{}, jetstream.ErrStreamNotFound
	case answer.Error != nil:
		return Msg{}, answer.Error
	case answer.Message == nil:
		return Msg{}, errors.New("a get was answered without a message")
	}
	m := Msg{Seq: answer.Message.Seq, Subject: answer.Message.Subject, Header: nats.Header{}, Data: answer.Message.Data, Time: answer.Message.Time}
	if len(answer.Message.Header) > 0 {
		if m.Header, err = nats.DecodeHeadersMsg(answer.Message.Header); err != nil {
			return Msg{}, fmt.Errorf("header of message %d: %w", m.Seq, err)
		}
	}
	return m, nil
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
