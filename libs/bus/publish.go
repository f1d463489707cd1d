package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MaxBatch is the most messages that the broker takes in one atomic batch (its default max_atomic_batch_size, server 2.12 and newer).
const MaxBatch = 1000

// ErrFull says that the stream refuses new messages because it is full: wait and publish again.
var ErrFull = errors.New("stream is full")

// ErrNoStream says that no stream listens on the subject.
var ErrNoStream = errors.New("no stream takes this subject")

func natsMessage(m Message) *nats.Msg {
	msg := nats.NewMsg(m.Subject)
	msg.Data = m.Body
	for name, value := range m.Headers {
		msg.Header.Set(headerText(name), headerText(value))
	}
	if m.MsgID != "" {
		msg.Header.Set(jetstream.MsgIDHeader, headerText(m.MsgID))
	}
	return msg
}

// headerText keeps a value on its header line: control characters become blanks.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// Publish publishes one message and waits until the broker has stored it. Without an answer the message may have been stored all the same:
// publish it again. A full stream gives [ErrFull], a subject without stream [ErrNoStream].
func Publish(ctx context.Context, conn *Conn, m Message) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := conn.Broker.Publish(ctx, natsMessage(m)); err != nil {
		return publishError(m.Subject, err)
	}
	return nil
}

func publishError(subject string, err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("publish on %s: %w", subject, errors.Join(ErrNoStream, err))
	case errors.As(err, &api) && isFull(api):
		return fmt.Errorf("publish on %s: %w", subject, errors.Join(ErrFull, err))
	}
	return fmt.Errorf("publish on %s: %w", subject, err)
}

// storeFailed is the broker's error code "store failed": its description says that the maximum of bytes or messages is exceeded.
const storeFailed = 10077

func isFull(e *jetstream.APIError) bool {
	return int(e.ErrorCode) == storeFailed && strings.Contains(e.Description, "exceeded")
}

// PublishBatch publishes messages so that per stream all of a batch are stored, in order, or none, and returns when the broker has said
// so. Longer lists, or lists for several streams, go as several batches, in order, and a failure may leave the earlier ones stored. A list
// of one goes as a plain message. Without an answer a batch may have been stored: publish it again.
func PublishBatch(ctx context.Context, conn *Conn, msgs []Message) error {
	for len(msgs) > 0 {
		n := batchLen(msgs)
		var err error
		if n == 1 {
			err = Publish(ctx, conn, msgs[0])
		} else {
			err = publishAtomic(ctx, conn, msgs[:n])
		}
		if err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

// batchLen is the number of leading messages that go to one stream and fit one batch. The stream follows from the subject: for RECORDS from all
// of it, else from its first token.
func batchLen(msgs []Message) int {
	n := 1
	for n < len(msgs) && n < MaxBatch && streamToken(msgs[n].Subject) == streamToken(msgs[0].Subject) {
		n++
	}
	return n
}

func streamToken(subject string) string {
	first, _, _ := strings.Cut(subject, ".")
	if first == "records" {
		return subject
	}
	return first
}

func publishAtomic(ctx context.Context, conn *Conn, msgs []Message) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	batch := make([]*nats.Msg, len(msgs))
	for i, m := range msgs {
		batch[i] = natsMessage(m)
	}
	if at, err := conn.Broker.PublishBatch(ctx, batch); err != nil {
		return publishError(msgs[at].Subject, err)
	}
	return nil
}
