package extract

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
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
	// Lost are the sequences behind those that every lane has decided under which the stream holds nothing: they were given up. More of them may be left, and
	// stop the pipeline once more, where there are more than can be noted at once.
	Lost []bus.Range
}

// mostLost is how many holes one resume gives up: each is looked for at each message that is read.
const mostLost = 1000

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
	skipped, err := s.Skipped(ctx, pipelineName)
	if err != nil {
		return Resumed{}, err
	}
	low, high := bounds(marks)
	l := loss{conn: conn, stream: bus.RecordsStream(pipelineName), status: status, skipped: skipped, high: high.Seq}
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
	switch {
	case unread == 0:
		next.Known = max(status.Read.Seq, l.high)
		if next.Skipped, err = l.stillMissing(ctx, next.Known, info.Last); err != nil {
			return r, err
		}
	case unread > l.high:
		next.Known = unread - 1
	default:
		r.Again, err = bus.StoreAgain(ctx, conn, pipelineName, func(info bus.StreamInfo) (bus.Again, error) {
			from, err := l.firstUnread(ctx, info)
			if from == 0 { // it is whole all at once
				from = info.Last + 1
			}
			return bus.Again{From: from, Through: info.Last, Behind: max(info.Last, l.high)}, err
		})
		if err != nil {
			return r, err
		}
		next.Known, next.Skipped = r.Again.Behind, []bus.Range{{From: r.Again.From, Through: r.Again.Behind}}
	}
	if r.Lost, err = l.lost(ctx, max(decidedUpTo(low), r.After), slices.Concat(next.Skipped, upTo(skipped, next.Known))); err != nil {
		return r, err
	}
	next.Skipped = append(next.Skipped, r.Lost...)
	if next.Read, err = l.lastRead(ctx, unread, next.Known); err != nil {
		return r, err
	}
	if r.Raised, err = s.Resume(ctx, pipelineName, next); err != nil {
		return r, err
	}
	return r, bus.Reopen(ctx, conn, pipelineName)
}

// loss is a stream that is not as it was read.
type loss struct {
	conn    *bus.Conn
	stream  string
	status  store.Status
	skipped []bus.Range
	high    uint64 // up to where it was decided
}

// firstUnread is the first message of the stream that nobody can have read, though it may stand under a sequence that was; behind the last one when there is
// none. In a stream that was put back it is the first that was stored after the last message that was read, by the broker's clock. 0 = the stream holds what
// was read as it was read, and nobody has read what follows.
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
		return 0, nil
	}
	err := read.Stands(ctx, l.conn, l.stream, info)
	var (
		shortened *bus.ShortenedError
		replaced  *bus.ReplacedError
	)
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &shortened) && !errors.As(err, &replaced):
		return 0, err
	}
	low, high := info.First, info.Last+1
	for _, s := range l.skipped {
		from, uncopied, err := l.uncopied(ctx, s)
		if err != nil {
			return 0, err
		}
		if uncopied {
			high = min(high, max(from, low))
		}
	}
	for low < high {
		middle := low + (high-low)/2
		m, ok, err := l.next(ctx, middle)
		switch {
		case err != nil:
			return 0, err
		case !ok || m.Seq >= high || read.Before(m):
			high = middle
		default:
			low = m.Seq + 1
		}
	}
	// What is missing before it may have been read.
	m, ok, err := l.next(ctx, low)
	if err != nil || !ok {
		return info.Last + 1, err
	}
	return m.Seq, nil
}

// uncopied is the first message that stands in a range that nobody reads, if there is one and what was stored again behind the range is gone: the stream was
// put back once more, to where that was not done. Some of it may have been read since, as repeats tell.
func (l *loss) uncopied(ctx context.Context, skipped bus.Range) (from uint64, uncopied bool, err error) {
	m, there, err := firstOf(ctx, l.at, l.stream, skipped)
	if err != nil || !there || bus.IsFiller(m) {
		return 0, false, err
	}
	behind, there, err := firstOf(ctx, l.at, l.stream, bus.Range{From: skipped.Through + 1, Through: skipped.Through + 1})
	return m.Seq, err == nil && (!there || !bus.IsCopy(behind)), err
}

