package courier

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// defaultAckWait and defaultAckPending are what nats-server sets where a consumer says nothing.
	defaultAckWait    = 30 * time.Second
	defaultAckPending = 1000
	// replyCost is about what the reply subject adds to a message that a consumer gives.
	replyCost = 60
)

// errConsumerGone is what a pull ends with whose consumer is deleted.
var errConsumerGone = errors.New("pull ended with 409 Consumer Deleted")

// consumer is a consumer. Its fields are guarded by the courier's lock.
type consumer struct {
	name    string
	config  jetstream.ConsumerConfig
	stream  *stream
	next    uint64               // the sequence that is looked at next
	pending map[uint64]time.Time // given and not acknowledged, with the time at which it comes again
	again   []uint64             // comes again, in order
	waiting []*pull              // who asked, the next to be given something first
	asked   time.Time            // when it was last asked
}

// ensureConsumer makes a consumer, or brings the durable one of this name to these settings.
func (c *Courier) ensureConsumer(s *stream, config jetstream.ConsumerConfig, now time.Time) (string, error) {
	switch {
	case config.AckPolicy != jetstream.AckExplicitPolicy && config.AckPolicy != jetstream.AckNonePolicy:
		return "", refusal(500, codeConsumerCreate, fmt.Sprintf("ack policy %s is not known to the courier", config.AckPolicy))
	case config.DeliverPolicy != jetstream.DeliverAllPolicy && config.DeliverPolicy != jetstream.DeliverByStartSequencePolicy &&
		config.DeliverPolicy != jetstream.DeliverNewPolicy:
		return "", refusal(500, codeConsumerCreate, "this deliver policy is not known to the courier")
	case config.MaxDeliver > 0 || len(config.BackOff) > 0:
		return "", refusal(500, codeConsumerCreate, "a bound of deliveries and backoff are not known to the courier")
	}
	if config.AckPolicy == jetstream.AckExplicitPolicy && config.AckWait == 0 {
		config.AckWait = defaultAckWait
	}
	if config.AckPolicy == jetstream.AckExplicitPolicy && config.MaxAckPending == 0 {
		config.MaxAckPending = defaultAckPending
	}
	if have := s.consumer(config.Durable, now); have != nil {
		if have.config.AckPolicy != config.AckPolicy || have.config.DeliverPolicy != config.DeliverPolicy || have.config.OptStartSeq != config.OptStartSeq {
			return "", refusal(500, codeConsumerCreate, "ack policy, deliver policy and start of a consumer can not be updated")
		}
		have.config = config
		have.give(now)
		return have.name, nil
	}
	k := &consumer{name: config.Durable, config: config, stream: s, pending: map[uint64]time.Time{}, asked: now, next: s.first}
	if k.name == "" {
		c.named++
		k.name = fmt.Sprintf("reader-%d", c.named)
	}
	switch config.DeliverPolicy { //nolint:exhaustive // the others are refused above
	case jetstream.DeliverByStartSequencePolicy:
		k.next = max(config.OptStartSeq, s.first)
	case jetstream.DeliverNewPolicy:
		k.next = s.last() + 1
	}
	s.consumers = append(s.consumers, k)
	return k.name, nil
}

// consumer gives a consumer by its name; nil = there is none.
func (s *stream) consumer(name string, now time.Time) *consumer {
	s.age(now)
	for _, k := range s.consumers {
		if k.name == name {
			return k
		}
	}
	return nil
}

// forget deletes a consumer; who waits on it is told.
func (s *stream) forget(k *consumer) {
	s.consumers = slices.DeleteFunc(s.consumers, func(other *consumer) bool { return other == k })
	k.end(errConsumerGone, nil)
}

// end ends the pulls of an owner, or of everybody when it is nil.
func (k *consumer) end(err error, owner *Handle) {
	k.waiting = slices.DeleteFunc(k.waiting, func(p *pull) bool {
		if owner != nil && p.owner != owner {
			return false
		}
		p.finish(err)
		return true
	})
}

// give hands out what there is to those who asked, one message to each in turn, as nats-server does.
func (k *consumer) give(now time.Time) {
	k.recall(now)
	blocked := false
	for len(k.waiting) > 0 {
		var m *message
		if m, blocked = k.peek(); m == nil {
			break
		}
		p := k.waiting[0]
		k.waiting = k.waiting[1:]
		cost := len(m.subject) + replyCost + m.head + len(m.data)
		if p.bytes > 0 && p.used+cost > p.bytes {
			p.finish(nil) // it does not fit any more: for the next one who asks
			continue
		}
		p.used += cost
		k.take(m.seq, now)
		p.add(m)
		if p.left--; p.left == 0 {
			p.finish(nil)
			continue
		}
		k.waiting = append(k.waiting, p)
	}
	k.waiting = slices.DeleteFunc(k.waiting, func(p *pull) bool {
		done := p.noWait && p.given > 0 && !blocked // there is nothing more
		if done {
			p.finish(nil)
		}
		return done
	})
}

// peek finds the message that is to be given next; nil = there is none now. What is gone from the stream is passed over. blocked says that there may
// be one, for which something must be acknowledged first.
func (k *consumer) peek() (m *message, blocked bool) {
	for len(k.again) > 0 {
		if m := k.stream.at(k.again[0]); m != nil {
			return m, false
		}
		k.again = k.again[1:]
	}
	if most := k.config.MaxAckPending; most > 0 && len(k.pending) >= most {
		return nil, true
	}
	for k.next = max(k.next, k.stream.first); k.next <= k.stream.last(); k.next++ {
		if m := k.stream.at(k.next); m != nil && k.wants(m.subject) {
			return m, false
		}
	}
	return nil, false
}

// take notes that the message of peek was given.
func (k *consumer) take(seq uint64, now time.Time) {
	if len(k.again) > 0 && k.again[0] == seq {
		k.again = k.again[1:]
	} else {
		k.next = seq + 1
	}
	if k.config.AckPolicy == jetstream.AckNonePolicy {
		return
	}
	first := len(k.pending) == 0
	k.pending[seq] = now.Add(k.config.AckWait)
	if first {
		// Who waits does not know yet that something may come again, and when.
		for _, p := range k.waiting {
			p.ring()
		}
	}
}

// acknowledge lets go of a message.
func (k *consumer) acknowledge(seq uint64, now time.Time) {
	blocked := k.config.MaxAckPending > 0 && len(k.pending) >= k.config.MaxAckPending
	delete(k.pending, seq)
	if i, found := slices.BinarySearch(k.again, seq); found {
		k.again = slices.Delete(k.again, i, i+1) // it was too late, and came to nobody else yet
	}
	if blocked {
		k.give(now)
	}
}

// recall takes back what was not acknowledged in time, and forgets what is gone from the stream.
func (k *consumer) recall(now time.Time) {
	before := len(k.again)
	for seq, due := range k.pending {
		switch {
		case k.stream.at(seq) == nil:
			delete(k.pending, seq)
		case !now.Before(due):
			delete(k.pending, seq)
			k.again = append(k.again, seq)
		}
	}
	if len(k.again) > before {
		slices.Sort(k.again)
	}
}

// due is when the next message comes again; zero = nothing was given.
func (k *consumer) due() time.Time {
	var first time.Time
	for _, due := range k.pending {
		if first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return first
}

func (k *consumer) wants(subject string) bool {
	filters := k.config.FilterSubjects
	if k.config.FilterSubject != "" {
		return matches(k.config.FilterSubject, subject)
	}
	return len(filters) == 0 || slices.ContainsFunc(filters, func(filter string) bool { return matches(filter, subject) })
}
