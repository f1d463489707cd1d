package ledger

import (
	"context"
	"errors"
	"math"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

// Stream asks NATS.
type Stream struct{ Conn *bus.Conn }

// Unread asks the pipeline's stream.
func (s Stream) Unread(ctx context.Context, pipeline string, marks []Mark) (Unread, error) {
	info, err := bus.Info(ctx, s.Conn, bus.RecordsStream(pipeline))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Unread{}, nil
	}
	if err != nil {
		return Unread{}, err
	}
	first, ok := firstUnread(marks, info.First, info.Last)
	if !ok {
		return Unread{}, nil
	}
	u := Unread{Messages: int64(info.Last - first + 1)}
	if info.Messages > 0 {
		// By the average size: the broker counts bytes for the whole stream only.
		u.Bytes = int64(float64(info.Bytes) / float64(info.Messages) * float64(u.Messages))
	}
	m, err := bus.GetMessage(ctx, s.Conn, bus.RecordsStream(pipeline), first)
	switch {
	case errors.Is(err, bus.ErrNoMessage):
	case err != nil:
		return Unread{}, err
	default:
		u.Oldest = max(info.At.Sub(m.Time), 0)
	}
	return u, nil
}

// frameEnd is the index of a mark behind the last record of its message, as the extractor writes it.
const frameEnd = math.MaxInt32

// firstUnread is the first message with something that is not accepted yet; false when everything is.
func firstUnread(marks []Mark, first, last uint64) (uint64, bool) {
	next := first
	for i, m := range marks {
		undecided := m.Place.Seq
		if m.Place.Idx == frameEnd {
			undecided++
		}
		if i == 0 || undecided < next {
			next = undecided
		}
	}
	next = max(next, first)
	return next, next <= last && last > 0
}
