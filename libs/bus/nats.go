package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// Headers of the broker for atomic batches.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

var _ Broker = (*natsBroker)(nil)

// natsBroker is the broker at the other end of a connection. What pulls and reads is in natspull.go and natsdirect.go.
type natsBroker struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Publish publishes with an acknowledgement.
func (b *natsBroker) Publish(ctx context.Context, m *nats.Msg) error {
	_, err := b.js.PublishMsg(ctx, m)
	return err
}

// PublishBatch publishes an atomic batch (server 2.12 and newer).
func (b *natsBroker) PublishBatch(ctx context.Context, msgs []*nats.Msg) (at int, err error) {
	id := nuid.Next()
	for i, msg := range msgs {
		msg.Header.Set(headerBatchID, id)
		msg.Header.Set(headerBatchSeq, strconv.Itoa(i+1))
		last := i == len(msgs)-1
		if !last && i > 0 {
			if err := b.nc.PublishMsg(msg); err != nil {
				return i, err
			}
			continue
		}
		if last {
			msg.Header.Set(headerBatchCommit, "1")
		}
		// The first message is answered too (empty = the batch has begun): a stream that is missing or takes no batches is known before the
		// rest is sent.
		reply, err := b.nc.RequestMsgWithContext(ctx, msg)
		if err != nil {
			return i, err
		}
		if err := readBatchAck(reply.Data, last, len(msgs)); err != nil {
			return i, err
		}
	}
	return 0, nil
}

func readBatchAck(data []byte, last bool, size int) error {
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
		return fmt.Errorf("unreadable answer to a batch: %w", err)
	}
	if ack.Error != nil {
		return ack.Error
	}
	if last && ack.Count != size {
		return fmt.Errorf("broker stored %d messages of a batch of %d: does its version know atomic batches?", ack.Count, size)
	}
	return nil
}

// Stream asks for a stream's state, and takes no answer but one of a leader that a majority follows.
func (b *natsBroker) Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	s, err := b.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	info := s.CachedInfo()
	if err := majority(info.Cluster); err != nil {
		return nil, err
	}
	return info, nil
}

// Missing asks for the stream's state with all that was deleted from it; what damage took away counts too.
func (b *natsBroker) Missing(ctx context.Context, stream string) ([]uint64, error) {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	info, err := s.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, err
	}
	if err := majority(info.Cluster); err != nil {
		return nil, err
	}
	slices.Sort(info.State.Deleted)
	return info.State.Deleted, nil
}

// CreateStream makes a stream.
func (b *natsBroker) CreateStream(ctx context.Context, c jetstream.StreamConfig) error {
	_, err := b.js.CreateStream(ctx, c)
	return err
}

// UpdateStream changes a stream's settings.
func (b *natsBroker) UpdateStream(ctx context.Context, c jetstream.StreamConfig) error {
	_, err := b.js.UpdateStream(ctx, c)
	return err
}

// Purge asks first how far the stream goes: purging beyond its end would move its sequence forward, which a reader must take for a loss.
func (b *natsBroker) Purge(ctx context.Context, stream string, keep uint64) error {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	keep = min(keep, s.CachedInfo().State.LastSeq+1)
	return s.Purge(ctx, jetstream.WithPurgeSequence(keep))
}

// apiDelete deletes one message.
const apiDelete = "$JS.API.STREAM.MSG.DELETE."

// notStored says whether a refusal means that the stream does not hold the sequence: 10037 and 10043 say so, and 10057 in the words of the store, for one
// before its first message, beyond its last one, or deleted (seen with nats-server 2.15.2).
func notStored(e *jetstream.APIError) bool {
	switch e.ErrorCode { //nolint:exhaustive // of very many
	case 10037, 10043:
		return true
	case 10057:
		return slices.Contains([]string{"no message found", "stream store EOF", "deleted message"}, e.Description)
	}
	return false
}

// DeleteMessage deletes one message without overwriting it. It asks the broker itself: the library turns its answer into a text.
func (b *natsBroker) DeleteMessage(ctx context.Context, stream string, seq uint64) error {
	body, err := json.Marshal(map[string]any{"seq": seq, "no_erase": true})
	if err != nil {
		return err
	}
	reply, err := b.nc.RequestWithContext(ctx, apiDelete+stream, body)
	if err != nil {
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fmt.Errorf("unreadable answer to a deletion: %w", err)
	}
	switch {
	case answer.Error == nil:
		return nil
	case notStored(answer.Error):
		return fmt.Errorf("%w (%w)", jetstream.ErrMsgNotFound, answer.Error)
	}
	return answer.Error
}

// EnsureConsumer makes or changes a consumer.
func (b *natsBroker) EnsureConsumer(ctx context.Context, stream string, c jetstream.ConsumerConfig) (string, error) {
	ensure := b.js.CreateConsumer
	if c.Durable != "" {
		ensure = b.js.CreateOrUpdateConsumer
	}
	consumer, err := ensure(ctx, stream, c)
	if err != nil {
		return "", err
	}
	return consumer.CachedInfo().Name, nil
}

// DeleteConsumer lets the broker forget a consumer.
func (b *natsBroker) DeleteConsumer(ctx context.Context, stream, name string) error {
	return b.js.DeleteConsumer(ctx, stream, name)
}

// Connected says whether the connection stands.
func (b *natsBroker) Connected() bool { return b.nc.IsConnected() }

// Close flushes what is on its way out and closes.
func (b *natsBroker) Close() {
	if b.nc.IsConnected() {
		// A flush that fails changes nothing: whatever was not acknowledged is published again.
		_ = b.nc.FlushTimeout(time.Second)
	}
	b.nc.Close()
}
