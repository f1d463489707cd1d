package bus_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// leaderless is a broker whose consumer is there and has nobody who answers, until led.
type leaderless struct {
	bus.Broker

	led   atomic.Bool
	pulls atomic.Int64
}

func (*leaderless) EnsureConsumer(context.Context, string, jetstream.ConsumerConfig) (string, error) {
	return "poller", nil
}

func (b *leaderless) Pull(ctx context.Context, _, _ string, r bus.PullRequest, _ func(bus.Delivery) error) error {
	b.pulls.Add(1)
	if !b.led.Load() {
		return nats.ErrNoResponders
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.Expires):
		return nil
	}
}

// lines counts what is logged.
type lines struct {
	slog.Handler

	n atomic.Int64
}

func (l *lines) Handle(context.Context, slog.Record) error { l.n.Add(1); return nil }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler        { return l }

func TestAConsumerWithoutALeaderIsAskedMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, said := &leaderless{}, &lines{Handler: slog.NewTextHandler(t.Output(), nil)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- bus.Work(ctx, bus.Over(b), bus.Worker{
				Durable: "poller", Facts: []string{bus.FactJobSubmitted}, Logger: slog.New(said),
				Handler: func(context.Context, *flowv1.Envelope) error { return nil },
			})
		}()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n, told := b.pulls.Load(), said.n.Load(); n < 5 || n > 12 || told != 1 {
			t.Errorf("in the nine seconds of an election it was asked %d times, and %d lines tell of it", n, told)
		}
		b.led.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := said.n.Load(); n != 2 {
			t.Errorf("%d lines tell of its begin and its end", n)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
