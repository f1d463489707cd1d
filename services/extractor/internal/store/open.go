package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
)

// OpenChunks counts the fresh chunks of a pipeline that have no outcome, by lane: what backpressure goes by.
func (s *Store) OpenChunks(ctx context.Context, pipeline string) (map[int]int, error) {
	rows, err := s.q.OpenChunks(ctx, pipeline)
	if err != nil {
		return nil, fmt.Errorf("count open chunks of %s: %w", pipeline, err)
	}
	open := make(map[int]int, len(rows))
	for _, r := range rows {
		open[int(r.Lane)] = int(r.Chunks)
	}
	return open, nil
}

// Free drops the rows of chunks whose outcome is known and of which nothing is unresolved, and notes it. It answers how many.
func (s *Store) Free(ctx context.Context) (int, error) {
	n := 0
	err := pg.InTx(ctx, s.pool, labelFree, func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		chunks, err := q.FreeableChunks(ctx, freeAtOnce)
		if err != nil {
			return err
		}
		if len(chunks) > 0 {
			// Another instance may be at the same chunks: each is freed by whoever marks it.
			if chunks, err = q.MarkReconciled(ctx, chunks); err != nil {
				return err
			}
		}
		n = len(chunks)
		if n == 0 {
			return nil
		}
		return q.DropPieces(ctx, chunks)
	})
	return n, err
}
