package stack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

const (
	// settleEvery is the rest between two looks whether a cluster is settled, and settleWithin bounds one.
	settleEvery  = 200 * time.Millisecond
	settleWithin = 10 * time.Second
)

// WaitSettled waits until a cluster is whole: all nodes are in, and every stream and every consumer that lasts has a leader and is held by all nodes
// up to its end. One server is settled when it is ready.
func (b *Broker) WaitSettled(ctx context.Context) error {
	if !b.Clustered() {
		return b.WaitReady(ctx)
	}
	last := errors.New("not asked")
	for {
		asking, cancel := context.WithTimeout(ctx, settleWithin)
		err := b.settled(asking)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if !sleep(ctx, settleEvery) {
			return fmt.Errorf("the broker is not settled: %w (%w)", last, ctx.Err())
		}
	}
}

// settled looks once; the error says what is not. What is deleted meanwhile is nobody's to wait for.
func (b *Broker) settled(ctx context.Context) error {
	for _, n := range b.nodes {
		asking, cancel := context.WithTimeout(ctx, askFor)
		err := n.ready(asking)
		cancel()
		if err != nil {
			return err
		}
	}
	return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		names := js.StreamNames(ctx)
		for name := range names.Name() {
			s, err := js.Stream(ctx, name)
			switch {
			case errors.Is(err, jetstream.ErrStreamNotFound):
				continue
			case err != nil:
				return fmt.Errorf("stream %s: %w", name, err)
			}
			if err := whole("stream "+name, s.CachedInfo().Cluster, len(b.nodes)); err != nil {
				return err
			}
			if name == bus.StreamFlow { // those of other streams are readers' own, and are made again
				if err := b.settledConsumers(ctx, s); err != nil {
					return err
				}
			}
		}
		return names.Err()
	})
}

func (b *Broker) settledConsumers(ctx context.Context, s jetstream.Stream) error {
	names := s.ConsumerNames(ctx)
	for name := range names.Name() {
		c, err := s.Consumer(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			continue
		case err != nil:
			return fmt.Errorf("consumer %s: %w", name, err)
		}
		if err := whole("consumer "+name, c.CachedInfo().Cluster, len(b.nodes)); err != nil {
			return err
		}
	}
	return names.Err()
}

// whole says what a group of so many nodes lacks; nil = nothing.
func whole(what string, c *jetstream.ClusterInfo, nodes int) error {
	if c == nil || c.Leader == "" {
		return fmt.Errorf("%s has no leader", what)
	}
	if len(c.Replicas) != nodes-1 {
		return fmt.Errorf("%s is held by %d nodes besides its leader", what, len(c.Replicas))
	}
	for _, r := range c.Replicas {
		if r.Offline || !r.Current {
			return fmt.Errorf("%s is not held up to its end by %s", what, r.Name)
		}
	}
	return nil
}
