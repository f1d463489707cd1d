package reconcile

import (
	"context"

	"bulkhead/libs/pg"
	"bulkhead/services/reconciler/internal/store"
)

// hold keeps a claim until release is called; the context that it returns ends when the claim is lost.
func (r *Reconciler) hold(ctx context.Context, c store.Claim) (held context.Context, release func()) {
	return pg.Hold(ctx, r.cfg.Lease, func(ctx context.Context) error { return r.cfg.Store.Renew(ctx, c, r.cfg.Lease) })
}
