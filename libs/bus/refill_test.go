package bus_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

func TestLettersAreAskedForOnTheStreamItself(t *testing.T) {
	onBoth(t, func(t *testing.T, b side) {
		conn := b.conn(t)
		if _, err := bus.LettersSince(t.Context(), conn); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("without a stream: %v", err)
		}
		if err := bus.AskForLetters(t.Context(), conn); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("asking without a stream: %v", err)
		}
		must(t, bus.EnsureDLQ(t.Context(), conn, bus.Limits{}))
		info, err := bus.Info(t.Context(), conn, bus.StreamDLQ)
		must(t, err)
		last, err := bus.LettersSince(t.Context(), conn)
		must(t, err)
		if !last.Equal(info.Incarnation) {
			t.Errorf("a new stream has to be given letters since %s, want since it was made: %s", last, info.Incarnation)
		}
		for range 3 {
			must(t, bus.AskForLetters(t.Context(), conn))
			must(t, bus.EnsureDLQ(t.Context(), conn, bus.Limits{}))
			since, err := bus.LettersSince(t.Context(), conn)
			must(t, err)
			if !since.After(last) {
				t.Errorf("asked again, letters are wanted since %s, want later than %s", since, last)
			}
			last = since
		}
		if now, err := bus.Info(t.Context(), conn, bus.StreamDLQ); err != nil || !now.Incarnation.Equal(info.Incarnation) {
			t.Errorf("asking made another stream of it: %v, %v", now.Incarnation, err)
		}
		b.forget(t, bus.StreamDLQ)
		must(t, bus.EnsureDLQ(t.Context(), conn, bus.Limits{}))
		info, err = bus.Info(t.Context(), conn, bus.StreamDLQ)
		must(t, err)
		if since, err := bus.LettersSince(t.Context(), conn); err != nil || !since.Equal(info.Incarnation) {
			t.Errorf("a stream that was made again remembers that the old one was asked for: %s, %v", since, err)
		}
	})
}
