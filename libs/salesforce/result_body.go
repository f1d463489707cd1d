package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// minIdleBytes is what must arrive within the idle time: a connection that drips is as dead as a silent one.
const minIdleBytes = 1 << 10

var errIdle = errors.New("too little came within the idle timeout")

// guardedBody bounds a long download by progress instead of total time, and by size. Only time spent inside Read counts, so that a
// caller may work on its rows as long as it likes. Whatever ends it early is [ErrTruncated], except the end of the caller's context.
type guardedBody struct {
	caller  context.Context
	ctx     context.Context // of the request; cancelled to break a Read that hangs
	cancel  context.CancelCauseFunc
	src     io.ReadCloser
	timer   *time.Timer
	idle    time.Duration
	waited  time.Duration // inside Read since the last minIdleBytes
	came    int64         // in that time
	total   int64
	maximum int64
	failed  error
}

func newGuardedBody(caller context.Context, idle time.Duration, maximum int64) *guardedBody {
	b := &guardedBody{caller: caller, idle: idle, maximum: maximum}
	b.ctx, b.cancel = context.WithCancelCause(caller)
	return b
}

// watchFirst bounds the wait for the reply's header; unwatch ends that.
func (b *guardedBody) watchFirst(limit time.Duration) {
	b.timer = time.AfterFunc(limit, func() { b.cancel(errCallTimeout) })
}

func (b *guardedBody) unwatch() { b.timer.Stop() }

// Read reads on, for at most the idle time that is left.
func (b *guardedBody) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	timer := time.AfterFunc(b.idle-b.waited, func() { b.cancel(errIdle) })
	start := time.Now()
	n, err := b.src.Read(p)
	timer.Stop()
	b.waited += time.Since(start)
	b.came += int64(n)
	b.total += int64(n)
	if b.came >= minIdleBytes {
		b.waited, b.came = 0, 0
	}
	switch {
	case b.total > b.maximum:
		b.failed = fmt.Errorf("result file above %d bytes: %w", b.maximum, ErrTooLarge)
	case err != nil && !errors.Is(err, io.EOF):
		b.failed = b.explain(err)
	case err == nil && b.waited >= b.idle:
		b.failed = fmt.Errorf("%w: %w", ErrTruncated, errIdle)
	}
	if b.failed != nil {
		return n, b.failed
	}
	return n, err
}

// explain says what a broken read means. io.ErrUnexpectedEOF stands for fewer bytes than announced, a missing last chunk or a missing gzip trailer.
func (b *guardedBody) explain(err error) error {
	if cause := context.Cause(b.caller); cause != nil {
		return fmt.Errorf("reading was ended: %w", cause)
	}
	if cause := context.Cause(b.ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%w: %w", ErrTruncated, err)
}

// failure is what ended the body early, nil if nothing did.
func (b *guardedBody) failure() error { return b.failed }

// Close breaks off the download and lets go of the connection.
func (b *guardedBody) Close() error {
	b.cancel(nil)
	if b.src == nil {
		return nil
	}
	return b.src.Close()
}
