package journeys

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestStreamsThatAreDeletedInMidRunDelayWorkAndLoseNothing: NATS is a courier that may forget. FLOW goes when a job has been
// closed and its facts are under way, DLQ when it holds letters.
func TestStreamsThatAreDeletedInMidRunDelayWorkAndLoseNothing(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickPipelines(t))
	c := s.client(t)
	const half = 300
	keys := keysOf("n", 2*half)
	l := load{lands: map[string]bool{}}
	var dead, locked []string
	for i, k := range keys {
		l.lands[k] = i%30 != 4
		switch {
		case !l.lands[k]:
			dead = append(dead, k)
		case i%30 == 9:
			locked = append(locked, k)
		}
	}
	fault := s.org.fault(t, failRows(noLastName, dead, nil))
	s.org.fault(t, failRows(lockedRow, locked, map[string]any{"times_per_key": 1}))
	s.org.set(t, map[string]any{"rows_per_second": 1000}) // so that a job can be met while it runs
	drop := func(stream string) {
		t.Helper()
		eventually(t, stream+" stands, and is deleted", func(ctx context.Context) (bool, error) {
			err := c.js.DeleteStream(ctx, stream)
			return err == nil, err
		})
	}

	c.publish(t, "contacts", messagesOf(keys[:half], contact)...)
	awaitRunning(t, s.org, 0)
	drop("FLOW")
	c.publish(t, "contacts", messagesOf(keys[half:], contact)...)
	eventually(t, "letters stand in the stream", func(ctx context.Context) (bool, error) {
		n, err := c.stored(ctx, "DLQ")
		return n > 0, err
	})
	drop("DLQ")
	drop("FLOW")
	s.settle(t, "contacts", 2*half)
	checkLanded(t, s, s.org, l)
	s.org.checkSentAgain(t, "Contact")
	lettersComeBack := func(want int) {
		t.Helper()
		eventually(t, itoa(want)+" letters stand in the stream again", func(ctx context.Context) (bool, error) {
			n, err := c.stored(ctx, "DLQ")
			return n == uint64(want), err
		})
	}
	lettersComeBack(len(dead))

	// The same when nothing moves; then a replay takes its letter out of the new stream.
	drop("DLQ")
	lettersComeBack(len(dead))
	s.org.heal(t, fault)
	s.replay(t, "evt-"+dead[0])
	lettersComeBack(len(dead) - 1)
	b := s.settle(t, "contacts", 2*half)
	if want := (balance{Accepted: 2 * half, Landed: 2*half - int64(len(dead)) + 1, Dead: int64(len(dead)) - 1}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
}

// stored is how many messages a stream holds.
func (c client) stored(ctx context.Context, name string) (uint64, error) {
	stream, err := c.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.Msgs, nil
}
