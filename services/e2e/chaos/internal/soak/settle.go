package soak

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/watch"
)

const (
	// lookEvery is the rest between two looks how far everything is.
	lookEvery = time.Second
	// stalled is how long nothing may be settled before the soak is given up: several times every lease and look of the product.
	stalled = 4 * time.Minute
	// restWithin bounds the time from when all is settled to when nothing moves any more.
	restWithin = 3 * time.Minute
	// healWithin bounds the start of what was killed last.
	healWithin = 2 * time.Minute
)

// settle waits until every record has landed or died. An error says what it came to when nothing moved any more.
func (r *run) settle(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	moved, last := time.Now(), history.Balance{}
	for n := 0; ; n++ {
		if all, err := watch.Balances(ctx, r.target, n); err == nil { // else the next look says it
			b := all[pipelineName]
			if b != last {
				moved, last = time.Now(), b
			}
			done := b.Landed + b.Dead
			r.At(done)
			if done >= r.Load.Records {
				return nil
			}
		}
		if time.Since(moved) > stalled {
			return fmt.Errorf("nothing moved for %s; of %d records %d are published, and the balance is %+v", stalled, r.Load.Records, r.published.Load(), last)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// rest waits until everything runs and nothing moves.
func (r *run) rest(ctx context.Context, out *Result) error {
	r.Phase("wait until nothing moves", 0)
	healing, cancel := context.WithTimeout(ctx, healWithin)
	defer cancel()
	if err := errors.Join(r.stack.Cluster().Ensure(healing), r.stack.WaitReady(healing)); err != nil {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		out.Findings = append(out.Findings, "stuck: "+err.Error())
		return nil
	}
	resting, cancel := context.WithTimeout(ctx, restWithin)
	defer cancel()
	if err := watch.Settled(resting, r.target, nil); err != nil {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		out.Findings = append(out.Findings, "stuck: "+err.Error())
	}
	return nil
}
