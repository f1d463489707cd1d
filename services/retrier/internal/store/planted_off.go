//go:build !planted

package store

import (
	"context"

	"github.com/google/uuid"

	"bulkhead/services/retrier/internal/store/db"
)

// What follows is for a planted bug only; nothing in this binary calls it.

func (s *Store) lettersTakenOrNot(context.Context, int32) ([]db.LettersToReplayRow, error) {
	return nil, nil
}

func (s *Store) notRemembered([]uuid.UUID) []uuid.UUID { return nil }
