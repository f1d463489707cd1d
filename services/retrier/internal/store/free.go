package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/services/retrier/internal/store/db"
)

// ChunksToEnd lists resend chunks whose outcome is known and that are still open here, at most limit.
func (s *Store) ChunksToEnd(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.read().ChunksToEnd(ctx, int32(limit))
}

// ChunksDecided lists ended chunks whose rows stayed for unresolved records that have all been decided since, at most limit.
func (s *Store) ChunksDecided(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.read().ChunksDecided(ctx, int32(limit))
}

// FreeRows lets the rows of an ended chunk go, unless one of its records is unresolved. pg.ErrLost: they stay, or are gone.
func (s *Store) FreeRows(ctx context.Context, chunk uuid.UUID) error {
	return s.move(ctx, PointFree, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		return lostIfNone(q.FreePieces(ctx, chunk))
	})
}

// End closes a resend chunk whose outcome row exists and lets its rows go, unless one of them is unresolved. pg.ErrLost: it is no open
// chunk of the retrier, or has no outcome.
func (s *Store) End(ctx context.Context, chunk uuid.UUID) error {
	return s.move(ctx, PointFree, func(ctx context.Context, _ pgx.Tx, q *db.Queries) error {
		n, err := q.EndChunk(ctx, chunk)
		if err != nil {
			return err
		}
		if n == 0 {
			return pg.ErrLost
		}
		_, err = q.FreePieces(ctx, chunk)
		return err
	})
}
