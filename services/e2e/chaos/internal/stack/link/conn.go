package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pieceBytes is how much is read at once, and piecesOnTheWay how much a slow link holds before it stops reading: two megabytes.
	pieceBytes     = 32 << 10
	piecesOnTheWay = 64
)

// conn is one connection of a client, with its other half.
type conn struct {
	link   *Link
	client *net.TCPConn

	mu    sync.Mutex
	up    *net.TCPConn // nil until it is reached
	ended bool
	gone  chan struct{} // closed when it ended

	left  atomic.Int64 // bytes until it is reset; 0 = no end
	holed atomic.Bool  // it lost bytes
}

// join adds the upstream's half; false = the client is gone already.
func (c *conn) join(up *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = up
	if c.ended {
		_ = up.SetLinger(0)
		_ = up.Close()
		return false
	}
	return true
}

// reset ends both halves by RST, whatever is still on its way. It may be called at any time and twice.
func (c *conn) reset() { c.close(true) }

// end ends both halves in peace.
func (c *conn) end() { c.close(false) }

func (c *conn) close(hard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	close(c.gone)
	for _, half := range []*net.TCPConn{c.client, c.up} {
		if half == nil {
			continue
		}
		if hard {
			_ = half.SetLinger(0) // makes Close send RST
		}
		_ = half.Close()
	}
}

// piece is some bytes on their way; the last one has the error that ended the stream.
type piece struct {
	bytes []byte
	due   time.Time
	err   error
}

// carry hands on what comes from one half to the other until the stream ends; back = it is what the upstream answers.
func (c *conn) carry(to, from *net.TCPConn, back bool) {
	way := make(chan piece, piecesOnTheWay)
	go c.read(from, way, back)
	for p := range way {
		if !c.wait(p.due) {
			return
		}
		if len(p.bytes) > 0 {
			if !c.write(to, p.bytes) {
				return
			}
		}
		switch {
		case p.err == nil:
		case errors.Is(p.err, io.EOF):
			if !c.holed.Load() || !back { // a silent link does not even say goodbye
				_ = to.CloseWrite()
			}
			return
		default:
			c.reset()
			return
		}
	}
}

// read puts what comes on the way until it ends.
func (c *conn) read(from *net.TCPConn, way chan<- piece, back bool) {
	defer close(way)
	buf := make([]byte, pieceBytes)
	for {
		n, err := from.Read(buf)
		p := piece{bytes: bytes.Clone(buf[:n]), err: err}
		now := c.link.condition()
		if now.Delay > 0 && n > 0 {
			p.due = time.Now().Add(now.late())
		}
		if now.Silent && n > 0 && (back || now.Swallow) {
			c.holed.Store(true)
			p.bytes = nil
		}
		select {
		case way <- p:
		case <-c.gone:
			return
		}
		if err != nil {
			return
		}
	}
}

// wait rests until the time has come; false = the connection ended before.
func (c *conn) wait(due time.Time) bool {
	d := time.Until(due)
	if due.IsZero() || d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.gone:
		return false
	}
}

// write hands bytes on, and resets the connection where its bytes run out.
func (c *conn) write(to *net.TCPConn, b []byte) bool {
	last := false
	for left := c.left.Load(); left > 0; left = c.left.Load() {
		if last = int64(len(b)) >= left; last {
			b = b[:left]
			break
		}
		if c.left.CompareAndSwap(left, left-int64(len(b))) {
			break
		}
	}
	if _, err := to.Write(b); err != nil || last {
		c.reset()
		return false
	}
	return true
}
