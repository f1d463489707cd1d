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

// unleased is the context of the transaction that ends a chunk, whose claim is not renewed from here on. It begins by a fence that a late owner does not
// pass, and holds the work's row from then on: nobody else gets the chunk before it ends, but neither could the claim be renewed, and storing a large
// chunk of which nothing landed takes longer than a lease lasts.
func (r *Reconciler) unleased(ctx context.Context, t *task) (context.Context, context.CancelFunc) {
	t.release()
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.ReadTimeout)
	stop := context.AfterFunc(t.stopped, cancel)
	return free, func() {
		stop()
		cancel()
	}
}
