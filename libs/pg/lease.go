package pg

import (
	"context"
	"errors"
	"time"
)

// leaseTries is how many renewals fit into one lease; when all of them fail the claim may be somebody else's.
const leaseTries = 3

// ErrLeaseOver says that a claim could not be renewed for as long as it lasts. Nobody else need have it: it can still be given back.
var ErrLeaseOver = errors.New("the lease is over and was not renewed")

// Hold renews a claim, which must just have been made, at a third of its lease until release is called. The context that it returns ends when
// renew says ErrLost, or when a whole lease has passed since the beginning of the last renewal that succeeded (of the call, before the first),
// whatever became of those after it: what is done after that might be done twice. Its cause is then an error that wraps ErrLost, or
// [ErrLeaseOver].
//
// A process that was stopped for longer than the lease finds the context ended when it goes on, without asking the ledger first. (On a machine
// that slept as a whole its clock may have slept too: there the next renewal tells, as the fence of every write does.) release
// waits until no renewal is under way here; one whose answer was not waited for may still reach the ledger, so renew must leave alone what
// was given back.
func Hold(ctx context.Context, lease time.Duration, renew func(context.Context) error) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	// By a timer of its own and not by the renewals: they may hang, fail or come late.
	over := time.AfterFunc(lease, func() { cancel(ErrLeaseOver) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer over.Stop()
		every := lease / leaseTries
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-ticker.C:
			}
			began := time.Now()
			renewing, stop := context.WithTimeout(held, every)
			err := renew(renewing)
			stop()
			switch {
			case errors.Is(err, ErrLost):
				cancel(err)
				return
			case err == nil:
				// The lease runs from when the ledger wrote it, which is not before the renewal was asked for.
				over.Reset(lease - time.Since(began))
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
}
