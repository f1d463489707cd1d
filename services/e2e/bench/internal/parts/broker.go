package parts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// brokerConfig is the file of one of the broker's servers. Every write is synced before it is acknowledged, as everywhere.
const brokerConfig = `listen: %q
http: %q
server_name: %q
max_payload: 1MB
jetstream { store_dir: %q, max_file_store: 1TB, sync_interval: always }
`

// clusterConfig is what a server of a cluster has beside it.
const clusterConfig = `cluster { name: bench, listen: %q, routes: [ %s ] }
`

// portsEach are those of one server: of clients, of its monitor, of its profiles, and of the other servers.
const portsEach = 4

func (p *Parts) startBroker(ctx context.Context) error {
	nodes := max(p.o.Nodes, 1)
	ports, err := freePorts(ctx, portsEach*nodes)
	if err != nil {
		return err
	}
	var urls, routes []string
	for n := range nodes {
		urls = append(urls, "nats://"+loopback(ports[portsEach*n]))
		routes = append(routes, fmt.Sprintf("%q", "nats://"+loopback(ports[portsEach*n+3])))
	}
	for n := range nodes {
		if err := p.startServer(n, ports[portsEach*n:portsEach*(n+1)], routes); err != nil {
			return err
		}
	}
	p.NATSURL = strings.Join(urls, ",")
	for {
		err := storing(ctx, p.NATSURL, nodes)
		if err == nil {
			return nil
		}
		if ended := p.Ended(); ended != nil {
			return ended
		}
		if !sleep(ctx, lookIn) {
			return fmt.Errorf("the broker is not ready: %w", err)
		}
	}
}

// startServer starts the n-th of the broker's servers; routes are those to all of them.
func (p *Parts) startServer(n int, ports []int, routes []string) error {
	name := "nats-server"
	if len(routes) > 1 {
		name = fmt.Sprintf("nats-server-%d", n+1)
	}
	config := fmt.Sprintf(brokerConfig, loopback(ports[0]), loopback(ports[1]), name, filepath.Join(p.dir, name))
	if len(routes) > 1 {
		config += fmt.Sprintf(clusterConfig, loopback(ports[3]), strings.Join(routes, ", "))
	}
	p.Monitors = append(p.Monitors, "http://"+loopback(ports[1])+"/")
	if p.o.Profile {
		config += fmt.Sprintf("prof_port: %d\n", ports[2])
		if n == 0 {
			p.BrokerDebug = "http://" + loopback(ports[2]) + "/debug/pprof/"
		}
	}
	file := filepath.Join(p.dir, name+".conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return fmt.Errorf("configuration of the broker: %w", err)
	}
	server, err := p.start(name, false, nil, filepath.Join(p.o.Bin, "nats-server"), "--config", file)
	if err != nil {
		return err
	}
	p.watched = append(p.watched, server)
	p.Broker = append(p.Broker, server.Pid())
	return nil
}

// readyStream is made to see whether the broker has streams of so many replicas, and taken away again.
const readyStream = "READY"

// storeFor bounds one question whether a broker has streams: before a cluster has a leader it gives no answer.
const storeFor = 2 * time.Second

// storing says whether a broker has streams.
func storing(ctx context.Context, url string, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	nc, err := nats.Connect(url, nats.Timeout(time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if replicas == 1 {
		_, err = js.AccountInfo(ctx)
		return err
	}
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: readyStream, Replicas: replicas}); err != nil {
		return err
	}
	return js.DeleteStream(ctx, readyStream)
}
