package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
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

// brokerConfig is the broker's file. Every write is synced before it is acknowledged, as everywhere, but where a run is told otherwise. The limit stands in an account,
// because it can be changed there while the broker runs.
const brokerConfig = `listen: %q
server_name: chaos
max_payload: 1MB
jetstream { store_dir: %q, max_file_store: 2TB, sync_interval: %s }
accounts { CHAOS { jetstream: { max_file: %s }, users: [ { user: chaos, password: chaos } ] } }
no_auth_user: chaos
`

// Broker is the run's NATS server.
type Broker struct {
	*Part
	address, config, store, sync string

	mu    sync.Mutex
	fills int

	file sync.Mutex // who writes the configuration holds it
}

func newBroker(s *Stack, address string) *Broker {
	b := &Broker{
		Part: newPart(NATS, s.o.Dir, s.record), address: address,
		config: filepath.Join(s.o.Dir, confDir, "nats.conf"), store: s.o.Cluster.disks.store(s.o.Dir), sync: s.o.Cluster.disks.sync(),
	}
	b.ready = func(ctx context.Context) error {
		return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.AccountInfo(ctx)
			return err
		})
	}
	b.command = func(string, string) (*exec.Cmd, error) {
		// A broker that starts with too little room for its streams would not read them: a full disk does not take them away either.
		if err := b.write(roomy); err != nil {
			return nil, err
		}
		cmd := exec.Command(filepath.Join(s.o.Bin, "nats-server"), "--config", b.config) //nolint:gosec // a binary under test
		cmd.Dir, cmd.Env = s.o.Dir, environment()
		return cmd, nil
	}
	return b
}

func (b *Broker) url() string { return "nats://" + b.address }

// write puts the broker's file in place whole: one that starts at this moment must not read half of it.
func (b *Broker) write(room string) error {
	b.file.Lock()
	defer b.file.Unlock()
	next := b.config + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, brokerConfig, b.address, b.store, b.sync, room), 0o600); err != nil {
		return fmt.Errorf("configuration of the broker: %w", err)
	}
	if err := os.Rename(next, b.config); err != nil {
		return fmt.Errorf("configuration of the broker: %w", err)
	}
	return nil
}

// with does something by a connection of the instrument's own, straight to the broker.
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
	proc := b.process()
	switch {
	case proc == nil && room == roomy:
		return nil // it has room when it starts
	case proc == nil:
		return errors.New("the broker is down")
	}
	if err := b.write(room); err != nil {
		return err
	}
	if err := proc.signal(syscall.SIGHUP); err != nil {
		if errors.Is(err, os.ErrProcessDone) && room == roomy {
			return nil // as above
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, obeyWithin)
	defer cancel()
	for {
		stores, err := b.stores(ctx)
		if err == nil && stores == (room == roomy) || room == roomy && b.process() != proc {
			// The second: it ended, and starts with room.
			return nil
		}
		if !sleep(ctx, lookEvery) {
			return fmt.Errorf("the broker's room did not become %s: %w", room, errors.Join(err, ctx.Err()))
		}
	}
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
			Name: probeStream, Subjects: []string{probeSubject}, MaxMsgs: 1, Storage: jetstream.FileStorage,
		})
		return err
	})
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
