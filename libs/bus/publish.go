package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// MaxBatch is the most messages that the broker takes in one atomic batch (its default max_atomic_batch_size, server 2.12 and newer).
const MaxBatch = 1000

// Headers of the broker for atomic batches.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

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
	if _, err := conn.JS.PublishMsg(ctx, natsMessage(m)); err != nil {
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
	id := nuid.Next()
	for i, m := range msgs {
		msg := natsMessage(m)
		msg.Header.Set(headerBatchID, id)
		msg.Header.Set(headerBatchSeq, strconv.Itoa(i+1))
		last := i == len(msgs)-1
		if !last && i > 0 {
			if err := conn.NC.PublishMsg(msg); err != nil {
				return publishError(m.Subject, err)
			}
			continue
		}
		if last {
			msg.Header.Set(headerBatchCommit, "1")
		}
		// The first message is answered too (empty = the batch has begun): a stream that is missing or takes no batches is known before the
		// rest is sent.
		reply, err := conn.NC.RequestMsgWithContext(ctx, msg)
		if err != nil {
			return publishError(m.Subject, err)
		}
		if err := readBatchAck(m.Subject, reply.Data, last, len(msgs)); err != nil {
			return err
		}
	}
	return nil
}

func readBatchAck(subject string, data []byte, last bool, size int) error {
	if !last && len(data) == 0 {
		return nil
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Batch string              `json:"batch"`
		Count int                 `json:"count"`
		Seq   uint64              `json:"seq"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return fmt.Errorf("publish batch on %s: unreadable answer: %w", subject, err)
	}
	if ack.Error != nil {
		return publishError(subject, ack.Error)
	}
	if last && ack.Count != size {
		return fmt.Errorf("publish batch on %s: broker stored %d messages of %d: does its version know atomic batches?", subject, ack.Count, size)
	}
	return nil
}
