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

// Reread is an order to read a part of a stream again, as far as it is carried out.
type Reread struct {
	ID [16]byte
	// From and To are the first and the last message; Read is the last that is decided again, From-1 at first.
	From, To, Read uint64
	// Error says why it does not go on; "" = it does.
	Error string
}

// Step is what one transaction carries an order forward by.
type Step struct {
	// To is the last message that is decided again by it.
	To uint64
	// Known are records that the ledger held, Accepted those that it did not, Gone messages that are not in the stream any more.
	Known, Accepted, Gone int
}

// OpenReread is the oldest order of a pipeline that is not carried out; false = there is none.
func (s *Store) OpenReread(ctx context.Context, pipeline string) (Reread, bool, error) {
	r, err := s.q.OpenReread(ctx, pipeline)
	if errors.Is(err, pgx.ErrNoRows) {
		return Reread{}, false, nil
	}
	if err != nil {
		return Reread{}, false, fmt.Errorf("look for orders to read %s again: %w", pipeline, err)
	}
	return Reread{ID: r.ID, From: uint64(max(r.FromSeq, 1)), To: uint64(max(r.ToSeq, 0)), Read: uint64(max(r.ReadSeq, 0)), Error: r.Error}, true, nil
}

// HaltReread notes why an order does not go on.
func (s *Store) HaltReread(ctx context.Context, pipeline string, r Reread, why string) error {
	if r.Error == why {
		return nil
	}
	err := s.q.HaltReread(ctx, db.HaltRereadParams{ID: r.ID, Pipeline: pipeline, ReadSeq: int64(r.Read), Error: why})
	if err != nil {
		return fmt.Errorf("note why %s is not read again: %w", pipeline, err)
	}
	return nil
}

// Reread stores one step of an order with what it accepted: all of it or nothing. It fails with pg.ErrLost when the lease is another one's
// by now, or the order does not stand where it was read.
func (s *Store) Reread(ctx context.Context, f Fence, lease time.Duration, t Target, r Reread, step Step, c decide.Commit, messages []record.Message) error {
	return pg.InTx(ctx, s.pool, labelReread, func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := fence(ctx, q, f, lease); err != nil {
			return err
		}
		if err := q.BeginReread(ctx, db.BeginRereadParams{ID: r.ID, Pipeline: t.Pipeline, ReadSeq: int64(r.Read)}); err != nil {
			return err
		}
		n, err := q.MoveReread(ctx, db.MoveRereadParams{
			ID: r.ID, Was: int64(r.Read), ReadSeq: int64(step.To), Known: int64(step.Known), Accepted: int64(step.Accepted), Gone: int64(step.Gone),
			Done: step.To >= r.To,
		})
		if err := fenced("carry on order "+uuid.UUID(r.ID).String(), n, err); err != nil {
			return err
		}
		if err := insert(ctx, tx, q, t, record.ChunkReplay, c); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, messages...)
	})
}

// Recall answers what the ledger knows of records of the messages first to last, candidates in the order of their places.
func (s *Store) Recall(ctx context.Context, t Target, first, last uint64, w decide.RecallWanted) (r decide.Recalled, err error) {
	at, err := s.q.RecordsAt(ctx, db.RecordsAtParams{PipelineID: t.PipelineID, Pipeline: t.Pipeline, FirstSeq: int64(first), LastSeq: int64(last)})
	if err != nil {
		return r, fmt.Errorf("look up the records of messages %d to %d: %w", first, last, err)
	}
	placed, err := s.q.PlacedAt(ctx, db.PlacedAtParams{PipelineID: t.PipelineID, FirstSeq: int64(first), LastSeq: int64(last)})
	if err != nil {
		return r, fmt.Errorf("look up the records of messages %d to %d by their places: %w", first, last, err)
	}
	keys := w.Keys
	for _, row := range at {
		keys = append(keys, row.KeyHash)
	}
	if r.Keys, err = s.recallKeys(ctx, t, keys, placed); err != nil {
		return r, err
	}
	r.Places = make(map[record.Place]decide.Standing, len(at))
	for _, row := range at {
		p := place(row.Seq, row.Idx)
		stands, again := r.Places[p]
		// Under another definition the record may have had another key: it is given up when every one is.
		stands.GivenUp = r.Keys[row.KeyHash].GivenUp && (stands.GivenUp || !again)
		r.Places[p] = stands
	}
	if r.Before, err = s.before(ctx, t, w.Before); err != nil {
		return r, err
	}
	r.Equal, err = s.Equal(ctx, t, w.Equal)
	return r, err
}

