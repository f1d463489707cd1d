package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store/db"
)

// Letter is a letter that a person ordered to be sent again, with the failure that holds its row.
type Letter struct {
	ID, ActionID        uuid.UUID
	FailureID           int64
	Pipeline            string
	Revision, Lane      int
	Run                 string
	KeyHash, EntityHash record.Hash
	// Generation is the one that died; the replay opens the next.
	Generation int
	Place      record.Place
	// Version is what the record's own version says; nil where its definition names none.
	Version record.Version
}

// LettersToReplay lists ordered letters that nobody has taken, at most limit, the oldest order first.
func (s *Store) LettersToReplay(ctx context.Context, limit int) ([]Letter, error) {
	read := s.read().LettersToReplay
	if planted.On(planted.ReplayWithoutIdempotencyKey) {
		read = s.lettersTakenOrNot
	}
	rows, err := read(ctx, int32(limit))
	if err != nil {
		return nil, err
	}
	out := make([]Letter, len(rows))
	for i, r := range rows {
		out[i] = Letter{
			ID: r.LetterID, ActionID: r.ActionID.UUID, FailureID: r.FailureID, Pipeline: r.Pipeline, Revision: int(r.Revision), Lane: int(r.Lane),
			Run: r.Run, KeyHash: r.KeyHash, EntityHash: r.EntityHash, Generation: int(r.Generation),
			Place: record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, Version: r.Version,
		}
	}
	return out, nil
}

// RevisionInForce is the revision by which the pipeline's records are routed to lanes now; 0 = none yet.
func (s *Store) RevisionInForce(ctx context.Context, pipeline string) (int, error) {
	revision, err := s.read().RevisionInForce(ctx, pipeline)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return int(revision), err
}

// Routed are the revisions by which records were routed to lanes, by pipeline; 0 = none was in force.
type Routed map[string]int

// hold keeps these revisions in force until the transaction ends; pg.ErrLost when another one is by now. Without it an entity's records could wait in
// two lanes: nothing may be on its way while the number of lanes changes, and what a person orders in that moment would begin to be.
func (r Routed) hold(ctx context.Context, q *db.Queries) error {
	for _, name := range slices.Sorted(maps.Keys(r)) { // in one order, so that two that hold several do not wait for each other
		if err := q.LockRouting(ctx, name); err != nil {
			return fmt.Errorf("hold the lanes of %s: %w", name, err)
		}
		now, err := q.RevisionInForce(ctx, name)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look for the lanes of %s: %w", name, err)
		}
		if int(now) != r[name] {
			return fmt.Errorf("revision %d of %s is in force, not %d: %w", now, name, r[name], pg.ErrLost)
		}
	}
	return nil
}

// Replay takes letters and lets their records wait. waiting holds one entry per letter, named by its LetterID; a letter that
// somebody took before is left out. It returns how many were taken; pg.ErrLost when that is none, or when they were routed by revisions that are in
// force no more.
func (s *Store) Replay(ctx context.Context, waiting []Waiting, by Routed) (int, error) {
	ids := make([]uuid.UUID, len(waiting))
	for i, w := range waiting {
		ids[i] = *w.LetterID
	}
	taken := 0
	err := s.move(ctx, PointReplay, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		if err := by.hold(ctx, q); err != nil {
			return err
		}
		mine, err := q.TakeLetters(ctx, ids)
		if err != nil {
			return err
		}
		if planted.On(planted.ReplayWithoutIdempotencyKey) {
			mine = s.notRemembered(ids)
		}
		if taken = len(mine); taken == 0 {
			return pg.ErrLost
		}
		isMine := make(map[uuid.UUID]bool, len(mine))
		for _, id := range mine {
			isMine[id] = true
		}
		var rows []Waiting
		for _, w := range waiting {
			if isMine[*w.LetterID] {
				rows = append(rows, w)
			}
		}
		return insertWaiting(ctx, q, rows)
	})
	return taken, err
}
