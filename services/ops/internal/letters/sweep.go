package letters

import (
	"context"
	"fmt"

	"bulkhead/services/ops/internal/store"
)

const sweepBatch = 1000

// Sweep adds letters that the deciders' views hold and that no message has told of: the stream may lose them or be full, the ledger does
// not. It says how many were new.
func (x *Index) Sweep(ctx context.Context) (int, error) {
	rows, err := x.store.Read().UnknownLetters(ctx, sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("look for letters that never arrived: %w", err)
	}
	letters := make([]store.Letter, len(rows))
	for i, r := range rows {
		letters[i] = newLetter(store.Letter{
			ID: r.LetterID, Pipeline: r.Pipeline, Revision: int(r.Revision), Run: r.Run, Key: r.Key, KeyHash: r.KeyHash,
			Generation: int(r.Generation), Entity: r.Entity, Class: r.Class, Code: r.Code, Message: r.Message, Fields: r.Fields,
			Stage: r.Stage, DeadAt: r.DeadAt,
		})
	}
	n, err := x.store.AddLetters(ctx, letters)
	if err != nil {
		return 0, fmt.Errorf("add letters that never arrived: %w", err)
	}
	if n > 0 {
		x.logger.InfoContext(ctx, "letters added from the ledger", "letters", n)
	}
	return n, nil
}
