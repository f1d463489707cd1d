package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// lately is how far back a stream is read again: what is older may have been let go, because the runs keep no horizon.
const lately = 1500 * time.Millisecond

// Reread has what was published lately to a pipeline read again, ordered twice under one key: once through each instance of ops. What the
// ledger knows stays as it is, so nothing may come of it. Every answer goes into the timeline, refusals too; an error says that no
// instance of ops answered.
func Reread(ctx context.Context, t history.Target, p history.Plan, record func(history.Event)) error {
	name := []string{parts, labels, orders, visits}[rand.New(rand.NewPCG(p.Seed, 1)).IntN(4)] //nolint:gosec // to be drawn again
	since := time.Now().Add(-lately).UTC().Format(time.RFC3339Nano)
	key := fmt.Sprintf("reread-%d-%.0f", p.Seed, t.Since())
	var last error
	answered := false
	for _, who := range people(t, record) {
		in := map[string]any{"since": since, "reason": "chaos: rows were restored", "by": who.name, "idempotency_key": key}
		status, answer, err := who.ask(ctx, http.MethodPost, "/v1/pipelines/"+name+":reread", in, nil)
		e := who.told("reread "+name, status, answer, err)
		e.Key = key
		record(e)
		if err != nil {
			last = err
			continue
		}
		answered = true
	}
	if !answered {
		return last
	}
	return nil
}
