package submit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bulkhead/services/submitter/internal/store"
)

// Pool works on as many submissions at once as its runner may. Its [Pool.Pass] only claims; the work goes on behind it, also when the context of the
// pass has ended: [Pool.Drain] lets it come to its end.
type Pool struct {
	r    *Runner
	wake func()

	handBack context.Context    //nolint:containedctx // ended when what is in hand is to be handed back: the works outlive the pass that began them
	stop     context.CancelFunc // ends it

	mu      sync.Mutex
	working int
	wg      sync.WaitGroup
}

// NewPool makes a pool; wake is called whenever a submission was let go of: there may be more to claim.
func NewPool(r *Runner, wake func()) *Pool {
	p := &Pool{r: r, wake: wake}
	p.handBack, p.stop = context.WithCancel(context.Background())
	return p
}

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
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(p.handBack, end)
	p.wg.Go(func() {
		defer func() {
			unhook()
			end()
			p.mu.Lock()
			p.working--
			p.mu.Unlock()
			p.r.c.Metrics.working.Dec()
			p.wake()
		}()
		p.r.Drive(ctx, w)
	})
}

// Drain lets the submissions in hand come to their end, which spares the org an upload that would be made again. When patience is over, or ctx
// ends, they are handed back as they are. It returns when nobody works any more, or when ctx ends.
func (p *Pool) Drain(ctx context.Context, patience time.Duration) error {
	done := make(chan struct{})
	go func() { p.wg.Wait(); close(done) }()
	waited := time.NewTimer(patience)
	defer waited.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-waited.C:
			p.stop()
		case <-ctx.Done():
			p.stop()
			return ctx.Err()
		}
	}
}

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
