package reconcile

import (
	"context"
	"errors"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/services/reconciler/internal/store"
)

// hold renews a claim at a third of its lease until release is called: reading large files takes longer than a lease. The context that it
// returns ends when the claim is lost, or could not be renewed for a whole lease.
func (r *Reconciler) hold(ctx context.Context, c store.Claim) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(r.cfg.Lease / 3)
		defer ticker.Stop()
		failures := 0
		for {
			select {
			case <-held.Done():
				return
			case <-ticker.C:
			}
			renewing, stop := context.WithTimeout(held, r.cfg.Lease/3)
			err := r.cfg.Store.Renew(renewing, c, r.cfg.Lease)
			stop()
			if err == nil {
				failures = 0
				continue
			}
			if failures++; errors.Is(err, pg.ErrLost) || failures >= 3 {
				cancel(err)
				return
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
}