// recallKeys looks keys up, also those that only their place leads to, and those of records that were refused before their key could be read: these stand
// in no row of records.
func (s *Store) recallKeys(ctx context.Context, t Target, keys [][16]byte, placed []db.PlacedAtRow) (map[record.Hash]decide.Known, error) {
	known, err := s.Known(ctx, t, keys)
	if err != nil {
		return nil, err
	}
	var first []uuid.UUID // in their first generation as far as the index of keys knows
	for _, p := range placed {
		if _, ok := known[p.KeyHash]; ok {
			continue // in a later generation, at the same place and with the same content
		}
		if known == nil {
			known = map[record.Hash]decide.Known{}
		}
		known[p.KeyHash] = decide.Known{Content: p.ContentHash, Place: place(p.Seq, p.Idx)}
		first = append(first, p.KeyHash)
	}
	var rest []uuid.UUID
	for _, k := range keys {
		if _, ok := known[k]; !ok {
			rest = append(rest, k)
		}
	}
	if len(rest)+len(first) == 0 {
		return known, nil
	}
	if known == nil {
		known = map[record.Hash]decide.Known{}
	}
	dead, err := s.q.DeadKeys(ctx, db.DeadKeysParams{Pipeline: t.Pipeline, Keys: rest})
	if err != nil {
		return nil, fmt.Errorf("look up refused records: %w", err)
	}
	for _, d := range dead {
		known[d.KeyHash] = decide.Known{Place: place(d.Seq, d.Idx), Generation: int32(d.Generation)}
		first = append(first, d.KeyHash)
	}
	letters, err := s.q.LastLetters(ctx, db.LastLettersParams{Pipeline: t.Pipeline, Keys: first})
	if err != nil {
		return nil, fmt.Errorf("look up letters: %w", err)
	}
	for _, l := range letters {
		k := known[l.KeyHash]
		k.GivenUp = int32(l.Generation) >= k.Generation && (record.State(l.State) == record.StateDiscarded || record.State(l.State) == record.StateRolledBack)
		k.Generation = max(k.Generation, int32(l.Generation))
		known[l.KeyHash] = k
	}
	return known, nil
}

// before looks up what candidates without a key of their own may have been repeats of when they were read first.
func (s *Store) before(ctx context.Context, t Target, wanted []*decide.Candidate) (map[record.Place]record.Hash, error) {
	out := make(map[record.Place]record.Hash, len(wanted))
	var plain, dated db.RecordsBeforeParams
	for _, c := range wanted {
		p := &plain
		if c.Version != nil {
			p = &dated
		}
		p.Entities = append(p.Entities, c.EntityHash)
		p.Seqs = append(p.Seqs, int64(c.Place.Seq))
		p.Idxs = append(p.Idxs, int32(c.Place.Idx))
	}
	if len(plain.Entities) > 0 {
		plain.PipelineID = t.PipelineID
		rows, err := s.q.RecordsBefore(ctx, plain)
		if err != nil {
			return nil, fmt.Errorf("look up earlier records: %w", err)
		}
		for _, r := range rows {
			out[place(r.Seq, r.Idx)] = r.ContentHash
		}
	}
	if len(dated.Entities) > 0 {
		dated.PipelineID = t.PipelineID
		rows, err := s.q.VersionsBefore(ctx, db.VersionsBeforeParams(dated))
		if err != nil {
			return nil, fmt.Errorf("look up earlier versions: %w", err)
		}
		for _, r := range rows {
			out[place(r.Seq, r.Idx)] = r.ContentHash
		}
	}
	return out, nil
}
