package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoMessage says that the stream holds no message of this sequence (any more).
var ErrNoMessage = errors.New("no such message in the stream")

const (
	// One batched get asks for at most this much; the broker ends it there and the rest is asked for again.
	directMessages = 256
	directBytes    = 16 << 20
	// Wanted messages that stand this near to each other are fetched as one range, with what lies between.
	directNear = 8
)

// GetMessage reads one stored message by its sequence. One that is not there gives [ErrNoMessage].
func GetMessage(ctx context.Context, conn *Conn, stream string, seq uint64) (Msg, error) {
	found, err := GetMany(ctx, conn, stream, []uint64{seq})
	if err != nil {
		return Msg{}, err
	}
	m, ok := found[seq]
	if !ok {
		return Msg{}, fmt.Errorf("stream %s, message %d: %w", stream, seq, ErrNoMessage)
	}
	return m, nil
}

// GetMany reads stored messages by their sequences, in batches where they stand near to each other. What is not in the answer is not in
// the stream. The caller bounds how much it asks for: everything is held in memory.
func GetMany(ctx context.Context, conn *Conn, stream string, seqs []uint64) (map[uint64]Msg, error) {
	wanted := slices.Clone(seqs)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	out := make(map[uint64]Msg, len(wanted))
	for len(wanted) > 0 {
		if wanted[0] == 0 { // no message has the sequence 0, and the broker reads it as "none given"
			wanted = wanted[1:]
			continue
		}
		n := 1
		for n < len(wanted) && wanted[n]-wanted[n-1] <= directNear && wanted[n]-wanted[0] < directMessages {
			n++
		}
		last, err := getRange(ctx, conn.Broker, stream, wanted[:n], out)
		if err != nil {
			return nil, err
		}
		// The broker may have ended at its bound of bytes: go on behind what it gave.
		for len(wanted) > 0 && wanted[0] <= last {
			wanted = wanted[1:]
		}
	}
	return out, nil
}

// NextMessage reads the first stored message of a subject, which may have wildcards, at or behind a sequence, as the stream's leader knows it. When there
// is none it gives [ErrNoMessage].
func NextMessage(ctx context.Context, conn *Conn, stream, subject string, first uint64) (Msg, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := conn.Broker.Next(ctx, stream, subject, first)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNoMessage
	}
	if err != nil {
		return Msg{}, fmt.Errorf("stream %s, %s from %d on: %w", stream, subject, first, err)
	}
	return m, nil
}

// NextStored is [NextMessage] for any subject.
func NextStored(ctx context.Context, conn *Conn, stream string, first uint64) (Msg, error) {
	return NextMessage(ctx, conn, stream, ">", first)
}

// getRange asks for what lies between the first and the last of wanted and puts those into out. It returns the sequence up to which everything is
// now known.
func getRange(ctx context.Context, broker Broker, stream string, wanted []uint64, out map[uint64]Msg) (uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	first, last := wanted[0], wanted[len(wanted)-1]
	upTo, err := broker.Range(ctx, stream, first, last, directBytes, func(m Msg) {
		if _, ok := slices.BinarySearch(wanted, m.Seq); ok {
			out[m.Seq] = m
		}
	})
	if err != nil {
		return 0, fmt.Errorf("stream %s, messages %d to %d: %w", stream, first, last, err)
	}
	return upTo, nil
}
