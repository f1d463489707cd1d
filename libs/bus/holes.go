package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Range is the sequences from From to Through.
type Range struct{ From, Through uint64 }

// Holds says whether a sequence is one of them.
func (r Range) Holds(seq uint64) bool { return r.From <= seq && seq <= r.Through }

// Covered says whether each sequence from from to through is in one of the ranges, which stand in any order.
func Covered(ranges []Range, from, through uint64) bool {
	for from <= through {
		i := slices.IndexFunc(ranges, func(r Range) bool { return r.Holds(from) })
		if i < 0 {
			return false
		}
		from = ranges[i].Through + 1
	}
	return true
}

const (
	// mostMissing is how many sequences the broker is asked to list: some ten bytes each, in one answer.
	mostMissing = 1 << 20
	// holeStep is how many messages are read at once where they cannot be listed.
	holeStep = 256
)

// Holes are the sequences behind after that a stream holds no message of, though it once held messages behind them, in their order and as the stream's leader
// knows it. What has gone from the front is none of them. Where more than a million are missing in all, only the first hole is given (all = false), and the
// messages before it are read for that. A stream that is not there gives an error that wraps [jetstream.ErrStreamNotFound].
func Holes(ctx context.Context, conn *Conn, stream string, after uint64) (holes []Range, all bool, err error) {
	return holesOf(ctx, conn, stream, after, mostMissing)
}

func holesOf(ctx context.Context, conn *Conn, stream string, after, most uint64) (holes []Range, all bool, err error) {
	info, err := Info(ctx, conn, stream)
	if err != nil {
		return nil, false, err
	}
	after = max(after, info.First-1)
	switch missing := info.Last + 1 - info.First - info.Messages; {
	case missing == 0 || after >= info.Last:
		return nil, true, nil
	case missing > most:
		holes, err = firstHole(ctx, conn, stream, after, info.Last)
		return holes, false, err
	}
	bound, cancel := bounded(ctx)
	defer cancel()
	missing, err := conn.Broker.Missing(bound, stream)
	if err != nil {
		return nil, false, fmt.Errorf("stream %s: list what is missing: %w", stream, err)
	}
	for _, seq := range missing {
		switch n := len(holes); {
		case seq <= after:
		case n > 0 && holes[n-1].Through+1 == seq:
			holes[n-1].Through = seq
		default:
			holes = append(holes, Range{From: seq, Through: seq})
		}
	}
	return holes, true, nil
}

// firstHole reads on until a message is missing.
func firstHole(ctx context.Context, conn *Conn, stream string, after, last uint64) ([]Range, error) {
	for next := after + 1; next <= last; {
		from, through := next, min(next+holeStep-1, last)
		bound, cancel := bounded(ctx)
		there := make([]bool, through-from+1)
		upTo, err := conn.Broker.Range(bound, stream, from, through, directBytes, func(m Msg) { there[m.Seq-from] = true })
		cancel()
		if err != nil {
			return nil, fmt.Errorf("stream %s, messages %d to %d: %w", stream, from, through, err)
		}
		for next <= upTo && there[next-from] {
			next++
		}
		if next > upTo {
			continue
		}
		end, err := endOfHole(ctx, conn, stream, next, last)
		if err != nil {
			return nil, err
		}
		if end >= next {
			return []Range{{From: next, Through: end}}, nil
		}
		next++ // the leader has it
	}
	return nil, nil
}

// endOfHole is the last sequence, from seq to last, before the next message as the stream's leader knows it; seq-1 when it stands at seq.
func endOfHole(ctx context.Context, conn *Conn, stream string, seq, last uint64) (uint64, error) {
	m, err := NextStored(ctx, conn, stream, seq)
	switch {
	case errors.Is(err, ErrNoMessage):
		return last, nil
	case err != nil:
		return 0, err
	}
	return min(m.Seq-1, last), nil
}

// LastUpTo is the last message of a stream up to a sequence, as the stream's leader knows it. When there is none it gives [ErrNoMessage].
func LastUpTo(ctx context.Context, conn *Conn, stream string, info StreamInfo, seq uint64) (Msg, error) {
	var found Msg
	low, high := info.First, min(seq, info.Last)+1 // found stands before low, and nothing from high to seq
	for low < high {
		middle := low + (high-low)/2
		m, err := NextStored(ctx, conn, stream, middle)
		switch {
		case errors.Is(err, ErrNoMessage), err == nil && m.Seq >= high:
			high = middle
		case err != nil:
			return Msg{}, err
		default:
			found, low = m, m.Seq+1
		}
	}
	if found.Seq == 0 {
		return Msg{}, fmt.Errorf("stream %s, message %d or one before: %w", stream, seq, ErrNoMessage)
	}
	return found, nil
}
