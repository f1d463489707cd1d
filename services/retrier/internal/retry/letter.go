package retry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

// letterBatch bounds the letters of one transaction; the broker takes as many in one atomic batch.
const letterBatch = 200

// letterOf is the dead letter of an exhausted record: everything that a person needs, every attempt included.
func letterOf(b store.Body, class, code string, deadAt time.Time) (record.Message, error) {
	id := uuid.UUID(record.LetterID(b.Pipeline, b.Key, b.Generation))
	var attempts []bus.LetterAttempt
	if err := json.Unmarshal(b.Attempts, &attempts); err != nil {
		return record.Message{}, fmt.Errorf("attempts of failure %d: %w", b.ID, err)
	}
	row := make(map[string]string, len(b.Header))
	for i, column := range b.Header {
		if i < len(b.Cells) && b.Cells[i] != "" {
			row[column] = b.Cells[i]
		}
	}
	return bus.DeadLetterMessage(bus.DeadLetter{
		ID: id.String(), Pipeline: b.Pipeline, Revision: b.Revision, Key: b.Key, Generation: b.Generation, Entity: b.Entity,
		Class: class, Code: code, Message: b.Message, Fields: b.Fields, Stage: record.StageRetry,
		Payload: b.Payload, Row: row, Attempts: attempts,
		Origin: bus.LetterOrigin{Stream: bus.RecordsStream(b.Pipeline), Sequence: b.Place.Seq, Index: b.Place.Idx},
		Run:    b.Run, AcceptedAt: b.AcceptedAt.UTC(), DeadAt: deadAt.UTC(),
	})
}

// Republish publishes every open letter of the retrier again when the DLQ stream is another one than it was, or the first one seen, or when ops
// asks for them: letters were lost, the ledger still has them. It says how many it enqueued.
func (p *Passes) Republish(ctx context.Context) (int, error) {
	since, err := p.streams.LettersSince(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the DLQ stream: %w", err)
	}
	is := since.UTC().Truncate(time.Microsecond) // as PostgreSQL stores it
	was, known, err := p.store.DLQIncarnation(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the known DLQ stream: %w", err)
	}
	if known && (was.Equal(is) || planted.On(planted.CheckpointWithoutIncarnation)) {
		return 0, nil
	}
	n, err := p.republishAll(ctx)
	if err != nil {
		return n, err
	}
	// Last, so that a crash in between publishes again: a letter that stands twice does no harm, a missing one does.
	note := func() error { return p.store.MoveDLQ(ctx, was, is) }
	if !known {
		note = func() error { return p.store.NoteDLQ(ctx, is) }
	}
	if err := note(); err != nil && !errors.Is(err, pg.ErrLost) {
		return n, fmt.Errorf("note the DLQ stream: %w", err)
	}
	if n > 0 {
		p.logger.WarnContext(ctx, "DLQ stream is another one, or may lack letters: open ones published again", "letters", n, "since", is)
	}
	return n, nil
}

func (p *Passes) republishAll(ctx context.Context) (int, error) {
	total := 0
	for after := (uuid.UUID{}); ; {
		open, err := p.store.OpenLetters(ctx, after, letterBatch)
		if err != nil {
			return total, fmt.Errorf("read open letters: %w", err)
		}
		if len(open) == 0 {
			return total, nil
		}
		messages, err := p.messagesOf(ctx, open)
		if err != nil {
			return total, err
		}
		if err := p.store.Enqueue(ctx, messages); err != nil {
			return total, fmt.Errorf("enqueue open letters: %w", err)
		}
		total += len(messages)
		after = open[len(open)-1].ID
	}
}

func (p *Passes) messagesOf(ctx context.Context, open []store.OpenLetter) ([]record.Message, error) {
	ids := make([]int64, len(open))
	of := make(map[int64]store.OpenLetter, len(open))
	for i, l := range open {
		ids[i], of[l.FailureID] = l.FailureID, l
	}
	bodies, err := p.store.Bodies(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read what open letters say: %w", err)
	}
	var messages []record.Message
	for _, b := range bodies {
		l := of[b.ID]
		m, err := letterOf(b, l.Class, l.Code, l.DeadAt)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}
