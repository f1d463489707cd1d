package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/services/e2e/chaos/internal/stack/link"
)

// laidOut is a broker of so many servers whose links lead nowhere, and no process of which runs.
func laidOut(t *testing.T, nodes int) *Broker {
	t.Helper()
	s := &Stack{edges: map[string]Edge{}}
	s.o.Dir, s.o.Plan.Nodes = t.TempDir(), nodes
	if err := os.Mkdir(filepath.Join(s.o.Dir, confDir), 0o755); err != nil {
		t.Fatal(err)
	}
	var given ports
	t.Cleanup(given.free)
	address := func() string {
		at, err := given.address(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	b := s.layOutBroker(address)
	open := func(name string) {
		l, err := link.Listen(t.Context(), "127.0.0.1:0", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		s.edges[name] = append(s.edges[name], l)
	}
	for name := range b.routes() {
		open(name)
	}
	for range b.nodes {
		for _, name := range append(Edges(), adminBroker) {
			if strings.HasSuffix(name, ">"+NATS) {
				open(name)
			}
		}
	}
	b.connect()
	return b
}

func TestTheServersOfABroker(t *testing.T) {
	t.Parallel()
	config := func(t *testing.T, n *node) string {
		t.Helper()
		if err := n.write(roomy); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(n.config)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Run("one stands alone, and syncs what it writes", func(t *testing.T) {
		t.Parallel()
		b := laidOut(t, 0)
		text := config(t, b.nodes[0])
		if b.Clustered() || len(b.routes()) != 0 || !strings.Contains(text, "sync_interval: always") || strings.Contains(text, "cluster") {
			t.Errorf("%s", text)
		}
	})
	t.Run("three reach each other by links alone, and each has a disk of its own", func(t *testing.T) {
		t.Parallel()
		b := laidOut(t, 3)
		stores := map[string]bool{}
		for _, n := range b.nodes {
			text := config(t, n)
			stores[n.store] = true
			for _, other := range b.nodes {
				if other == n {
					continue
				}
				if !strings.Contains(text, b.s.edges[route(n, other)].Address()) || strings.Contains(text, other.peer) {
					t.Errorf("%s reaches %s by another way:\n%s", n.name, other.name, text)
				}
			}
			if !strings.Contains(text, "sync_interval: always") {
				t.Errorf("%s", text)
			}
		}
		if len(stores) != 3 || len(b.routes()) != 6 {
			t.Errorf("%d stores, %d routes", len(stores), len(b.routes()))
		}
	})
	t.Run("a node is cut off from the others and the instrument, and from clients when that is asked for", func(t *testing.T) {
		t.Parallel()
		b := laidOut(t, 3)
		for clients, want := range map[bool]int{false: 4 + 1, true: 4 + 1 + 1 + len(Instances())} {
			if got := b.ways("nats-2", clients); len(got) != want {
				t.Errorf("%d ways, want %d", len(got), want)
			}
		}
	})
	t.Run("clients are told of all of them", func(t *testing.T) {
		t.Parallel()
		b := laidOut(t, 3)
		if got := b.s.edges[EdgePublisher].natsURL(); strings.Count(got, "nats://127.0.0.1:") != 3 || strings.Count(got, ",") != 2 {
			t.Errorf("%q", got)
		}
	})
	t.Run("only one at a time does something to them", func(t *testing.T) {
		t.Parallel()
		b := laidOut(t, 3)
		done, err := b.Turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := make(chan struct{})
		go func() {
			defer close(next)
			if done, err := b.Turn(t.Context()); err == nil {
				done()
			}
		}()
		select {
		case <-next:
			t.Error("two have the turn")
		default:
		}
		done()
		<-next
	})
}

func TestAGroupIsWhole(t *testing.T) {
	t.Parallel()
	current := func(name string) *jetstream.PeerInfo { return &jetstream.PeerInfo{Name: name, Current: true} }
	for name, c := range map[string]struct {
		info *jetstream.ClusterInfo
		want string
	}{
		"with a leader and all replicas up to its end":    {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{current("b"), current("c")}}, ""},
		"not without a leader":                            {&jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{current("b"), current("c")}}, "no leader"},
		"not when nothing is said of it":                  {nil, "no leader"},
		"not with a replica too few":                      {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{current("b")}}, "by 1 nodes"},
		"not while a replica lags behind":                 {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{current("b"), {Name: "c"}}}, "by c"},
		"not while a replica is away, however far it got": {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{current("b"), {Name: "c", Current: true, Offline: true}}}, "by c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := whole("it", c.info, 3)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
