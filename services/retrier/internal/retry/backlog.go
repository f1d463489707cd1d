package retry

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
)

// codeBacklog is the code of the pause that too many waiting records cause.
const codeBacklog = "WAITING_BOUND"

// Backlog pauses each pipeline whose waiting records have reached the bound, and takes its own pause back when half of them are gone. A person may lift
// the pause before: it is not stated again until the number has been below half of the bound. It says how many pauses it stated or ended.
func (p *Passes) Backlog(ctx context.Context) (int, error) {
	waiting, err := p.store.WaitingByPipeline(ctx)
	if err != nil {
		return 0, fmt.Errorf("count waiting records: %w", err)
	}
	pauses, err := p.store.Pauses(ctx)
	if err != nil {
		return 0, fmt.Errorf("read pauses: %w", err)
	}
	changed := 0
	for name, n := range waiting {
		if n < p.maxWaiting {
			continue
		}
		message := fmt.Sprintf("%d records wait to be sent again, the bound is %d: look at why they fail, then lift the pause with `bulkhead pipelines resume %s`", n, p.maxWaiting, name)
		err := p.store.PausePipeline(ctx, name, string(record.ClassQuota), codeBacklog, message)
		if errors.Is(err, pg.ErrLost) {
			continue
		}
		if err != nil {
			return changed, fmt.Errorf("pause %s: %w", name, err)
		}
		p.logger.WarnContext(ctx, "pipeline paused: too many records wait", "pipeline", name, "waiting", n, "bound", p.maxWaiting)
		changed++
	}
	for _, pause := range pauses {
		if pause.Code != codeBacklog || waiting[pause.Pipeline] > p.maxWaiting/2 {
			continue
		}
		if err := p.store.EndPause(ctx, pause.ID); err != nil && !errors.Is(err, pg.ErrLost) {
			return changed, fmt.Errorf("end the pause of %s: %w", pause.Pipeline, err)
		}
		p.logger.InfoContext(ctx, "pause for too many waiting records is over", "pipeline", pause.Pipeline)
		changed++
	}
	return changed, nil
}
