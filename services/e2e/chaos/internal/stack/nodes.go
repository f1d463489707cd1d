package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/internal/stack/link"
)

// Meta names the group of all nodes of a cluster, which knows of all streams, where a stream is asked for.
const Meta = "META"

// lameFor is how long a node is a lame duck before it is told to end: it hands over what it leads, and stops its streams.
const lameFor = 1500 * time.Millisecond

// Turn waits until nobody else does anything to the broker's nodes. The turn is over when done is called: not before the cluster is settled, or the
// next fault would find another one still going on. Of one server everybody has a turn at once.
func (b *Broker) Turn(ctx context.Context) (done func(), err error) {
	if !b.Clustered() {
		return func() {}, nil
	}
	select {
	case b.turn <- struct{}{}:
		return sync.OnceFunc(func() { <-b.turn }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("a turn at the broker's nodes: %w", ctx.Err())
	}
}

// Kill ends all nodes at once by SIGKILL; false = all were down. They are started again at once unless they are held.
func (b *Broker) Kill() bool {
	killed := make([]bool, len(b.nodes))
	var wg sync.WaitGroup
	for i, n := range b.nodes {
		wg.Go(func() { killed[i] = n.Kill() })
	}
	wg.Wait()
	return slices.Contains(killed, true)
}

// CutOff cuts a node off from the others and from the instrument, and with clients from everybody; the id lifts it again by Join.
func (b *Broker) CutOff(id, node string, clients bool) {
	for _, l := range b.ways(node, clients) {
		l.Apply(id, link.Condition{Cut: true})
	}
}

// Join lifts what CutOff did.
func (b *Broker) Join(ctx context.Context, id, node string) error {
	var errs []error
	for _, l := range b.ways(node, true) {
		errs = append(errs, l.Lift(ctx, id))
	}
	return errors.Join(errs...)
}

// ways are the links to and from a node: those of other nodes and of the instrument, and with clients all of them.
func (b *Broker) ways(name string, clients bool) Edge {
	var out Edge
	for i, n := range b.nodes {
		if n.name != name {
			continue
		}
		out = append(out, b.s.edges[adminBroker][i])
		for _, other := range b.nodes {
			if other != n {
				out = append(out, b.s.edges[route(n, other)]...)
				out = append(out, b.s.edges[route(other, n)]...)
			}
		}
		for _, edge := range Edges() {
			if clients && strings.HasSuffix(edge, ">"+NATS) {
				out = append(out, b.s.edges[edge][i])
			}
		}
	}
	return out
}

// Empty kills a node, empties its disk, and starts it again.
func (b *Broker) Empty(name string) error {
	for _, n := range b.nodes {
		if n.name == name {
			defer n.Hold()()
			n.Kill()
			if err := os.RemoveAll(n.store); err != nil {
				return fmt.Errorf("empty the disk of %s: %w", name, err)
			}
		}
	}
	return nil
}

// Retire ends a node as one is that is to be replaced: as a lame duck first.
func (b *Broker) Retire(ctx context.Context, p *Part) (text string, done bool) {
	proc := p.process()
	if proc == nil || !proc.end(syscall.SIGUSR2) {
		return "it was down", false
	}
	select {
	case <-proc.done: // nobody was connected
		text, _ := proc.cause()
		return text, true
	case <-time.After(lameFor):
	case <-ctx.Done():
	}
	return p.Terminate(ctx)
}

// Leader names the node that leads a stream, or the cluster's own group ([Meta]).
func (b *Broker) Leader(ctx context.Context, stream string) (node string, err error) {
	if stream == Meta {
		return b.metaLeader(ctx)
	}
	err = b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		if c := s.CachedInfo().Cluster; c != nil {
			node = c.Leader
		}
		return nil
	})
	if err == nil && node == "" {
		err = errors.New("it has none")
	}
	if err != nil {
		return "", fmt.Errorf("leader of stream %s: %w", stream, err)
	}
	return node, nil
}

// metaLeader asks the nodes' own pages, because no client is told.
func (b *Broker) metaLeader(ctx context.Context) (string, error) {
	var errs []error
	for _, n := range b.nodes {
		leader, err := n.metaLeader(ctx)
		if err == nil && leader != "" {
			return leader, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("leader of the cluster: none is known: %w", errors.Join(errs...))
}

func (n *node) metaLeader(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.monitor+"/jsz", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct {
		Meta struct {
			Leader string `json:"leader"`
		} `json:"meta_cluster"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&said); err != nil {
		return "", fmt.Errorf("%s: %w", n.name, err)
	}
	return said.Meta.Leader, nil
}

// Records are the streams of the run's pipelines, in the order of their names.
func (b *Broker) Records() []string {
	var out []string
	for name := range b.s.o.Definitions {
		out = append(out, bus.RecordsStream(name))
	}
	slices.Sort(out)
	return out
}
