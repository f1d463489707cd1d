package stack

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
