package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store/db"
)

// Replay is a letter that is to be mapped again.
type Replay struct {
	LetterID [16]byte
	Run      string
	// Key is kept: a replay is the same event in its next generation.
	Key        string
	Generation int // the next one
	Payload    []byte
	Place      record.Place
	AcceptedAt time.Time
	// Code and Message say why it was refused before Salesforce; "" = it was not.
	Code, Message string
	// FailureID is reconciler_pub.failures.id that holds the payload; 0 = it stands in extractor.dead.
	FailureID int64
	// Ambiguous says that a try of any generation before may have had an effect that nobody saw.
	Ambiguous bool
}

// replayBytes bounds the payloads that are taken at once, which are all in memory.
const replayBytes = 32 << 20

// PipelinesWithReplays lists pipelines that have letters which nobody took yet.
func (s *Store) PipelinesWithReplays(ctx context.Context) ([]string, error) {
	names, err := s.q.PipelinesWithReplays(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for replays: %w", err)
	}
	return names, nil
}

// TakeReplays takes letters that must be mapped again under t's revision, at most so many and of bounded size, and stores what again makes of them, all in
// one transaction: a letter is taken once, whatever happens. It answers how many. inForce is the revision that the caller found in force
// (0 = none): pg.ErrLost when it is another one by now, whose lanes may be others.
func (s *Store) TakeReplays(ctx context.Context, t Target, inForce, most int, again func([]Replay) (decide.Commit, []record.Message, error)) (int, error) {
	n := 0
	err := pg.InTx(ctx, s.pool, labelReplay, func(ctx context.Context, tx pgx.Tx) error {
		n = 0
		q := s.q.WithTx(tx)
		if err := q.LockPipeline(ctx, t.Pipeline); err != nil {
			return err
		}
		reader, err := q.Reader(ctx, t.Pipeline)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if int(reader.Revision) != inForce {
			return fmt.Errorf("revision %d is in force, not %d: %w", reader.Revision, inForce, pg.ErrLost)
		}
		rows, err := q.Replays(ctx, db.ReplaysParams{Pipeline: t.Pipeline, Most: int32(most), MostBytes: replayBytes})
		if err != nil || len(rows) == 0 {
			return err
		}
		letters, replays := make([]uuid.UUID, len(rows)), make([]Replay, len(rows))
		for i, r := range rows {
			letters[i] = r.LetterID
			replays[i] = Replay{
				LetterID: r.LetterID, Run: r.Run, Key: r.Key, Generation: int(r.Generation), Payload: r.Payload,
				Place: place(r.Seq, r.Idx), AcceptedAt: r.AcceptedAt, FailureID: r.FailureID, Ambiguous: r.Ambiguous,
				Code: r.Code, Message: r.Message,
			}
		}
		c, messages, err := again(replays)
		if err != nil {
			return err
		}
		taken, err := q.TakeLetters(ctx, letters)
		if err != nil {
			return err
		}
		if taken != int64(len(letters)) {
			return fmt.Errorf("%d of %d letters were free: %w", taken, len(letters), pg.ErrLost)
		}
		if err := insert(ctx, tx, q, t, record.ChunkReplay, c); err != nil {
			return err
		}
		// The reader, here or elsewhere, remembers what it stored itself.
		if err := q.NoteAside(ctx, t.Pipeline); err != nil {
			return fmt.Errorf("note that records were stored: %w", err)
		}
		n = len(rows)
		return pg.Enqueue(ctx, tx, Schema, messages...)
	})
	return n, err
}
