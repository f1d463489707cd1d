package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrNoMessage says that the stream holds no message of this sequence (any more).
var ErrNoMessage = errors.New("no such message in the stream")

const (
	apiDirectGet = "$JS.API.DIRECT.GET."
	// One batched get asks for at most this much; the broker ends it there and the rest is asked for again.
	directMessages = 256
	directBytes    = 16 << 20
	// Wanted messages that stand this near to each other are fetched as one range, with what lies between.
	directNear = 8

	headerStream    = "Nats-Stream"
	headerSubject   = "Nats-Subject"
	headerSequence  = "Nats-Sequence"
	headerTimeStamp = "Nats-Time-Stamp"
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
		last, err := getRange(ctx, conn, stream, wanted[0], wanted[n-1], wanted[:n], out)
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

// getRange asks for first to last and puts what is wanted into out. It returns the sequence up to which everything is now known.
func getRange(ctx context.Context, conn *Conn, stream string, first, last uint64, wanted []uint64, out map[uint64]Msg) (uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	where := func(err error) error { return fmt.Errorf("stream %s, messages %d to %d: %w", stream, first, last, err) }
	body, err := json.Marshal(map[string]any{"seq": first, "batch": last - first + 1, "max_bytes": directBytes})
	if err != nil {
		return 0, where(err)
	}
	inbox := conn.NC.NewInbox()
	sub, err := conn.NC.SubscribeSync(inbox)
	if err != nil {
		return 0, where(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // best effort: the connection may be closed
	if err := conn.NC.PublishRequest(apiDirectGet+stream, inbox, body); err != nil {
		return 0, where(err)
	}
	var upTo uint64
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, where(err)
		}
		switch status := msg.Header.Get("Status"); {
		case msg.Header.Get(headerSequence) != "":
			m, err := directMessage(msg)
			if err != nil {
				return 0, where(err)
			}
			upTo = m.Seq
			if _, ok := slices.BinarySearch(wanted, m.Seq); ok {
				out[m.Seq] = m
			}
			if m.Seq >= last {
				return last, nil
			}
		case status == "204": // end of batch
			if upTo == 0 {
				return last, nil
			}
			if pending := msg.Header.Get("Nats-Num-Pending"); pending == "0" {
				return last, nil
			}
			return upTo, nil
		case status == "404": // nothing at or behind first
			return last, nil
		case status == "503":
			return 0, where(nats.ErrNoResponders)
		default:
			return 0, where(fmt.Errorf("broker answers %s %s", status, msg.Header.Get("Description")))
		}
	}
}

func directMessage(msg *nats.Msg) (Msg, error) {
	seq, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return Msg{}, fmt.Errorf("direct get: sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(headerTimeStamp))
	if err != nil {
		return Msg{}, fmt.Errorf("direct get: time: %w", err)
	}
	m := Msg{Seq: seq, Subject: msg.Header.Get(headerSubject), Header: msg.Header, Data: msg.Data, Time: at}
	for _, h := range []string{headerStream, headerSubject, headerSequence, headerTimeStamp, "Nats-Num-Pending", "Nats-Last-Sequence"} {
		m.Header.Del(h)
	}
	return m, nil
}
