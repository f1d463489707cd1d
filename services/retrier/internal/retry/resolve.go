package retry

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

const (
	resolveBatch = 1000
	// maxReason bounds, in bytes, what is kept of a decider's words beside a waiting record; the whole stays with the decision.
	maxReason = 300
)

// Resolve takes unresolved records that were decided not to have landed: each waits in its generation, due at once, with the tries that it has
// behind it. It says how many it took.
func (p *Passes) Resolve(ctx context.Context) (int, error) {
	decided, err := p.store.ResolutionsToTake(ctx, resolveBatch)
	if err != nil {
		return 0, fmt.Errorf("look for decided records: %w", err)
	}
	if len(decided) == 0 {
		return 0, nil
	}
	now, err := p.clock(ctx)
	if err != nil {
		return 0, fmt.Errorf("take decided records: %w", err)
	}
	waiting := make([]store.Waiting, len(decided))
	inForce := map[string]*pipeline.Definition{}
	for i, d := range decided {
		if d.Lane, err = p.laneOf(ctx, routed{d.Pipeline, d.Revision, d.Lane, d.EntityHash}, inForce); err != nil {
			return 0, err
		}
		code := d.Code
		if code == "" {
			code = codeMissing
		}
		// Transient: it is a missing row that is sent again, and no row that it points at is waited for.
		waiting[i] = store.Waiting{
			FailureID: d.FailureID, UnitChunk: d.Chunk, UnitRow: d.Row, Pipeline: d.Pipeline, Revision: d.Revision, Lane: d.Lane, Run: d.Run,
			KeyHash: d.KeyHash, EntityHash: d.EntityHash, Generation: d.Generation, Place: d.Place, Class: string(record.ClassTransient),
			Code: code, Attempt: d.Attempt, Reason: decidedReason(d), Due: now, Since: now, Version: d.Version,
		}
	}
	taken, err := p.store.Resolve(ctx, waiting, routedBy(inForce))
	if errors.Is(err, pg.ErrLost) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("take decided records: %w", err)
	}
	p.logger.InfoContext(ctx, "decided records taken", "records", taken)
	return taken, nil
}

// decidedReason is the sentence stored with a record that was decided.
func decidedReason(d store.Resolution) string {
	reason := fmt.Sprintf("%s decided that it had not landed", d.By)
	if d.Reason != "" {
		reason += ": " + d.Reason
	}
	return record.Storable(reason, maxReason)
}
