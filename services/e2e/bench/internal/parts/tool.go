package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bulkhead/services/e2e/internal/meter"
)

// Tool is a program that works beside the parts until it is done, such as the publisher. It tells of itself by lines of JSON on its stdout.
type Tool struct {
	*program
	said   chan struct{} // closed when its stdout has ended
	broken error         // why it could not be read; valid then
	peak   chan int64    // gets what it held at most, when it has ended
}

// watchEvery is how often a tool's memory is looked at.
const watchEvery = 50 * time.Millisecond

// watch looks at its memory until it has ended. The kernel's own count at the end would not do: there a process has held at least what the one held
// that started it.
func (t *Tool) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var most int64
	for {
		if n, err := meter.Peak(t.Pid()); err == nil { // without an answer it has just ended
			most = max(most, n)
		}
		select {
		case <-t.Done():
			t.peak <- most
			return
		case <-tick.C:
		}
	}
}

// Tool starts one. heard is given each line, from one goroutine; when Wait returns it has had the last.
func (p *Parts) Tool(name, binary string, heard func(line []byte), args ...string) (*Tool, error) {
	program, err := p.start(name, true, nil, binary, args...)
	if err != nil {
		return nil, err
	}
	t := &Tool{program: program, said: make(chan struct{}), peak: make(chan int64, 1)}
	go t.watch()
	go func() {
		defer close(t.said)
		t.broken = program.lines(func(line []byte) bool {
			heard(line)
			return false
		})
	}()
	return t, nil
}

// Use is what a process used in all, its own children included.
type Use struct {
	CPU  time.Duration
	Peak int64 // bytes held at most
}

// Wait waits until it has ended by itself, with exit code 0, and says what it used. It is called once.
func (t *Tool) Wait(ctx context.Context) (Use, error) {
	use, err := t.End(ctx)
	if err == nil {
		err = t.Err()
	}
	if err != nil {
		return Use{}, fmt.Errorf("%w%s", err, t.tail())
	}
	return use, nil
}

// End is Wait for a tool whose exit code says something: that is State's.
func (t *Tool) End(ctx context.Context) (Use, error) {
	select {
	case <-t.Done():
	case <-ctx.Done():
		return Use{}, fmt.Errorf("%s: %w", t.name, errors.Join(context.Cause(ctx), t.Stop(context.WithoutCancel(ctx), grace)))
	}
	<-t.said
	if t.broken != nil {
		return Use{}, t.broken
	}
	state := t.State()
	return Use{CPU: state.UserTime() + state.SystemTime(), Peak: <-t.peak}, nil
}

// Log is what it wrote to its stderr so far.
func (t *Tool) Log() (string, error) {
	text, err := os.ReadFile(t.log)
	if err != nil {
		return "", fmt.Errorf("log of %s: %w", t.name, err)
	}
	return string(text), nil
}
