package reconcile

import (
	"context"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/reconciler/internal/store"
)

// decisionPage is how many decisions one transaction takes over.
const decisionPage = 500

// Resolve takes over what was decided of unresolved records, a page at a time: each gets its resolution, and a fact tells retrier, extractor and
// ops. It returns how many decisions it looked at.
func (r *Reconciler) Resolve(ctx context.Context) (int, error) {
	looked, taken, err := r.cfg.Store.Resolve(ctx, decisionPage, resolvedFact)
	if err != nil {
		return 0, err
	}
	for _, n := range taken {
		r.metrics.resolved.WithLabelValues(store.DecisionLanded).Add(float64(n.Landed))
		r.metrics.resolved.WithLabelValues(store.DecisionNotLanded).Add(float64(n.NotLanded))
		r.cfg.Logger.InfoContext(ctx, "unresolved records were decided", "pipeline", n.Pipeline, "records_landed", n.Landed,
			"records_not_landed", n.NotLanded, "chunks", len(n.Chunks))
	}
	open, err := r.cfg.Store.Unresolved(ctx)
	if err != nil {
		return 0, err
	}
	r.metrics.unresolved.Set(float64(open))
	return looked, nil
}

func resolvedFact(n store.Resolved) record.Message {
	fact := &flowv1.RowsResolved{Landed: int32(n.Landed), NotLanded: int32(n.NotLanded)}
	for _, c := range n.Chunks {
		fact.Chunks = append(fact.Chunks, c.String())
	}
	return bus.FlowMessage(bus.NewEnvelope(n.Pipeline, int(n.Revision), fact))
}
