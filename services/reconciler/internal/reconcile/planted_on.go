//go:build planted

package reconcile

import (
	"context"

	"bulkhead/libs/pipeline"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

// publishEarly hands out the letters of what one read says, though nothing is decided by it.
func (r *Reconciler) publishEarly(ctx context.Context, t *task, c *chunk, reading *account.Reading) error {
	outcome := reading.Finish(t.job)
	if c.Operation == pipeline.OperationInsert && outcome.Missing > 0 {
		outcome.Doubt = "the row is in none of the result files"
	}
	if err := r.open(ctx, c); err != nil {
		return err
	}
	failures, err := r.failuresOf(ctx, t, c, outcome)
	if err != nil {
		return err
	}
	return failures.each(ctx, func(b store.Batch) error { return r.cfg.Store.EnqueueEarly(ctx, b.Letters) })
}
