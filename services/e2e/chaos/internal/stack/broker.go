package stack

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Broker is the run's NATS: one server, or a cluster of them.
type Broker struct {
	s     *Stack
	nodes []*node
	// turn is held by who does something to nodes of a cluster: of three disks two must hold everything whenever the third is emptied.
	turn chan struct{}

	mu    sync.Mutex
	fills int
}

// Clustered says whether it is a cluster.
func (b *Broker) Clustered() bool { return len(b.nodes) > 1 }

// Nodes are its servers, each a part.
func (b *Broker) Nodes() []*Part {
	var out []*Part
	for _, n := range b.nodes {
		out = append(out, n.Part)
	}
	return out
}

// part of a name; nil = none has it.
func (b *Broker) part(name string) *Part {
	for _, n := range b.nodes {
		if n.name == name {
			return n.Part
		}
	}
	return nil
}

// WaitReady waits until every node serves, and of a cluster until it is settled.
func (b *Broker) WaitReady(ctx context.Context) error {
	var waits []func() error
	for _, n := range b.nodes {
		waits = append(waits, func() error { return n.WaitReady(ctx) })
	}
	if err := together(waits...); err != nil || !b.Clustered() {
		return err
	}
	return b.WaitSettled(ctx)
}

// url leads to the broker by the instrument's own way, which no fault touches but for those of nodes: it leads to none that is cut off.
func (b *Broker) url() string { return b.s.edges[adminBroker].natsURL() }

// with does something by a connection of the instrument's own.
func (b *Broker) with(ctx context.Context, do func(context.Context, jetstream.JetStream) error) error {
	var d net.Dialer
	nc, err := nats.Connect(b.url(), nats.Name("chaos"), nats.NoReconnect(), nats.Timeout(askFor), nats.SetCustomDialer(dialer{ctx, d}))
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(askFor))
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return do(ctx, js)
}

// dialer makes a connection's start end with a context.
type dialer struct {
	ctx context.Context //nolint:containedctx // the library's interface has no room for it
	net.Dialer
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(d.ctx, network, address)
}

// DeleteStream deletes a stream, whoever reads it.
func (b *Broker) DeleteStream(ctx context.Context, stream string) error {
	return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, stream) })
}

// DeleteConsumer deletes a consumer, whoever works with it.
func (b *Broker) DeleteConsumer(ctx context.Context, stream, consumer string) error {
	return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		return js.DeleteConsumer(ctx, stream, consumer)
	})
}

// Consumers are the names of a stream's consumers, in the broker's order.
func (b *Broker) Consumers(ctx context.Context, stream string) (names []string, err error) {
	err = b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		list := s.ConsumerNames(ctx)
		for name := range list.Name() {
			names = append(names, name)
		}
		return list.Err()
	})
	return names, err
}

// Has says whether all streams are there: nil = yes.
func (b *Broker) Has(ctx context.Context, streams ...string) error {
	return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		for _, name := range streams {
			if _, err := js.Stream(ctx, name); err != nil {
				return fmt.Errorf("stream %s: %w", name, err)
			}
		}
		return nil
	})
}