func (l *loss) at(ctx context.Context, stream string, seq uint64) (bus.Msg, error) {
	return bus.NextStored(ctx, l.conn, stream, seq)
}

// next is the message at a sequence, or the next one behind a hole; false = there is none.
func (l *loss) next(ctx context.Context, seq uint64) (bus.Msg, bool, error) {
	return firstOf(ctx, l.at, l.stream, bus.Range{From: seq, Through: math.MaxUint64})
}

// firstOf is the first message that a stream holds among sequences, given the message at one or the next one behind it; false = it holds none of them.
func firstOf(ctx context.Context, at func(context.Context, string, uint64) (bus.Msg, error), stream string, among bus.Range) (bus.Msg, bool, error) {
	if among.From > among.Through {
		return bus.Msg{}, false, nil
	}
	m, err := at(ctx, stream, among.From)
	if errors.Is(err, bus.ErrNoMessage) {
		return bus.Msg{}, false, nil
	}
	return m, err == nil && m.Seq <= among.Through, err
}

// stillMissing are, of what is skipped behind a sequence, the ranges under which the stream holds nothing to this day, though it goes on behind them.
func (l *loss) stillMissing(ctx context.Context, known, last uint64) ([]bus.Range, error) {
	var out []bus.Range
	for _, s := range l.skipped {
		if s.From <= known || s.Through > last {
			continue
		}
		_, there, err := firstOf(ctx, l.at, l.stream, s)
		if err != nil {
			return nil, err
		}
		if !there {
			out = append(out, s)
		}
	}
	return out, nil
}

// lost are the holes in the stream behind a sequence that are not skipped already.
func (l *loss) lost(ctx context.Context, after uint64, skipped []bus.Range) ([]bus.Range, error) {
	holes, _, err := lost(ctx, func(ctx context.Context, stream string, after uint64) ([]bus.Range, bool, error) {
		return bus.Holes(ctx, l.conn, stream, after)
	}, l.stream, after, skipped)
	return holes[:min(len(holes), mostLost)], err
}

// lost are the holes in a stream behind a sequence that are not skipped; all = false when there may be more.
func lost(ctx context.Context, holes func(context.Context, string, uint64) ([]bus.Range, bool, error), stream string, after uint64, skipped []bus.Range) (
	found []bus.Range, all bool, err error,
) {
	for {
		some, all, err := holes(ctx, stream, after)
		if err != nil {
			return nil, false, err
		}
		if found := uncovered(some, skipped); all || len(some) == 0 || len(found) > 0 {
			return found, all, nil
		}
		after = some[len(some)-1].Through // the only one that was found is skipped
	}
}

// uncovered are the holes of which not all is among other sequences.
func uncovered(holes, others []bus.Range) []bus.Range {
	var out []bus.Range
	for _, h := range holes {
		if !bus.Covered(others, h.From, h.Through) {
			out = append(out, h)
		}
	}
	return out
}

// upTo are the parts of ranges up to a sequence.
func upTo(ranges []bus.Range, through uint64) []bus.Range {
	var out []bus.Range
	for _, r := range ranges {
		if r.From <= through {
			out = append(out, bus.Range{From: r.From, Through: min(r.Through, through)})
		}
	}
	return out
}

// lastRead is the message of the stream that counts as the last one read: the one that was, while the stream is as it was read, or else the last one up to
// where it is known. Zero where the stream holds none.
func (l *loss) lastRead(ctx context.Context, unread, known uint64) (bus.Witness, error) {
	if unread == 0 && l.status.Read.Seq > 0 {
		return l.status.Read, nil
	}
	info, err := bus.Info(ctx, l.conn, l.stream)
	if err != nil {
		return bus.Witness{}, err
	}
	m, err := bus.LastUpTo(ctx, l.conn, l.stream, info, known)
	if err != nil && !errors.Is(err, bus.ErrNoMessage) {
		return bus.Witness{}, err
	}
	return bus.Witness{Seq: m.Seq, Stored: m.Time}, nil
}
