// Package wire is a network in memory: HTTP servers that are reached without a port, over real HTTP on pipes, so that services and the org that they call
// run in one testing/synctest bubble and a lost connection is one.
//
// What always holds: everything is made per [Net] and waits on channels of its own, so that a bubble sees when nobody does anything; each caller
// dials as itself, and can be cut off as a process is that was killed: its connections break, in the middle of a body too, and it reaches nobody any
// more. What happens to a request otherwise (delays, faults of the org) is its server's part.
//
// Start reading at [Open] and [Net.As].
package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// ErrClosed is what a closed network answers with.
var ErrClosed = errors.New("the network is closed")

// Net is a network with one server. It is that server's net.Listener.
type Net struct {
	name    string
	arrives chan net.Conn
	closed  chan struct{}
	close   sync.Once
}

var _ net.Listener = (*Net)(nil)

// Open makes a network whose server is called name in errors. Give it to http.Server.Serve.
func Open(name string) *Net {
	return &Net{name: name, arrives: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (n *Net) Accept() (net.Conn, error) {
	select {
	case c := <-n.arrives:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed // what http.Server takes for its end
	}
}

// Close implements net.Listener: nobody can be reached any more. Connections that stand are their owners'.
func (n *Net) Close() error {
	n.close.Do(func() { close(n.closed) })
	return nil
}

// Addr implements net.Listener.
func (n *Net) Addr() net.Addr { return address(n.name) }

// address is a name in place of a host and a port.
type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }

// Caller is one user of the network, such as one instance of a service. Make it with [Net.As].
type Caller struct {
	net       *Net
	owner     string
	transport *http.Transport

	mu    sync.Mutex
	cut   error
	conns map[*conn]struct{}
}

// As gives one user its way into the network. owner is its name in errors.
func (n *Net) As(owner string) *Caller {
	c := &Caller{net: n, owner: owner, conns: map[*conn]struct{}{}}
	c.transport = &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
		// As the client has it over a real network.
		ExpectContinueTimeout: 2 * time.Second,
	}
	return c
}

// Transport carries HTTP requests to the server, whatever host they name.
func (c *Caller) Transport() http.RoundTripper { return c.transport }

// Cut breaks every connection of the caller and lets it make no other: dialling fails with err from now on. The first cut counts.
func (c *Caller) Cut(err error) {
	if err == nil {
		err = errors.New("its process is gone")
	}
	c.mu.Lock()
	if c.cut == nil {
		c.cut = fmt.Errorf("%s reaches nobody: %w", c.owner, err)
	}
	broken := c.conns
	c.conns = map[*conn]struct{}{}
	c.mu.Unlock()
	for b := range broken {
		_ = b.Conn.Close() // a pipe closes without an error
	}
	c.transport.CloseIdleConnections()
}

// Break closes the caller's connections as a network does that fails for a moment; the next request makes a new one.
func (c *Caller) Break() {
	c.mu.Lock()
	broken := c.conns
	c.conns = map[*conn]struct{}{}
	c.mu.Unlock()
	for b := range broken {
		_ = b.Conn.Close()
	}
}

// Close ends the caller.
func (c *Caller) Close() { c.Cut(ErrClosed) }

func (c *Caller) dial(ctx context.Context) (net.Conn, error) {
	mine, theirs := net.Pipe()
	made := &conn{Conn: mine, caller: c}
	c.mu.Lock()
	cut := c.cut
	if cut == nil {
		c.conns[made] = struct{}{}
	}
	c.mu.Unlock()
	err := cut
	if err == nil {
		select {
		case c.net.arrives <- theirs:
			return made, nil
		case <-c.net.closed:
			err = fmt.Errorf("dial %s: %w", c.net.name, ErrClosed)
		case <-ctx.Done():
			err = fmt.Errorf("dial %s: %w", c.net.name, ctx.Err())
		}
	}
	_ = theirs.Close()
	return nil, errors.Join(err, made.Close())
}

// conn is a connection that its caller knows of while it stands.
type conn struct {
	net.Conn
	caller *Caller
}

// Close closes it.
func (c *conn) Close() error {
	c.caller.mu.Lock()
	delete(c.caller.conns, c)
	c.caller.mu.Unlock()
	return c.Conn.Close()
}
