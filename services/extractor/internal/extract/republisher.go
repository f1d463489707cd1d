package extract

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/store"
)

// lettersAtOnce bounds the letters of one transaction; each has at most a mebibyte.
const lettersAtOnce = 100

// Republisher publishes every open letter of the extractor again when the stream of dead letters was made again, or when ops asks for them.
type Republisher struct {
	Deps
	// Since says since when the stream of dead letters has to be given every letter, as [bus.LettersSince] does; an error that wraps
	// jetstream.ErrStreamNotFound means that there is none.
	Since func(ctx context.Context) (time.Time, error)
}

// Pass compares the stream with the one that letters went to so far. It always answers 0: nothing follows until the stream changes.
func (r *Republisher) Pass(ctx context.Context) (int, error) {
	since, err := r.Since(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil // letters wait in the outbox
	}
	if err != nil {
		return 0, err
	}
	since = since.Truncate(time.Microsecond)
	was, err := r.Store.Courier(ctx, bus.StreamDLQ)
	if err != nil || was.Equal(since) || planted.On(planted.CheckpointWithoutIncarnation) && !was.IsZero() {
		return 0, err
	}
	// Also when no stream was noted before: an earlier one may have come and gone with letters in it before anybody looked. A letter that stands
	// twice does no harm, a missing one does.
	n, err := r.republish(ctx)
	if err != nil {
		return 0, err
	}
	// Only now: after a crash before this, letters are published twice, and never not at all.
	if err := r.Store.SetCourier(ctx, bus.StreamDLQ, since); err != nil {
		return 0, err
	}
	if n > 0 {
		r.Logger.WarnContext(ctx, "the stream of dead letters was made again, or may lack letters: open ones are published again", "letters", n)
	}
	return 0, nil
}

func (r *Republisher) republish(ctx context.Context) (int, error) {
	n := 0
	var after [16]byte
	for {
		last, more, err := r.Store.Republish(ctx, after, lettersAtOnce, func(l *store.OpenLetter) (record.Message, error) {
			n++
			return letter(l.Pipeline, l.Revision, &l.Dead, l.DeadAt)
		})
		if err != nil {
			return n, fmt.Errorf("publish letters again: %w", err)
		}
		if !more {
			return n, nil
		}
		after = last
	}
}
