//go:build planted

package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
)

// EnqueueEarly puts letters into the outbox in a transaction of their own, for a planted bug.
func (s *Store) EnqueueEarly(ctx context.Context, letters []record.Message) error {
	return pg.InTx(ctx, s.pool, txReadAgain, func(ctx context.Context, tx pgx.Tx) error {
		return pg.Enqueue(ctx, tx, Schema, letters...)
	})
}
