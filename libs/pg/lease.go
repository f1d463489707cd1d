package pg

import (
	"context"
	"errors"
	"time"
)

// leaseTries is how many renewals fit into one lease; when all of them fail the claim may be somebody else's.
const leaseTries = 3

// Hold renews a claim at a third of its lease until release is called. The context that it returns ends when renew says ErrLost, or has
// failed for a whole lease: what is done after that might be done twice.
func Hold(ctx context.Context, lease time.Duration, renew func(context.Context) error) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := lease / leaseTries
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for failures := 0; ; {
			select {
			case <-held.Done():
				return
			case <-ticker.C:
			}
			renewing, stop := context.WithTimeout(held, every)
			err := renew(renewing)
			stop()
			if err == nil {
				failures = 0
				continue
			}
			if failures++; errors.Is(err, ErrLost) || failures >= leaseTries {
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
