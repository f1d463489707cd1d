package reconcile

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
	"bulkhead/services/reconciler/internal/store/db"
)

// settle writes the chunk's outcome and everything that follows from it.
func (r *Reconciler) settle(ctx context.Context, t *task, c *chunk, outcome *account.Outcome, reason string) error {
	transfers, err := account.Tally(c.manifest, outcome, t.job)
	if err != nil {
		return err
	}
	failures, err := r.failuresOf(ctx, t, c, outcome)
	if err != nil {
		return err
	}
	ctx, done := r.unleased(ctx, t)
	defer done()
	standing, blame := account.StandingOf(outcome, t.job)
	n := store.Settlement{
		Claim: t.claim, Reads: int(t.work.Reads) + 1, Reason: reason, Outcome: outcomeRow(t, c, outcome, standing), Runs: runRows(t, transfers),
		Failures: func(yield func(store.Batch) error) error { return failures.each(ctx, yield) },
		Facts:    []record.Message{reconciledFact(t, c, outcome)},
		Bound:    account.BlockedInARow,
	}
	if once, ok := account.PauseAtOnce(outcome); ok {
		n.AtOnce = pauseOf(t, once, "a row was refused for it, which counts against no record; resume the pipeline when it is over")
	}
	if standing == account.StandingBlocked {
		n.Series = pauseOf(t, blame, fmt.Sprintf("%d submissions in a row without a row landed; mend the org or the definition, then resume the pipeline",
			account.BlockedInARow))
	}
	made, err := r.cfg.Store.Reconcile(ctx, n)
	if err != nil {
		return err
	}
	r.tell(ctx, t, c, outcome, transfers, reason, made)
	return nil
}

func outcomeRow(t *task, c *chunk, o *account.Outcome, standing account.Standing) db.InsertOutcomeParams {
	return db.InsertOutcomeParams{
		Chunk: t.work.Chunk, Pipeline: t.work.Pipeline, Org: t.work.Org, JobID: t.work.JobID, JobState: t.work.JobState, Rows: c.Rows,
		Landed: int32(o.Landed), Failed: int32(o.Failed), Unprocessed: int32(o.Unprocessed), Missing: int32(o.Missing), Superseded: int32(o.Superseded),
		RowStates: o.States, RowIds: o.IDs, CreatedRows: int32(o.Created), ErrorMessage: t.work.ErrorMessage, Standing: string(standing),
	}
}

func runRows(t *task, transfers []account.Transfer) []db.InsertOutcomeRunsParams {
	rows := make([]db.InsertOutcomeRunsParams, len(transfers))
	for i, n := range transfers {
		rows[i] = db.InsertOutcomeRunsParams{
			Chunk: t.work.Chunk, Pipeline: t.work.Pipeline, Run: n.Run, Landed: int32(n.Landed), Dead: int32(n.Dead), Retrying: int32(n.Retrying),
			WaitingForParent: int32(n.WaitingForParent), Unresolved: int32(n.Unresolved), Superseded: int32(n.Superseded),
		}
	}
	return rows
}

func reconciledFact(t *task, c *chunk, o *account.Outcome) record.Message {
	env := bus.NewEnvelope(t.work.Pipeline, int(c.Revision), &flowv1.ChunkReconciled{
		Chunk: t.work.Chunk.String(), Space: c.Space, Lane: c.Lane,
		Landed: int32(o.Landed), Failed: int32(o.Failed), Unprocessed: int32(o.Unprocessed), Missing: int32(o.Missing), Superseded: int32(o.Superseded),
	})
	env.Traceparent = c.Traceparent
	return bus.FlowMessage(env)
}

func pauseOf(t *task, b account.Blame, remedy string) *store.Pause {
	return &store.Pause{
		ID: uuid.New(), Pipeline: t.work.Pipeline, Class: string(b.Class), Code: b.Code, Message: record.Storable(b.Message+" ("+remedy+")", maxErrorText),
	}
}

// tell logs and counts a chunk that is reconciled.
func (r *Reconciler) tell(ctx context.Context, t *task, c *chunk, o *account.Outcome, transfers []account.Transfer, reason string, pauses []store.Pause) {
	r.metrics.count(o)
	r.metrics.landed(t.work.Pipeline, c.manifest.Received(), o.States, r.cfg.Now())
	dead, retrying, unresolved := 0, 0, 0
	for _, n := range transfers {
		dead += n.Dead
		retrying += n.Retrying + n.WaitingForParent
		unresolved += n.Unresolved
	}
	t.log.InfoContext(ctx, "job.reconciled", "reason", reason, "reads", t.work.Reads+1, "lane", c.Lane, "rows", c.Rows, "landed", o.Landed,
		"failed", o.Failed, "unprocessed", o.Unprocessed, "missing", o.Missing, "superseded", o.Superseded,
		"records_dead", dead, "records_to_retry", retrying, "records_unresolved", unresolved)
	for _, p := range pauses {
		r.metrics.pauses.Inc()
		t.log.ErrorContext(ctx, "pipeline paused", "class", p.Class, "code", p.Code, "reason", p.Message, "pause_id", p.ID)
	}
}
