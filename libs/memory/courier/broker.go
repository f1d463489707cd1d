package courier

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

var _ bus.Broker = (*Handle)(nil)

// Publish implements [bus.Broker].
func (h *Handle) Publish(ctx context.Context, m *nats.Msg) error {
	if tooLong(m) {
		return nats.ErrMaxPayload
	}
	return h.do(ctx, "publish "+m.Subject, func(now time.Time) error {
		s := h.courier.listening(m.Subject)
		if s == nil {
			return jetstream.ErrNoStreamResponse
		}
		s.age(now)
		if s.repeats(m.Header.Get(jetstream.MsgIDHeader)) {
			return nil // answered as stored, which it is
		}
		return h.courier.store(s, []*nats.Msg{m}, now)
	})
}

// PublishBatch implements [bus.Broker].
func (h *Handle) PublishBatch(ctx context.Context, msgs []*nats.Msg) (at int, err error) {
	if len(msgs) == 0 {
		return 0, nil
	}
	for i, m := range msgs {
		if tooLong(m) {
			return i, nats.ErrMaxPayload
		}
	}
	err = h.do(ctx, "publish_batch "+msgs[0].Subject, func(now time.Time) error {
		s := h.courier.listening(msgs[0].Subject)
		switch {
		case s == nil:
			return nats.ErrNoResponders
		case !s.config.AllowAtomicPublish:
			return errNoBatches
		case len(msgs) > bus.MaxBatch:
			return refusal(400, codeLargeBatch, fmt.Sprintf("atomic publish batch is too large: %d", bus.MaxBatch))
		}
		s.age(now)
		inBatch := map[string]bool{}
		for i, m := range msgs {
			id := m.Header.Get(jetstream.MsgIDHeader)
			if at = i; !s.takes(m.Subject) {
				return nats.ErrNoResponders
			}
			if s.repeats(id) || id != "" && inBatch[id] {
				return errRepeat
			}
			inBatch[id] = true
		}
		at = 0
		return h.courier.store(s, msgs, now)
	})
	return at, err
}

// tooLong says whether a message is more than the server takes.
func tooLong(m *nats.Msg) bool { return headBytes(m.Header)+len(m.Data) > bus.MaxMessageBytes }

// store stores all of the messages or none, and gives them to whoever waits.
func (c *Courier) store(s *stream, msgs []*nats.Msg, now time.Time) error {
	if c.full {
		return errFullDisk
	}
	var cost uint64
	for _, m := range msgs {
		cost += (&message{subject: m.Subject, data: m.Data, head: headBytes(m.Header)}).cost()
	}
	if !s.room(cost) {
		return errFullStream
	}
	for _, m := range msgs {
		s.store(m, now)
	}
	for _, k := range s.consumers {
		k.give(now)
	}
	return nil
}

// Next implements [bus.Broker].
func (h *Handle) Next(ctx context.Context, stream, subject string, first uint64) (bus.Msg, error) {
	var found bus.Msg
	err := h.do(ctx, "next "+stream, func(now time.Time) error {
		s := h.courier.find(stream)
		if s == nil {
			return jetstream.ErrStreamNotFound
		}
		s.age(now)
		for seq := max(first, s.first); seq <= s.last(); seq++ {
			if m := s.at(seq); m != nil && matches(subject, m.subject) {
				found = m.copy()
				return nil
			}
		}
		return jetstream.ErrMsgNotFound
	})
	return found, err
}

// Range implements [bus.Broker].
func (h *Handle) Range(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(bus.Msg)) (upTo uint64, err error) {
	var found []bus.Msg
	err = h.do(ctx, "range "+stream, func(now time.Time) error {
		s := h.courier.find(stream)
		if s == nil || !s.config.AllowDirect {
			return nats.ErrNoResponders // as a request that nobody listens to
		}
		s.age(now)
		upTo = last
		used := 0
		for seq := max(first, s.first); seq <= min(last, s.last()); seq++ {
			m := s.at(seq)
			if m == nil {
				continue
			}
			if used += len(m.data) + m.head; len(found) > 0 && used > maxBytes {
				upTo = found[len(found)-1].Seq
				return nil
			}
			found = append(found, m.copy())
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, m := range found {
		each(m)
	}
	return upTo, nil
}

// Stream implements [bus.Broker].
func (h *Handle) Stream(ctx context.Context, name string) (info *jetstream.StreamInfo, err error) {
	err = h.do(ctx, "stream "+name, func(now time.Time) error {
		s, err := h.courier.open(name, now)
		if err == nil {
			info = s.info()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Missing implements [bus.Broker].
func (h *Handle) Missing(ctx context.Context, stream string) (seqs []uint64, err error) {
	err = h.do(ctx, "missing "+stream, func(now time.Time) error {
		s, err := h.courier.open(stream, now)
		if err != nil {
			return err
		}
		for i, m := range s.messages {
			if m == nil {
				seqs = append(seqs, s.first+uint64(i))
			}
		}
		return nil
	})
	return seqs, err
}

// CreateStream implements [bus.Broker].
func (h *Handle) CreateStream(ctx context.Context, c jetstream.StreamConfig) error {
	return h.do(ctx, "create_stream "+c.Name, func(now time.Time) error { return h.courier.create(c, now) })
}

// UpdateStream implements [bus.Broker].
func (h *Handle) UpdateStream(ctx context.Context, c jetstream.StreamConfig) error {
	return h.do(ctx, "update_stream "+c.Name, func(time.Time) error { return h.courier.update(c) })
}

// Purge implements [bus.Broker].
func (h *Handle) Purge(ctx context.Context, stream string, keep uint64) error {
	return h.do(ctx, "purge "+stream, func(now time.Time) error {
		s, err := h.courier.open(stream, now)
		if err == nil {
			s.purge(keep)
		}
		return err
	})
}

// DeleteMessage implements [bus.Broker].
func (h *Handle) DeleteMessage(ctx context.Context, stream string, seq uint64) error {
	return h.do(ctx, "delete_message "+stream, func(now time.Time) error {
		s, err := h.courier.open(stream, now)
		switch {
		case err != nil:
			return err
		case s.config.DenyDelete:
			return refusal(500, codeDeleteFailed, "message delete not permitted")
		case !s.remove(seq):
			return fmt.Errorf("%w (sequence %d)", jetstream.ErrMsgNotFound, seq)
		}
		return nil
	})
}

// EnsureConsumer implements [bus.Broker].
func (h *Handle) EnsureConsumer(ctx context.Context, stream string, c jetstream.ConsumerConfig) (name string, err error) {
	err = h.do(ctx, "ensure_consumer "+stream, func(now time.Time) error {
		s, err := h.courier.open(stream, now)
		if err != nil {
			return err
		}
		name, err = h.courier.ensureConsumer(s, c, now)
		return err
	})
	return name, err
}

// DeleteConsumer implements [bus.Broker].
func (h *Handle) DeleteConsumer(ctx context.Context, stream, name string) error {
	return h.do(ctx, "delete_consumer "+stream, func(now time.Time) error {
		s, err := h.courier.open(stream, now)
		if err != nil {
			return err
		}
		k := s.consumer(name, now)
		if k == nil {
			return jetstream.ErrConsumerNotFound
		}
		s.forget(k)
		return nil
	})
}
