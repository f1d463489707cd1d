package letters

import (
	"context"
	"errors"
	"fmt"

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
func (x *Index) DeleteClosed(ctx context.Context) (int, error) {
	rows, err := x.store.Read().MessagesToDelete(ctx, deleteBatch)
	if err != nil {
		return 0, fmt.Errorf("look for messages of closed letters: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	same, err := x.dlqAsRead(ctx)
	if err != nil || !same {
		return 0, err
	}
	deleted := 0
	for _, r := range rows {
		message := store.LetterMessage{Seq: uint64(r.Seq), LetterID: r.LetterID}
		if err := x.deleteMessage(ctx, message); err != nil {
			return deleted, fmt.Errorf("delete the message of letter %s: %w", r.LetterID, err)
		}
		deleted++
	}
	return deleted, nil
}

// dlqAsRead says whether the DLQ stream is the one that the noted places belong to.
func (x *Index) dlqAsRead(ctx context.Context) (bool, error) {
	info, err := bus.Info(ctx, x.conn, bus.StreamDLQ)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil // with it the messages are gone; the reader notices the next one
	}
	if err != nil {
		return false, err
	}
	place, err := x.store.Read().Checkpoint(ctx, readerName)
	if err != nil {
		return false, fmt.Errorf("read the checkpoint: %w", err)
	}
	return incarnationOf(info.Incarnation).Equal(place.Incarnation.UTC()), nil
}

func (x *Index) deleteMessage(ctx context.Context, m store.LetterMessage) error {
	stored, err := bus.GetMessage(ctx, x.conn, bus.StreamDLQ, m.Seq)
	switch {
	case errors.Is(err, bus.ErrNoMessage):
	case err != nil:
		return err
	case stored.Header.Get(bus.HeaderDeadLetter) == m.LetterID.String():
		if err := fault.Point(ctx, pointDelete); err != nil {
			return err
		}
		if err := bus.DeleteLetter(ctx, x.conn, m.Seq); err != nil {
			return err
		}
		if err := fault.Point(ctx, pointForget); err != nil {
			return err
		}
	}
	return x.store.ForgetMessage(ctx, m)
}
