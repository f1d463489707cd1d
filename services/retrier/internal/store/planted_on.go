//go:build planted

package store

import (
	"context"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/services/retrier/internal/store/db"
)

// lettersTakenOrNot is the query LettersToReplay without its look at what the retrier took before.
func (s *Store) lettersTakenOrNot(ctx context.Context, limit int32) ([]db.LettersToReplayRow, error) {
	rows, err := s.pool.Query(ctx, `
SELECT p.letter_id, p.action_id, f.id AS failure_id, f.pipeline, f.revision, f.lane, f.run, f.key_hash, f.entity_hash, f.generation, f.seq, f.idx, f.version
FROM ops_pub.replays p
JOIN LATERAL (
    SELECT coalesce(
        (SELECT d.failure_id FROM retrier.dead d WHERE d.letter_id = p.letter_id),
        (SELECT x.id FROM reconciler_pub.failures x WHERE x.letter_id = p.letter_id ORDER BY x.id LIMIT 1))::bigint AS failure_id
) w ON true
JOIN reconciler_pub.failures f ON f.id = w.failure_id
WHERE p.taker = 'retrier'
  AND NOT EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = p.letter_id)
ORDER BY p.changed_at, p.letter_id
LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[db.LettersToReplayRow])
}

// remembered is all that a process knows of the letters that its stores took.
var remembered sync.Map

// notRemembered returns the letters that this store does not remember, and remembers them.
func (s *Store) notRemembered(ids []uuid.UUID) []uuid.UUID {
	type taken struct {
		by *Store
		id uuid.UUID
	}
	var out []uuid.UUID
	for _, id := range ids {
		if _, known := remembered.LoadOrStore(taken{s, id}, true); !known {
			out = append(out, id)
		}
	}
	return out
}
