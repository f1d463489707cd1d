package courier

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
)

// pull is one request for messages. Its fields are guarded by the courier's lock, but for wake.
type pull struct {
	owner    *Handle
	consumer *consumer
	left     int // messages that it still wants
	bytes    int // what it takes at most; 0 = anything
	used     int
	noWait   bool

	given int       // messages so far
	ready []bus.Msg // given, and not yet handed out
	over  bool      // nothing more is given
	err   error     // why

	wake chan struct{} // rung when one of these has changed; one slot
}

func (p *pull) add(m *message) {
	p.given++
	p.ready = append(p.ready, m.copy())
	p.ring()
}

// finish ends it, the first reason counts. Whoever calls it takes it from those that wait.
func (p *pull) finish(err error) {
	if !p.over {
		p.over, p.err = true, err
	}
	p.ring()
}

func (p *pull) ring() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// leave takes it from those that wait. What it was given and nobody handled comes again after the ack wait.
func (p *pull) leave() {
	k := p.consumer
	k.waiting = slices.DeleteFunc(k.waiting, func(other *pull) bool { return other == p })
	k.asked = time.Now()
	p.over = true
}

// ask puts a request to a consumer.
func (h *Handle) ask(stream, name string, r bus.PullRequest, now time.Time) (*pull, error) {
	s := h.courier.find(stream)
	if s == nil {
		return nil, nats.ErrNoResponders // as a request that nobody listens to
	}
	k := s.consumer(name, now)
	if k == nil {
		return nil, nats.ErrNoResponders
	}
	p := &pull{
		owner: h, consumer: k, left: max(r.Batch, 1), bytes: r.MaxBytes, noWait: r.NoWait, wake: make(chan struct{}, 1),
	}
	k.asked = now
	k.waiting = append(k.waiting, p)
	k.give(now)
	return p, nil
}

// Pull implements [bus.Broker].
func (h *Handle) Pull(ctx context.Context, stream, consumer string, r bus.PullRequest, each func(bus.Delivery) error) error {
	var p *pull
	ends := time.Now().Add(r.Expires)
	err := h.do(ctx, "pull "+stream, func(now time.Time) (err error) {
		p, err = h.ask(stream, consumer, r, now)
		return err
	})
	if err != nil {
		if p != nil { // its answer was lost
			h.courier.mu.Lock()
			p.leave()
			h.courier.mu.Unlock()
		}
		return err
	}
	defer func() {
		h.courier.mu.Lock()
		defer h.courier.mu.Unlock()
		p.leave()
	}()
	for {
		m, wait, err := p.look(ends)
		switch {
		case err != nil:
			return err
		case m != nil:
			if err := each(h.delivery(ctx, p.consumer, m)); err != nil {
				return err
			}
		case wait <= 0:
			return nil
		default:
			if err := p.sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
}

// look gives the next message that is ready, else how long to wait for one; not above zero = the request is over.
func (p *pull) look(ends time.Time) (*bus.Msg, time.Duration, error) {
	c := p.owner.courier
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !p.over {
		p.consumer.stream.age(now)
		p.consumer.give(now)
	}
	switch {
	case p.owner.cut != nil:
		return nil, 0, p.owner.cut
	case len(p.ready) > 0:
		m := p.ready[0]
		p.ready = p.ready[1:]
		return &m, 0, nil
	case p.over:
		return nil, 0, p.err
	}
	wait := ends.Sub(now)
	if due := p.consumer.due(); !due.IsZero() {
		wait = min(wait, max(due.Sub(now), 1))
	}
	return nil, wait, nil
}

func (p *pull) sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.wake:
	case <-timer.C:
	}
	return nil
}

// delivery is a message with its acknowledgement, which goes over the same handle.
func (h *Handle) delivery(ctx context.Context, k *consumer, m *bus.Msg) bus.Delivery {
	seq := m.Seq
	return bus.Delivery{Msg: *m, Ack: func() error {
		return h.do(context.WithoutCancel(ctx), "ack "+k.stream.config.Name, func(now time.Time) error {
			k.acknowledge(seq, now)
			return nil
		})
	}}
}
