package link

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"
)

const (
	// dialTimeout bounds reaching an upstream, which is on this machine.
	dialTimeout = 2 * time.Second
	// relistenFor bounds taking the port back after a cut: nobody else should have it.
	relistenFor   = 5 * time.Second
	relistenEvery = 20 * time.Millisecond
)

// Link hands connections on. It is safe for concurrent use.
type Link struct {
	address  string
	upstream func() string
	wg       sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while it is cut, or closed
	closed   bool
	laid     map[string]Condition
	now      Condition
	conns    map[*conn]struct{}
}

// Listen begins to hand connections to address (host:port) on to upstream, which is asked for its address each time.
func Listen(ctx context.Context, address string, upstream func() string) (*Link, error) {
	l := &Link{upstream: upstream, laid: map[string]Condition{}, conns: map[*conn]struct{}{}}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	l.address = listener.Addr().String()
	l.serve(listener)
	return l, nil
}

// Address is where clients connect: host:port. It stays the same through every cut.
func (l *Link) Address() string { return l.address }

// Apply lays a condition upon the link; the id lifts it again. The same id once more replaces what it laid.
func (l *Link) Apply(id string, c Condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.laid[id] = c
	l.now = merge(l.laid)
	if l.now.Cut && l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for c := range l.conns {
		if l.now.Cut {
			c.reset()
		}
		c.left.Store(l.now.After)
	}
}

// Lift takes one condition away; an id that is not there changes nothing. An error says that the link could not be opened again.
func (l *Link) Lift(ctx context.Context, id string) error {
	return l.change(ctx, func() { delete(l.laid, id) })
}

// Clear takes every condition away.
func (l *Link) Clear(ctx context.Context) error { return l.change(ctx, func() { clear(l.laid) }) }

func (l *Link) change(ctx context.Context, how func()) error {
	l.mu.Lock()
	before := maps.Clone(l.laid)
	how()
	l.now = merge(l.laid)
	same := len(before) == len(l.laid)
	for c := range l.conns {
		if same {
			break
		}
		c.left.Store(l.now.After)
		if !l.now.Silent && c.holed.Load() {
			c.reset()
		}
	}
	l.mu.Unlock()
	return l.reopen(ctx)
}

// reopen listens again after a cut, unless there is still one.
func (l *Link) reopen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, relistenFor)
	defer cancel()
	var lc net.ListenConfig
	for {
		err := func() error {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.closed || l.now.Cut || l.listener != nil {
				return nil
			}
			listener, err := lc.Listen(ctx, "tcp", l.address)
			if err == nil {
				l.serveLocked(listener)
			}
			return err
		}()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("link: open %s again: %w", l.address, errors.Join(err, ctx.Err()))
		case <-time.After(relistenEvery):
		}
	}
}

// Close ends the link and resets what is connected.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for c := range l.conns {
		c.reset()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *Link) serve(listener net.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serveLocked(listener)
}

func (l *Link) serveLocked(listener net.Listener) {
	l.listener = listener
	l.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // a client that went away in between
				continue
			}
			l.wg.Go(func() { l.hand(client.(*net.TCPConn)) })
		}
	})
}

// condition is what is wrong now.
func (l *Link) condition() Condition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// hand connects a client to the upstream and carries bytes until either is gone.
func (l *Link) hand(client *net.TCPConn) {
	c := &conn{link: l, client: client, gone: make(chan struct{})}
	if !l.enter(c) {
		c.reset()
		return
	}
	defer l.leave(c)
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	var d net.Dialer
	up, err := d.DialContext(ctx, "tcp", l.upstream())
	if err != nil {
		c.reset()
		return
	}
	if !c.join(up.(*net.TCPConn)) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.carry(c.up, c.client, false) })
	both.Go(func() { c.carry(c.client, c.up, true) })
	both.Wait()
	c.end()
}

func (l *Link) enter(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.now.Cut {
		return false
	}
	c.left.Store(l.now.After)
	l.conns[c] = struct{}{}
	return true
}

func (l *Link) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}
