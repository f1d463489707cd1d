package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store/db"
)

// Resolution is an unresolved record that was decided not to have landed, with the failure that holds its row.
type Resolution struct {
	FailureID           int64
	Chunk               uuid.UUID
	Row                 int
	Pipeline            string
	Revision, Lane      int
	Run                 string
	KeyHash, EntityHash record.Hash
	Generation          int
	Place               record.Place
	Code                string
	// Attempt is the number of counted tries of this generation, the one that nobody could see included.
	Attempt int
	// Version is what the record's own version says; nil where its definition names none.
	Version record.Version
	// By and Reason are who decided, and the words that were given for it.
	By, Reason string
}

// ResolutionsToTake lists decided records that nobody has taken, at most limit, the oldest decision first.
func (s *Store) ResolutionsToTake(ctx context.Context, limit int) ([]Resolution, error) {
	rows, err := s.read().ResolutionsToTake(ctx, int32(limit))
	if err != nil {
		return nil, err
	}
	out := make([]Resolution, len(rows))
	for i, r := range rows {
		out[i] = Resolution{
			FailureID: r.ID, Chunk: r.Chunk, Row: int(r.Row), Pipeline: r.Pipeline, Revision: int(r.Revision), Lane: int(r.Lane), Run: r.Run,
			KeyHash: r.KeyHash, EntityHash: r.EntityHash, Generation: int(r.Generation),
			Place: record.Place{Seq: uint64(r.Seq), Idx: uint32(r.Idx)}, Code: r.Code, Attempt: int(r.Attempt), Version: r.Version,
			By: r.By, Reason: r.Reason,
		}
	}
	return out, nil
}

// Resolve takes decided records and lets them wait; one that somebody took before is left out. It returns how many were taken; pg.ErrLost when
// that is none, or when they were routed by revisions that are in force no more.
func (s *Store) Resolve(ctx context.Context, waiting []Waiting, by Routed) (int, error) {
	ids := make([]int64, len(waiting))
	for i, w := range waiting {
		ids[i] = w.FailureID
	}
	taken := 0
	err := s.move(ctx, PointResolve, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		if err := by.hold(ctx, q); err != nil {
			return err
		}
		mine, err := q.TakeResolutions(ctx, ids)
		if err != nil {
			return err
		}
		if taken = len(mine); taken == 0 {
			return pg.ErrLost
		}
		isMine := make(map[int64]bool, len(mine))
		for _, id := range mine {
			isMine[id] = true
		}
		var rows []Waiting
		for _, w := range waiting {
			if isMine[w.FailureID] {
				rows = append(rows, w)
			}
		}
		return insertWaiting(ctx, q, rows)
	})
	return taken, err
}
