package stack

import (
	"context"
	"fmt"
	"strings"

	"bulkhead/services/e2e/chaos/internal/stack/link"
)

// layOut opens the links and makes the parts, and starts none.
func (s *Stack) layOut(ctx context.Context) (err error) {
	address := func() (a string) {
		if err == nil {
			a, err = s.ports.address(ctx)
		}
		return a
	}
	org := address()
	s.orgURL = "http://" + org
	s.broker = s.layOutBroker(address)
	if err != nil {
		return err
	}
	to := func(upstream ...func() string) []func() string { return upstream }
	ways := map[string][]func() string{
		EdgeOrg: to(func() string { return org }), EdgePublisher: s.broker.addresses(), adminBroker: s.broker.addresses(), adminEdge: to(s.o.Cluster.address),
	}
	instances := Instances()
	for _, instance := range instances {
		ways[instance+">"+Postgres], ways[instance+">"+NATS] = to(s.o.Cluster.address), s.broker.addresses()
	}
	for name, way := range s.broker.routes() {
		ways[name] = to(way)
	}
	for name, way := range ways {
		for _, upstream := range way {
			at := address()
			if err != nil {
				return err
			}
			edge, err := link.Listen(ctx, at, upstream)
			if err != nil {
				return fmt.Errorf("edge %s: %w", name, err)
			}
			s.edges[name] = append(s.edges[name], edge)
		}
	}
	s.broker.connect()
	if err := s.writeConf(); err != nil {
		return err
	}
	s.parts[Org] = s.simulator(org)
	for _, name := range instances {
		service, _, _ := strings.Cut(name, "-")
		at := address()
		s.parts[name] = s.instance(service, name, at, address())
		if service == "ops" {
			s.opsURLs = append(s.opsURLs, "http://"+at)
		}
	}
	return err
}

// layOutBroker makes the broker's servers, where address tells them to listen.
func (s *Stack) layOutBroker(address func() string) *Broker {
	b := &Broker{s: s, turn: make(chan struct{}, 1)}
	for _, name := range Servers(s.o.Plan.Nodes) {
		n := b.newNode(name)
		n.address = address()
		if s.o.Plan.Clustered() {
			n.peer, n.monitor = address(), address()
		}
		b.nodes = append(b.nodes, n)
	}
	return b
}

// addresses of the servers, for clients.
func (b *Broker) addresses() []func() string {
	var out []func() string
	for _, n := range b.nodes {
		out = append(out, func() string { return n.address })
	}
	return out
}

// route names the way from one node to another.
func route(from, to *node) string { return from.name + ">" + to.name }

// routes are the ways between nodes by name, each to where the other one listens.
func (b *Broker) routes() map[string]func() string {
	out := map[string]func() string{}
	for _, from := range b.nodes {
		for _, to := range b.nodes {
			if from != to {
				out[route(from, to)] = func() string { return to.peer }
			}
		}
	}
	return out
}

// connect tells the nodes of their routes, when there are links for them.
func (b *Broker) connect() {
	for _, from := range b.nodes {
		for _, to := range b.nodes {
			if from != to {
				from.routes = append(from.routes, b.s.edges[route(from, to)])
			}
		}
	}
}
