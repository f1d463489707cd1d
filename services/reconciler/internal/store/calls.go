package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"bulkhead/services/reconciler/internal/store/db"
)

// CallAnswered is the state of a call whose answer is stored; of every other that [Store.Calls] tells of nobody knows what it did.
const CallAnswered = "answered"

// Calls reads the calls of collections that were made for a chunk's rows and may have had an effect, in the order of sending, and what they said of the
// rows that they refused.
func (s *Store) Calls(ctx context.Context, chunk uuid.UUID) ([]db.CallsRow, []db.RefusedRowsRow, error) {
	q := db.New(s.pool)
	calls, err := q.Calls(ctx, chunk)
	if err != nil {
		return nil, nil, fmt.Errorf("read calls of chunk %s: %w", chunk, err)
	}
	refused, err := q.RefusedRows(ctx, chunk)
	if err != nil {
		return nil, nil, fmt.Errorf("read refused rows of chunk %s: %w", chunk, err)
	}
	return calls, refused, nil
}
