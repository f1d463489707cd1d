package poll

import (
	"context"

	"bulkhead/libs/pg"
	"bulkhead/services/poller/internal/store"
)

// hold keeps a claim until release is called; the context that it returns ends when the claim is lost.
func (p *Poller) hold(ctx context.Context, c store.Claim) (held context.Context, release func()) {
	return pg.Hold(ctx, p.cfg.Lease, func(ctx context.Context) error { return p.store.Renew(ctx, c, p.cfg.Lease) })
}
