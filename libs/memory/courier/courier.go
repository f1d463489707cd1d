package courier

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

// apart is how far the creation times of two streams are at least: in a bubble whole streams come and go while no time passes, and a stream is known
// by its time, of which ledgers keep microseconds.
const apart = time.Millisecond

// Courier is a broker. Make it with [Open].
type Courier struct {
	mu      sync.Mutex
	streams []*stream // in the order of their making
	newest  time.Time // when the last stream was made
	named   uint64    // consumers that were given a name
	full    bool
	down    bool
}

// Open makes a courier without streams.
func Open() *Courier { return &Courier{} }

// As gives a handle to one user, such as one instance of a service. owner is its name in errors.
func (c *Courier) As(owner string) *Handle {
	return &Handle{courier: c, owner: owner}
}

// Down takes the courier away as a broker that is restarted: calls fail and pulls end until [Courier.Up]. Streams and durable consumers stay,
// readers are forgotten.
func (c *Courier) Down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = true
	for _, s := range c.streams {
		for _, k := range slices.Clone(s.consumers) {
			k.end(nats.ErrConnectionReconnecting, nil)
			if k.config.MemoryStorage {
				s.forget(k)
			}
		}
	}
}

// Up brings it back.
func (c *Courier) Up() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = false
}

// Full makes the courier refuse every message, as a broker whose disk is full; false = it takes them again.
func (c *Courier) Full(is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = is
}

// Forget deletes a stream with its consumers, and says whether it was there.
func (c *Courier) Forget(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(name)
	if s == nil {
		return false
	}
	for _, k := range slices.Clone(s.consumers) {
		s.forget(k)
	}
	c.streams = slices.DeleteFunc(c.streams, func(other *stream) bool { return other == s })
	return true
}

// ForgetConsumer deletes a consumer, and says whether it was there.
func (c *Courier) ForgetConsumer(stream, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(stream)
	if s == nil {
		return false
	}
	k := s.consumer(name, time.Now())
	if k == nil {
		return false
	}
	s.forget(k)
	return true
}

// Lose takes one message out of a stream, as damage on the disk would, even where deleting is denied; it says whether the message was there.
func (c *Courier) Lose(stream string, seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(stream)
	return s != nil && s.remove(seq)
}

// Consumer is what a consumer is like and how far it has come.
type Consumer struct {
	Name   string
	Config jetstream.ConsumerConfig
	// Unacknowledged are messages that were given and may come again.
	Unacknowledged int
	// Waiting are pulls that wait for a message.
	Waiting int
}

// Consumers lists the consumers of a stream, in the order of their making; none when there is no such stream.
func (c *Courier) Consumers(stream string) []Consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(stream)
	if s == nil {
		return nil
	}
	s.age(time.Now())
	out := make([]Consumer, len(s.consumers))
	for i, k := range s.consumers {
		k.recall(time.Now())
		out[i] = Consumer{Name: k.name, Config: k.config, Unacknowledged: len(k.pending) + len(k.again), Waiting: len(k.waiting)}
	}
	return out
}

// Messages are what a stream holds, in order; none when there is no such stream. They are the caller's.
func (c *Courier) Messages(stream string) []bus.Msg {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(stream)
	if s == nil {
		return nil
	}
	s.age(time.Now())
	out := make([]bus.Msg, 0, s.held)
	for _, m := range s.messages {
		if m != nil {
			out = append(out, m.copy())
		}
	}
	return out
}

// find gives a stream; nil = there is none. The lock is held, as below.
func (c *Courier) find(name string) *stream {
	for _, s := range c.streams {
		if s.config.Name == name {
			return s
		}
	}
	return nil
}

// open gives a stream as a request for it sees it: with what is too old gone.
func (c *Courier) open(name string, now time.Time) (*stream, error) {
	s := c.find(name)
	if s == nil {
		return nil, jetstream.ErrStreamNotFound
	}
	s.age(now)
	return s, nil
}

// listening gives the stream that takes a subject; nil = none.
func (c *Courier) listening(subject string) *stream {
	for _, s := range c.streams {
		if s.takes(subject) {
			return s
		}
	}
	return nil
}

func (c *Courier) create(config jetstream.StreamConfig, now time.Time) error {
	if s := c.find(config.Name); s != nil {
		if same(s.config, config) {
			return nil
		}
		return jetstream.ErrStreamNameAlreadyInUse
	}
	if err := check(config); err != nil {
		return err
	}
	for _, s := range c.streams {
		if s.overlaps(config.Subjects) {
			return refusal(400, codeOverlap, "subjects overlap with an existing stream")
		}
	}
	if earliest := c.newest.Add(apart); now.Before(earliest) {
		now = earliest
	}
	c.newest = now
	c.streams = append(c.streams, &stream{config: config, created: now, first: max(config.FirstSeq, 1), ids: map[string]time.Time{}})
	return nil
}

func (c *Courier) update(config jetstream.StreamConfig) error {
	s := c.find(config.Name)
	switch {
	case s == nil:
		return jetstream.ErrStreamNotFound
	case s.config.Storage != config.Storage || s.config.Retention != config.Retention:
		return refusal(500, codeBadConfig, "stream configuration update can not change storage or retention")
	case s.config.DenyDelete && !config.DenyDelete:
		return refusal(500, codeBadConfig, "stream configuration update can not cancel deny message deletes")
	}
	if err := check(config); err != nil {
		return err
	}
	for _, other := range c.streams {
		if other != s && other.overlaps(config.Subjects) {
			return refusal(400, codeOverlap, "subjects overlap with an existing stream")
		}
	}
	s.config = config
	s.trim(0)
	return nil
}

// check refuses what a courier does not know, so that nobody believes that it does.
func check(c jetstream.StreamConfig) error {
	switch {
	case c.Name == "" || len(c.Subjects) == 0:
		return refusal(400, codeBadConfig, "a stream needs a name and a subject")
	case c.Retention != jetstream.LimitsPolicy:
		return refusal(500, codeBadConfig, fmt.Sprintf("retention %s is not known to the courier", c.Retention))
	case c.MaxMsgs > 0 || c.MaxMsgsPerSubject > 0 || c.MaxMsgSize > 0 || c.Mirror != nil || len(c.Sources) > 0 || c.SubjectTransform != nil:
		return refusal(500, codeBadConfig, "bounds of messages, mirrors, sources and transforms are not known to the courier")
	}
	return nil
}
