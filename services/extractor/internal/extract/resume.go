package extract

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/extractor/internal/store"
)

// Resumed says what a resume did.
type Resumed struct {
	// After is the sequence up to which marks were raised: what the stream lacks up to there was given up. Raised is the number of lanes that had not decided
	// all of it.
	After  uint64
	Raised int
	// Again are the messages that were stored again, behind everything that was ever read.
	Again bus.Again
}

// Resume lets a stopped pipeline go on, on a person's word that what is missing from its stream is lost. Sequences must never run backwards, for they say
// which version of an entity is newer: messages that nobody has read and that stand under sequences that were read are stored again behind these, and
// publishers are refused meanwhile. A call that broke off is made again.
func Resume(ctx context.Context, s *store.Store, conn *bus.Conn, pipelineName string) (Resumed, error) {
	status, ok, err := s.Status(ctx, pipelineName)
	if err != nil {
		return Resumed{}, err
	}
	if !ok || status.StoppedCode == "" {
		// One that broke off at its very end has left the publishers waiting.
		err := bus.Reopen(ctx, conn, pipelineName)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = nil
		}
		return Resumed{}, errors.Join(fmt.Errorf("pipeline %s: %w", pipelineName, store.ErrNotStopped), err)
	}
	marks, err := s.Marks(ctx, pipelineName)
	if err != nil {
		return Resumed{}, err
	}
	_, high := bounds(marks)
	l := loss{conn: conn, stream: bus.RecordsStream(pipelineName), status: status, high: high.Seq}
	info, err := bus.Info(ctx, conn, l.stream)
	if err != nil {
		return Resumed{}, err
	}
	unread, err := l.firstUnread(ctx, info)
	if err != nil {
		return Resumed{}, err
	}
	r := Resumed{After: info.First - 1}
	next := store.Resumption{Incarnation: info.Incarnation, After: r.After}
	if unread <= l.high {
		r.Again, err = bus.StoreAgain(ctx, conn, pipelineName, func(info bus.StreamInfo) (bus.Again, error) {
			from, err := l.firstUnread(ctx, info)
			return bus.Again{From: from, Through: info.Last, Behind: max(info.Last, l.high)}, err
		})
		if err != nil {
			return r, err
		}
		next.Skipped = store.Skipped{From: r.Again.From, Through: r.Again.Behind}
	}
	if next.Read, err = l.readBefore(ctx, max(r.Again.Behind, r.After)); err != nil {
		return r, err
	}
	if r.Raised, err = s.Resume(ctx, pipelineName, next); err != nil {
		return r, err
	}
	return r, bus.Reopen(ctx, conn, pipelineName)
}

// loss is a stream that is not as it was read.
type loss struct {
	conn   *bus.Conn
	stream string
	status store.Status
	high   uint64 // up to where it was decided
}

// firstUnread is the first message of the stream that nobody can have read, though it may stand under a sequence that was; behind the last one when there is
// none. In a stream that was put back it is the first that was stored after the last message that was read, by the broker's clock.
func (l *loss) firstUnread(ctx context.Context, info bus.StreamInfo) (uint64, error) {
	if !l.status.Incarnation.Truncate(time.Microsecond).Equal(info.Incarnation.Truncate(time.Microsecond)) {
		return info.First, nil
	}
	read := l.status.Read
	if read.Seq == 0 {
		if info.Last < l.high {
			return 0, fmt.Errorf("stream %s holds messages %d to %d and was read up to %d, and it is not known which message was read last: make it again with first sequence %d or above, so that new records stand behind old ones",
				l.stream, info.First, info.Last, l.high, l.high+1)
		}
		return info.Last + 1, nil
	}
	err := read.Stands(ctx, l.conn, l.stream, info)
	var (
		shortened *bus.ShortenedError
		replaced  *bus.ReplacedError
	)
	switch {
	case err == nil:
		return max(read.Seq, info.Last) + 1, nil
	case !errors.As(err, &shortened) && !errors.As(err, &replaced):
		return 0, err
	}
	low, high := info.First, info.Last+1
	for low < high {
		middle := low + (high-low)/2
		m, err := bus.GetMessage(ctx, l.conn, l.stream, middle)
		if err != nil {
			return 0, err
		}
		if read.Before(m) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// readBefore is the message at a sequence as one that was read; zero where the stream holds none.
func (l *loss) readBefore(ctx context.Context, seq uint64) (bus.Witness, error) {
	m, err := bus.GetMessage(ctx, l.conn, l.stream, seq)
	switch {
	case errors.Is(err, bus.ErrNoMessage), seq == 0:
		return bus.Witness{}, nil
	case err != nil:
		return bus.Witness{}, err
	}
	return bus.Witness{Seq: seq, Stored: m.Time}, nil
}
