package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Change changes two definitions while their records are on their way: other chunks, another retry policy, and for parts one more column. Two
// people apply the same text at the same moment, each through another instance of ops: it is one new revision. Each call is another change.
// Every answer goes into the timeline; an error says that no instance of ops answered.
func Change(ctx context.Context, t history.Target, p history.Plan, record func(history.Event)) error {
	other := []string{dated, orders, children}[rand.New(rand.NewPCG(p.Seed, 0)).IntN(3)] //nolint:gosec // to be drawn again
	turn := int(t.Since()/1000) + 1
	both := people(t, record)
	errs := make([]error, len(both))
	var wg sync.WaitGroup
	for i, who := range both {
		wg.Go(func() {
			for _, name := range []string{parts, other} {
				in := map[string]any{"yaml": string(lookup(name).changed(turn)), "by": who.name}
				status, answer, err := who.ask(ctx, http.MethodPut, "/v1/pipelines/"+name, in, nil)
				who.tell(fmt.Sprintf("apply %s, change %d", name, turn), status, answer, err)
				errs[i] = err
			}
		})
	}
	wg.Wait()
	if errs[0] != nil && errs[1] != nil {
		return errs[0]
	}
	return nil
}
