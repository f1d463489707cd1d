package decide

import (
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/seen"
)

// News tells what the ledger certainly does not hold; what a filter does not say is new, or has no filter, must be looked up.
type News struct {
	Keys, Entities *seen.Filter
}

func (n *News) key(h *record.Hash) bool { return n.Keys != nil && !n.Keys.Has(h) }

func (n *News) entity(h *record.Hash) bool { return n.Entities != nil && !n.Entities.Has(h) }

// Kinds says what [Engine.Wants] would look up of a batch if nothing were known to be new: keys, entities.
func (e *Engine) Kinds(batch []Candidate) (keys, entities bool) {
	for i := range batch {
		c := &batch[i]
		if keys && entities {
			break
		}
		if e.decided(c) {
			continue
		}
		keys = keys || c.KeyKind == KeyNamed
		entities = entities || c.KeyKind == KeyFromBody && c.HasEntity || e.ordered(c)
	}
	return keys, entities
}
