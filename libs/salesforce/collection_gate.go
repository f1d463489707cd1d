package salesforce

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// errLate is why a request is not sent on.
var errLate = errors.New("the call's deadline was over before its request had gone out")

// gate lets one request out, until a deadline. Nothing of a request is looked at by the org before all of it is there, so one whose last part is kept
// back has no effect.
//
// The deadline is compared with both the clock that a process's own pauses do not stop and the wall clock: the first stands still while a machine sleeps, the
// second may be set.
type gate struct {
	deadline time.Time

	mu     sync.Mutex
	conn   net.Conn
	handed bool // the last part was handed to the connection
	late   bool
	shut   bool // nothing is handed over any more, whatever the clock says
}

// watch ends the call at the deadline if it has not gone out by then: there is no answer to wait for. done lets go of the clock.
func (g *gate) watch(ctx context.Context) (watched context.Context, done func()) {
	watched, cancel := context.WithCancelCause(ctx)
	clock := time.AfterFunc(time.Until(g.deadline), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.handed {
			cancel(errLate)
		}
	})
	return watched, func() { clock.Stop(); cancel(nil) }
}

// over says whether the deadline has passed.
func (g *gate) over() bool {
	now := time.Now()
	return !now.Before(g.deadline) || !now.Round(0).Before(g.deadline.Round(0))
}

// gatedBody is the content as the transport reads it. Its last part is given only before the deadline.
type gatedBody struct {
	*gate
	content *bytes.Reader
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if b.content.Len() == 0 {
		return 0, io.EOF // all of it is handed over already
	}
	n, err := b.content.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut || b.over() { // looked at last, so that as little as may be stands between this and the connection
		b.late = true
		return 0, errLate
	}
	b.handed = b.handed || b.content.Len() == 0
	return n, err
}

// trace notes the connection, and looks at the clock where the transport tells of the request's way: of one without a body the head is all there is, so
// when it is late it is kept back by closing the connection while its fields are being written. The last look is when all of the request has been given
// to the connection's buffer; what it finds late may have gone out before. What else goes over a connection that is closed breaks with it, as by any
// other loss; after a standstill of this length it has mostly been lost already.
func (g *gate) trace(ctx context.Context, hasBody bool) context.Context {
	t := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.conn = info.Conn
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.late || info.Err != nil {
				return
			}
			g.handed = true
			if g.over() {
				_ = g.conn.Close() // a last try: nobody knows whether it went out
			}
		},
	}
	if !hasBody {
		t.WroteHeaderField = func(string, []string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.over() {
				g.late = true
				_ = g.conn.Close() // and the next one: the transport may try again on another connection
			}
		}
	}
	return httptrace.WithClientTrace(ctx, t)
}

// judge tells a call that surely had no effect from one of which nobody knows. What it says of the first stays so: who ended the call need not have
// stopped whoever still writes it.
func (g *gate) judge(r request, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.late && !g.handed {
		err = errLate
	} else if _, answered := errors.AsType[*Error](err); answered || g.conn != nil && (r.body == nil || g.handed) {
		return err
	}
	g.shut = true
	return &NotSentError{Endpoint: r.endpoint(), Err: err}
}
