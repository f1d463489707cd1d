package submit

import (
	"context"
	"fmt"
	"sync"

	"bulkhead/services/submitter/internal/store"
)

// Pool works on as many submissions at once as its runner may. Its [Pool.Pass] only claims; the work goes on behind it.
type Pool struct {
	r    *Runner
	wake func()

	mu      sync.Mutex
	working int
	wg      sync.WaitGroup
}

// NewPool makes a pool; wake is called whenever a submission was let go of: there may be more to claim.
func NewPool(r *Runner, wake func()) *Pool { return &Pool{r: r, wake: wake} }

// Pass claims what is due, up to the free places, starts to work on it and says how much that was.
func (p *Pool) Pass(ctx context.Context) (int, error) {
	free := p.free()
	if free == 0 {
		return 0, nil // woken when a place is free
	}
	works, err := p.r.Claim(ctx, free)
	if err != nil {
		return 0, err
	}
	for _, w := range works {
		p.start(ctx, w)
	}
	return len(works), nil
}

func (p *Pool) free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.r.c.Workers - p.working
}

func (p *Pool) start(ctx context.Context, w store.Work) {
	p.mu.Lock()
	p.working++
	p.mu.Unlock()
	p.r.c.Metrics.working.Inc()
	p.wg.Go(func() {
		defer func() {
			p.mu.Lock()
			p.working--
			p.mu.Unlock()
			p.r.c.Metrics.working.Dec()
			p.wake()
		}()
		p.r.Drive(ctx, w)
	})
}

// Wait returns when nobody works any more.
func (p *Pool) Wait() { p.wg.Wait() }

// Claim takes up to limit submissions that are due.
func (r *Runner) Claim(ctx context.Context, limit int) ([]store.Work, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	works, err := r.c.Store.Claim(ctx, r.c.Owner, r.c.Lease, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming submissions: %w", err)
	}
	if len(works) > 0 {
		if err := at(ctx, pointClaimed); err != nil {
			return nil, err // the leases run out
		}
	}
	return works, nil
}
