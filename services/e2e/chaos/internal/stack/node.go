package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// brokerConfig is the file of one server. Every write is synced before it is acknowledged, as everywhere, but where a run is told otherwise. The limit stands in an account,
// because it can be changed there while the broker runs.
const brokerConfig = `listen: %q
server_name: %q
max_payload: 1MB
jetstream { store_dir: %q, max_file_store: 2TB, sync_interval: %s }
accounts { CHAOS { jetstream: { max_file: %s }, users: [ { user: chaos, password: chaos } ] } }
no_auth_user: chaos
`

// nodeConfig is what a server of a cluster has beside it. Others are reached by links alone: no server tells clients of the others, and the address
// that it tells the others of itself leads nowhere, so that they keep to the routes that are written down.
const nodeConfig = `http: %q
lame_duck_grace_period: "100ms"
lame_duck_duration: "30s"
cluster { name: chaos, listen: %q, no_advertise: true, advertise: "127.0.0.1:1", routes: [ %s ] }
`

// node is one server of the broker.
type node struct {
	*Part
	address       string // of clients
	peer, monitor string // of other nodes, and of its own page of health; "" = it is alone
	config, store string
	sync          string // its sync_interval
	routes        []Edge // the ways to the other nodes

	file sync.Mutex // who writes the configuration holds it
}

// newNode makes a server of the broker; where it listens is set by who makes it.
func (b *Broker) newNode(name string) *node {
	n := &node{
		Part:   newPart(name, b.s.o.Dir, b.s.record),
		config: filepath.Join(b.s.o.Dir, confDir, name+".conf"), store: filepath.Join(b.s.disks().store(b.s.o.Dir), name),
		sync: b.s.disks().sync(),
	}
	n.ready = func(ctx context.Context) error {
		if n.monitor != "" {
			return probe("http://" + n.monitor + "/healthz")(ctx)
		}
		return b.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.AccountInfo(ctx)
			return err
		})
	}
	n.command = func(string, string) (*exec.Cmd, error) {
		// A broker that starts with too little room for its streams would not read them: a full disk does not take them away either.
		if err := n.write(roomy); err != nil {
			return nil, err
		}
		cmd := exec.Command(filepath.Join(b.s.o.Bin, "nats-server"), "--config", n.config) //nolint:gosec // a binary under test
		cmd.Dir, cmd.Env = b.s.o.Dir, environment()
		return cmd, nil
	}
	return n
}

// write puts the server's file in place whole: one that starts at this moment must not read half of it.
func (n *node) write(room string) error {
	n.file.Lock()
	defer n.file.Unlock()
	text := fmt.Sprintf(brokerConfig, n.address, n.name, n.store, n.sync, room)
	if n.peer != "" {
		var routes []string
		for _, r := range n.routes {
			routes = append(routes, fmt.Sprintf("%q", r.natsURL()))
		}
		text += fmt.Sprintf(nodeConfig, n.monitor, n.peer, strings.Join(routes, ", "))
	}
	next := n.config + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return fmt.Errorf("configuration of %s: %w", n.name, err)
	}
	if err := os.Rename(next, n.config); err != nil {
		return fmt.Errorf("configuration of %s: %w", n.name, err)
	}
	return nil
}
