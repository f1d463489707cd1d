package testkit

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// clusterNodes is how many servers a [Cluster] has.
const clusterNodes = 3

// Cluster is three NATS servers with JetStream that know each other by ways which can be cut.
type Cluster struct {
	options []*server.Options
	servers []*server.Server
	ways    map[[2]int]*way // from one to another
}

// NATSCluster starts three servers for one test, and waits until they have a leader; they end with the test, and what they stored goes. What is
// written is not synced. Leaders are elected as slowly as anywhere: a test that takes one away waits for four to nine seconds.
func NATSCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{ways: map[[2]int]*way{}}
	listeners := make([]string, clusterNodes)
	for i := range clusterNodes {
		listeners[i] = freeAddress(t)
	}
	for from := range clusterNodes {
		for to := range clusterNodes {
			if from != to {
				c.ways[[2]int{from, to}] = newWay(t, listeners[to])
			}
		}
	}
	for i := range clusterNodes {
		c.start(t, i, listeners[i])
	}
	deadline := time.Now().Add(time.Minute)
	for !c.led() {
		if time.Now().After(deadline) {
			t.Fatal("testkit: the cluster has no leader after a minute")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return c
}

func (c *Cluster) start(t testing.TB, i int, listen string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(listen)
	o := &server.Options{
		ServerName: nodeName(i), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40, NoSigs: true,
		// The address that is told to the others leads nowhere: they keep to the routes.
		Cluster: server.ClusterOpts{Name: "testkit", Host: host, NoAdvertise: true, Advertise: "127.0.0.1:1"},
	}
	if _, err := fmt.Sscan(port, &o.Cluster.Port); err != nil {
		t.Fatal(err)
	}
	for to := range clusterNodes {
		if to != i {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: c.ways[[2]int{i, to}].address()})
		}
	}
	c.options, c.servers = append(c.options, o), append(c.servers, run(t, o))
}

func run(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o.Clone()) // it writes the port that it found into them
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	s.Start()
	t.Cleanup(func() { end(s) })
	return s
}

func end(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// Restart ends a server, has something done to what it stored in a directory, and starts it again, on another port for clients.
func (c *Cluster) Restart(t testing.TB, i int, between func(dir string)) {
	t.Helper()
	end(c.servers[i])
	between(c.options[i].StoreDir)
	c.servers[i] = run(t, c.options[i])
}

func nodeName(i int) string { return fmt.Sprintf("node-%d", i) }

func (c *Cluster) led() bool {
	leader, current := false, 0
	for _, s := range c.servers {
		leader = leader || s.JetStreamIsLeader()
		if s.JetStreamIsCurrent() {
			current++
		}
	}
	return leader && current == clusterNodes
}

// URL leads to one of the servers, from 0.
func (c *Cluster) URL(i int) string { return c.servers[i].ClientURL() }

// URLs lead to all of them, as a client is told.
func (c *Cluster) URLs() string {
	var all []string
	for i := range c.servers {
		all = append(all, c.URL(i))
	}
	return strings.Join(all, ",")
}

// Node is the number of the server of a name, as a stream calls its leader; -1 = there is none.
func (c *Cluster) Node(name string) int {
	for i := range c.servers {
		if nodeName(i) == name {
			return i
		}
	}
	return -1
}

// Answers says whether a server itself, and not only another one behind it, listens on just this subject.
func (c *Cluster) Answers(t testing.TB, i int, subject string) bool {
	t.Helper()
	subs, err := c.servers[i].Subsz(&server.SubszOptions{Subscriptions: true, Test: subject})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := c.servers[i].Routez(nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(subs.Subs, func(s server.SubDetail) bool {
		return s.Subject == subject && !slices.ContainsFunc(routes.Routes, func(r *server.RouteInfo) bool { return r.Rid == s.Cid })
	})
}

// Cut takes a server's connections to the others away, until Join.
func (c *Cluster) Cut(i int) { c.each(i, func(w *way) { w.set(true) }) }

// Join lets a server reach the others again.
func (c *Cluster) Join(i int) { c.each(i, func(w *way) { w.set(false) }) }

func (c *Cluster) each(i int, do func(*way)) {
	for ends, w := range c.ways {
		if ends[0] == i || ends[1] == i {
			do(w)
		}
	}
}

// way hands connections on while it is not cut.
type way struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

func newWay(t testing.TB, to string) *way {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there at once
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	w := &way{listener: listener, to: to, conns: map[net.Conn]struct{}{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.hand(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // and with it its loop
		w.set(true)
		wg.Wait()
	})
	return w
}

func (w *way) address() string { return w.listener.Addr().String() }

func (w *way) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c := range w.conns {
		if cut {
			_ = c.Close() // who reads from it sees that
		}
	}
}

func (w *way) enter(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut {
		w.conns[c] = struct{}{}
	}
	return !w.cut
}

func (w *way) leave(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	_ = c.Close() // it may be closed already
}

func (w *way) hand(client net.Conn) {
	defer w.leave(client)
	if !w.enter(client) {
		return
	}
	server, err := net.Dial("tcp", w.to) //nolint:noctx // on this machine it is there or not
	if err != nil {
		return
	}
	defer w.leave(server)
	if !w.enter(server) {
		return
	}
	var both sync.WaitGroup
	for _, ends := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(ends[0], ends[1]) // an end of either is the end of both
			_ = ends[0].Close()
			_ = ends[1].Close()
		})
	}
	both.Wait()
}

// freeAddress is one on which nobody listens now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there at once
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
