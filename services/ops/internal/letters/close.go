package letters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// States of a letter.
const (
	// StateOpen: it waits for a person.
	StateOpen = "open"
	// StateReplaying: it was ordered to be sent again; what becomes of the next generation is not known yet.
	StateReplaying = "replaying"
	// StateLanded, StateSuperseded: that became of the next generation.
	StateLanded     = "landed"
	StateSuperseded = "superseded"
	// StateDiscarded, StateRolledBack: a person decided it.
	StateDiscarded  = "discarded"
	StateRolledBack = "rolled_back"
	// StateDiedAgain: the next generation is dead and has a letter of its own.
	StateDiedAgain = "died_again"
)

// States are all states of a letter.
func States() []string {
	return []string{StateOpen, StateReplaying, StateLanded, StateSuperseded, StateDiscarded, StateRolledBack, StateDiedAgain}
}

const (
	closeBatch  = 500
	deleteBatch = 200
	// settleTime bounds the look behind deletions, which is made also when the pass was told to stop.
	settleTime = 5 * time.Second
	// pointDelete stands around the deletion of a closed letter's message.
	pointDelete = "ops.letters.before_delete"
	pointForget = "ops.letters.after_delete"
)

// verdicts are the numbers of the query ReplayVerdicts.
var verdicts = map[int32]string{3: StateLanded, 2: StateSuperseded, 1: StateDiedAgain}

// CloseKnown closes replayed letters whose next generation has come to an end, and says how many.
func (x *Index) CloseKnown(ctx context.Context) (int, error) {
	closed := 0
	for after := (uuid.UUID{}); ; {
		rows, err := x.store.Read().ReplayVerdicts(ctx, db.ReplayVerdictsParams{After: after, MaxLetters: closeBatch})
		if err != nil {
			return closed, fmt.Errorf("look at replayed letters: %w", err)
		}
		if len(rows) == 0 {
			return closed, nil
		}
		for _, r := range rows {
			err := x.store.Close(ctx, r.LetterID, verdicts[r.Verdict])
			if errors.Is(err, pg.ErrLost) {
				continue
			}
			if err != nil {
				return closed, fmt.Errorf("close letter %s: %w", r.LetterID, err)
			}
			closed++
		}
		after = rows[len(rows)-1].LetterID
		if len(rows) < closeBatch {
			return closed, nil
		}
	}
}

// DeleteClosed takes the messages of closed letters out of the stream, and says how many. A message is deleted only when the stream is the one
// that was read and the message at the noted place is that letter: a sequence means nothing in another stream.
//
// The broker deletes by sequence alone. A stream that is deleted, made again and filled between the last look at it and the deletion loses another
// letter's message at that sequence. So the stream is looked at once more behind the deletions, also behind one without an answer: where it is another
// one and has a hole at such a sequence, every decider is asked for its open letters again. What remains is this process being killed in that very
// moment, or the broker carrying out a deletion behind a question that was put after it: the index still has the letter, from the deciders' views, and
// only the copy in the stream is missing, until the stream is made again.
func (x *Index) DeleteClosed(ctx context.Context) (int, error) {
	x.deleting.Lock()
	defer x.deleting.Unlock()
	if err := x.settleDoubts(ctx); err != nil {
		return 0, err
	}
	rows, err := x.store.Read().MessagesToDelete(ctx, deleteBatch)
	if err != nil {
		return 0, fmt.Errorf("look for messages of closed letters: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	made, same, err := x.dlqAsRead(ctx)
	if err != nil || !same {
		return 0, err
	}
	deleted := 0
	for _, r := range rows {
		message := store.LetterMessage{Seq: uint64(r.Seq), LetterID: r.LetterID}
		if err = x.deleteMessage(ctx, message, made); err != nil {
			err = fmt.Errorf("delete the message of letter %s: %w", r.LetterID, err)
			break
		}
		deleted++
	}
	if errors.Is(err, errOtherStream) {
		err = nil // the reader begins anew, and notes where the messages stand now
	}
	return deleted, errors.Join(err, x.settleDoubts(ctx))
}

// errOtherStream says that DLQ was made again while messages of it were deleted.
var errOtherStream = errors.New("stream DLQ is another one than was read")

// dlqAsRead says when the DLQ stream was made, and whether it is the one that the noted places belong to.
func (x *Index) dlqAsRead(ctx context.Context) (made time.Time, same bool, err error) {
	info, err := bus.Info(ctx, x.conn, bus.StreamDLQ)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return made, false, nil // with it the messages are gone; the reader notices the next one
	}
	if err != nil {
		return made, false, err
	}
	place, err := x.store.Read().Checkpoint(ctx, readerName)
	if err != nil {
		return made, false, fmt.Errorf("read the checkpoint: %w", err)
	}
	return info.Incarnation, incarnationOf(info.Incarnation).Equal(place.Incarnation.UTC()), nil
}

// deleteMessage deletes one message of the stream that was made at a time; [errOtherStream] when there is another one by now.
func (x *Index) deleteMessage(ctx context.Context, m store.LetterMessage, made time.Time) error {
	stored, err := bus.GetMessage(ctx, x.conn, bus.StreamDLQ, m.Seq)
	switch {
	case errors.Is(err, bus.ErrNoMessage):
	case err != nil:
		return err
	case stored.Header.Get(bus.HeaderDeadLetter) == m.LetterID.String():
		if err := fault.Point(ctx, pointDelete); err != nil {
			return err
		}
		// Again, and last: a process may be stopped for any time between a look and what it does next.
		info, err := bus.Info(ctx, x.conn, bus.StreamDLQ)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound), err == nil && !info.Incarnation.Equal(made):
			return errOtherStream
		case err != nil:
			return err
		}
		x.doubts.made, x.doubts.seqs = made, append(x.doubts.seqs, m.Seq)
		if err := bus.DeleteLetter(ctx, x.conn, m.Seq); err != nil {
			return err
		}
		if err := fault.Point(ctx, pointForget); err != nil {
			return err
		}
	}
	return x.store.ForgetMessage(ctx, m)
}

// doubts are deletions that may have met another stream than the one that was made at the time.
type doubts struct {
	made time.Time
	seqs []uint64
}

// settleDoubts looks whether deletions met the stream that they were meant for, and has letters published again that may be gone from another one.
// After an error, or with no stream at all, the question stays.
func (x *Index) settleDoubts(ctx context.Context) error {
	if len(x.doubts.seqs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	info, err := bus.Info(ctx, x.conn, bus.StreamDLQ)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look whether messages were deleted from the right stream: %w", err)
	}
	if !info.Incarnation.Equal(x.doubts.made) {
		holes := 0
		for _, seq := range x.doubts.seqs {
			if seq > info.Last {
				continue // nothing stood there
			}
			if _, err := bus.GetMessage(ctx, x.conn, bus.StreamDLQ, seq); errors.Is(err, bus.ErrNoMessage) {
				holes++
			} else if err != nil {
				return fmt.Errorf("look for message %d: %w", seq, err)
			}
		}
		if holes > 0 {
			if err := bus.AskForLetters(ctx, x.conn); err != nil {
				return err
			}
			x.logger.WarnContext(ctx, "DLQ stream was made again while messages of closed letters were deleted: open letters are asked for again", "messages", holes)
		}
	}
	x.doubts.seqs = nil
	return nil
}
