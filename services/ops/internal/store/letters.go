package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/services/ops/internal/store/db"
)

// Letter is a dead letter as the index holds it.
type Letter struct {
	ID          uuid.UUID `json:"letter_id"`
	Pipeline    string    `json:"pipeline"`
	Revision    int       `json:"revision"`
	Run         string    `json:"run"`
	Key         string    `json:"key"`
	KeyHash     uuid.UUID `json:"key_hash"`
	Generation  int       `json:"generation"`
	Entity      string    `json:"entity"`
	Class       string    `json:"class"`
	Code        string    `json:"code"`
	Message     string    `json:"message"`
	Fields      []string  `json:"fields"`
	Stage       string    `json:"stage"`
	Fingerprint string    `json:"fingerprint"`
	DeadAt      time.Time `json:"dead_at"`
}

// Filter says which letters; an empty member matches all.
type Filter struct {
	Pipeline, Class, Code, Fingerprint, Run string
}

// Checkpoint is the place of a reader.
type Checkpoint struct {
	Incarnation time.Time
	Seq         uint64
}

// StartReader makes a reader's checkpoint when there is none.
func (s *Store) StartReader(ctx context.Context, reader string, incarnation time.Time) error {
	return s.move(ctx, PointReader, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return q.StartReader(ctx, db.StartReaderParams{Reader: reader, Incarnation: incarnation})
	})
}

// ClaimReader takes or renews the reader's lease, and gives its place. pg.ErrLost: another owner reads.
func (s *Store) ClaimReader(ctx context.Context, reader, owner string, lease time.Duration) (Checkpoint, error) {
	var c Checkpoint
	err := s.move(ctx, PointReader, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		r, err := q.ClaimReader(ctx, db.ClaimReaderParams{Reader: reader, Owner: owner, LeaseSeconds: lease.Seconds()})
		if noRows(err) {
			return pg.ErrLost
		}
		c = Checkpoint{Incarnation: r.Incarnation, Seq: uint64(r.Seq)}
		return err
	})
	return c, err
}

// RestartReader begins at the front of another stream: what was noted of the old one's messages is forgotten. pg.ErrLost: the lease is gone.
func (s *Store) RestartReader(ctx context.Context, reader, owner string, was, is time.Time) error {
	return s.move(ctx, PointReader, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		if err := lostIfNone(q.RestartReader(ctx, db.RestartReaderParams{Reader: reader, Owner: owner, Was: was, Incarnation: is})); err != nil {
			return err
		}
		_, err := q.ForgetMessages(ctx)
		return err
	})
}

// LetterMessage is where a letter stands in the stream.
type LetterMessage struct {
	Seq      uint64
	LetterID uuid.UUID
}

// Note stores letters that were read, where they stand, and the reader's new place. pg.ErrLost: the lease is gone, or the place has moved.
func (s *Store) Note(ctx context.Context, reader, owner string, from Checkpoint, to uint64, letters []Letter, messages []LetterMessage) error {
	return s.move(ctx, PointNote, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		if err := lostIfNone(q.MoveCheckpoint(ctx, db.MoveCheckpointParams{
			Reader: reader, Owner: owner, Seq: int64(to), Was: int64(from.Seq), Incarnation: from.Incarnation,
		})); err != nil {
			return err
		}
		if _, err := noteLetters(ctx, q, letters); err != nil {
			return err
		}
		seqs, ids := make([]int64, len(messages)), make([]uuid.UUID, len(messages))
		for i, m := range messages {
			seqs[i], ids[i] = int64(m.Seq), m.LetterID
		}
		return q.NoteMessages(ctx, db.NoteMessagesParams{Seqs: seqs, LetterIds: ids})
	})
}

// AddLetters stores letters that no message told of, and says how many were new.
func (s *Store) AddLetters(ctx context.Context, letters []Letter) (int, error) {
	var n int64
	err := s.move(ctx, PointNote, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		var err error
		n, err = noteLetters(ctx, q, letters)
		return err
	})
	return int(n), err
}

func noteLetters(ctx context.Context, q *db.Queries, letters []Letter) (int64, error) {
	if len(letters) == 0 {
		return 0, nil
	}
	list, err := json.Marshal(letters)
	if err != nil {
		return 0, fmt.Errorf("letters: %w", err)
	}
	return q.NoteLetters(ctx, list)
}

// Close gives a replayed letter its end. pg.ErrLost: it is not replaying any more.
func (s *Store) Close(ctx context.Context, letter uuid.UUID, state string) error {
	return s.move(ctx, PointClose, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return lostIfNone(q.CloseLetter(ctx, db.CloseLetterParams{LetterID: letter, State: state}))
	})
}

// ForgetMessage notes that a letter's message is gone from the stream.
func (s *Store) ForgetMessage(ctx context.Context, m LetterMessage) error {
	return s.move(ctx, PointClose, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		_, err := q.DeleteMessageRow(ctx, db.DeleteMessageRowParams{Seq: int64(m.Seq), LetterID: m.LetterID})
		return err
	})
}
