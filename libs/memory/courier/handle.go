package courier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
)

// Hooks stand around every call of a handle. op is its verb and what it is about, such as "publish flow.contacts.chunk_sealed", "publish_batch
// dlq.contacts.data" (the first message's subject), "pull FLOW", "ack FLOW", "range RECORDS_contacts", "stream DLQ". They may wait, as a slow network
// does, and are called without a lock.
type Hooks struct {
	// Before refuses a call: with its error nothing is done. An acknowledgement that is refused is lost.
	Before func(ctx context.Context, op string) error
	// After loses an answer: the call was done, and its caller is given the error. Of a pull it loses what was to be given.
	After func(ctx context.Context, op string) error
}

// Handle is the courier as one user has it. Make it with [Courier.As].
type Handle struct {
	courier *Courier
	owner   string

	// Guarded by the courier's lock.
	hooks Hooks
	cut   error // why it works no more
}

// Conn makes of it what package bus works with.
func (h *Handle) Conn() *bus.Conn { return bus.Over(h) }

// SetHooks puts hooks around the calls that come; the zero value takes them away.
func (h *Handle) SetHooks(hooks Hooks) {
	h.courier.mu.Lock()
	defer h.courier.mu.Unlock()
	h.hooks = hooks
}

// Cut ends the handle as its process: calls fail with err from now on, those that wait too. What it was given and did not acknowledge comes to
// others after the ack wait. The first cut counts.
func (h *Handle) Cut(err error) {
	if err == nil {
		err = errors.New("its process is gone")
	}
	h.courier.mu.Lock()
	defer h.courier.mu.Unlock()
	if h.cut != nil {
		return
	}
	h.cut = fmt.Errorf("courier of %s: %w", h.owner, err)
	for _, s := range h.courier.streams {
		for _, k := range s.consumers {
			k.end(h.cut, h)
		}
	}
}

// Close ends the handle.
func (h *Handle) Close() { h.Cut(nats.ErrConnectionClosed) }

// Connected says whether calls have a chance.
func (h *Handle) Connected() bool {
	h.courier.mu.Lock()
	defer h.courier.mu.Unlock()
	return h.cut == nil && !h.courier.down
}

// do runs a call between its hooks. act runs under the lock.
func (h *Handle) do(ctx context.Context, op string, act func(now time.Time) error) error {
	hooks, err := h.enter(ctx, op)
	if err != nil {
		return err
	}
	if err := h.locked(ctx, act); err != nil {
		return err
	}
	if hooks.After == nil {
		return nil
	}
	if err := hooks.After(ctx, op); err != nil {
		return err
	}
	return h.locked(ctx, func(time.Time) error { return nil }) // an answer that comes too late reaches nobody
}

func (h *Handle) enter(ctx context.Context, op string) (Hooks, error) {
	h.courier.mu.Lock()
	hooks := h.hooks
	h.courier.mu.Unlock()
	if hooks.Before == nil {
		return hooks, nil
	}
	return hooks, hooks.Before(ctx, op)
}

func (h *Handle) locked(ctx context.Context, act func(now time.Time) error) error {
	h.courier.mu.Lock()
	defer h.courier.mu.Unlock()
	switch {
	case h.cut != nil:
		return h.cut
	case ctx.Err() != nil:
		return ctx.Err()
	case h.courier.down:
		return nats.ErrConnectionReconnecting
	}
	return act(time.Now())
}
