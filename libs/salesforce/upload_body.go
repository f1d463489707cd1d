package salesforce

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// uploadContent is the content of one upload. It is opened once, and again when the transport asks for it.
type uploadContent struct {
	open func() (io.ReadCloser, error)

	mu     sync.Mutex
	opened []*meteredBody
}

// next opens the content from its start.
func (u *uploadContent) next() (io.ReadCloser, error) {
	content, err := u.open()
	if err != nil {
		return nil, err
	}
	body := newMeteredBody(content)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.opened = append(u.opened, body)
	return body, nil
}

// last is what was opened last: what the reply is about.
func (u *uploadContent) last() *meteredBody {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.opened[len(u.opened)-1]
}

func (u *uploadContent) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, body := range u.opened {
		_ = body.Close()
	}
}

// awaitClosed waits until the transport has let go of all that was opened, at most limit.
func (u *uploadContent) awaitClosed(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	u.mu.Lock()
	opened := slices.Clone(u.opened)
	u.mu.Unlock()
	for _, body := range opened {
		select {
		case <-body.closed:
		case <-timer.C:
			return
		}
	}
}

// errSpent is given to a transport that reads a body which it closed before: to send a spent body would be to send an empty file.
var errSpent = errors.New("this content was sent before, it is not read twice")

// meteredBody counts what the transport reads, refuses more than an upload may hold, and says when the transport has let go of it.
type meteredBody struct {
	content io.ReadCloser
	read    atomic.Int64
	ended   atomic.Bool
	failed  atomic.Pointer[error]
	closed  chan struct{}
	close   func() error
}

func newMeteredBody(content io.ReadCloser) *meteredBody {
	b := &meteredBody{content: content, closed: make(chan struct{})}
	b.close = sync.OnceValue(func() error {
		defer close(b.closed)
		return content.Close()
	})
	return b
}

// Read reads on.
func (b *meteredBody) Read(p []byte) (int, error) {
	select {
	case <-b.closed:
		return 0, errSpent
	default:
	}
	n, err := b.content.Read(p)
	if b.read.Add(int64(n)) > MaxUploadBytes {
		err = fmt.Errorf("content above %d bytes: %w", MaxUploadBytes, ErrTooLarge)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
	default:
		b.failed.Store(&err)
	}
	return n, err
}

// Close closes the content once.
func (b *meteredBody) Close() error { return b.close() }

// complete says whether all of the content was read. With a known size the bytes decide: the transport may stop before it sees the end.
func (b *meteredBody) complete(size int64) bool {
	if size > 0 {
		return b.read.Load() == size
	}
	return b.ended.Load()
}

func (b *meteredBody) failure() error {
	if p := b.failed.Load(); p != nil {
		return *p
	}
	return nil
}
