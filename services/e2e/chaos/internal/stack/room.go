package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// roomy and full are what the streams may take together: far more than a run writes, and less than one message.
	roomy = "1TB"
	full  = "1"
	// probeStream is a stream of the instrument's own, of whom nobody hears, by which it sees whether the broker stores.
	probeStream  = "CHAOS_PROBE"
	probeSubject = "chaos.probe"
	// obeyWithin bounds how long the broker may take to read its configuration again.
	obeyWithin = 3 * time.Second
)

// Fill makes the broker refuse to store anything, until empty is called. It is the broker's limit for all streams together, so that
// publishers, facts, letters and new streams are refused alike, and nothing that is stored goes. A broker that starts anew has room
// again.
func (b *Broker) Fill(ctx context.Context) (empty func(context.Context) error, err error) {
	if err := b.limit(ctx, +1); err != nil {
		return func(context.Context) error { return nil }, errors.Join(err, b.limit(ctx, -1))
	}
	var once sync.Once
	return func(ctx context.Context) (err error) {
		once.Do(func() { err = b.limit(ctx, -1) })
		return err
	}, nil
}

// limit counts who wants it full, and has the broker obey.
func (b *Broker) limit(ctx context.Context, by int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fills += by
	room := roomy
	if b.fills > 0 {
		room = full
	}
	for _, n := range b.nodes {
		if err := n.limit(room); err != nil {
			return err
		}
	}
	procs := b.processes()
	ctx, cancel := context.WithTimeout(ctx, obeyWithin)
	defer cancel()
	for {
		stores, err := b.stores(ctx)
		if err == nil && stores == (room == roomy) || room == roomy && !slices.Equal(b.processes(), procs) {
			// The second: one ended, and starts with room.
			return nil
		}
		if !sleep(ctx, lookEvery) {
			return fmt.Errorf("the broker's room did not become %s: %w", room, errors.Join(err, ctx.Err()))
		}
	}
}

// limit has a node obey; one that is down has room when it starts.
func (n *node) limit(room string) error {
	proc := n.process()
	if proc == nil {
		if room == roomy {
			return nil
		}
		return fmt.Errorf("%s is down", n.name)
	}
	if err := n.write(room); err != nil {
		return err
	}
	if err := proc.signal(syscall.SIGHUP); err != nil && (room != roomy || !errors.Is(err, os.ErrProcessDone)) {
		return err
	}
	return nil
}

// processes of the nodes, in their order; nil for one that is down.
func (b *Broker) processes() []*process {
	var out []*process
	for _, n := range b.nodes {
		out = append(out, n.process())
	}
	return out
}

// stores asks whether a message is taken; any answer but a refusal for want of room is an error.
func (b *Broker) stores(ctx context.Context) (yes bool, err error) {
	err = b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.Publish(ctx, probeSubject, []byte("room?"), jetstream.WithRetryAttempts(0))
		return err
	})
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return false, nil
	}
	return err == nil, err
}

// prepare makes the stream of the probe.
func (b *Broker) prepare(ctx context.Context) error {
	return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: probeStream, Subjects: []string{probeSubject}, MaxMsgs: 1, Storage: jetstream.FileStorage, Replicas: len(b.nodes),
		})
		return err
	})
}
