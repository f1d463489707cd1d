package reconcile

import (
	"context"
	"fmt"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

// answered settles a chunk that went by calls of collections. There is nothing to read at Salesforce: what the calls answered stands in the submitter's
// views, once and for good, and none of them may land any more when they say that the chunk is answered.
func (r *Reconciler) answered(ctx context.Context, t *task, c *chunk, x *account.Index) error {
	if c.UploadRows >= 0 && c.UploadRows != x.Sent() {
		return fmt.Errorf("%w: %d rows were to be called for, and %d are left without those that were not to be sent", account.ErrChunk, c.UploadRows, x.Sent())
	}
	calls, refused, err := r.calls(ctx, c)
	if err != nil {
		return err
	}
	sent, err := r.sentIDs(ctx, c)
	if err != nil {
		return err
	}
	org, err := r.cfg.Org(ctx, t.work.Org)
	if err != nil {
		return fmt.Errorf("org %s: %w", t.work.Org, err)
	}
	if org.Classes().Own() > 0 {
		t.log = t.log.With("classes", org.Classes().Version())
	}
	reading := account.NewReading(x, org.Classes())
	if err := reading.AnswerCalls(calls, refused, func(row int) string { return sent[row] }); err != nil {
		return err
	}
	if n := reading.BadIDs(); n > 0 {
		t.log.WarnContext(ctx, "calls said of rows that they were saved and named no id that can be theirs, they do not count as landed", "rows", n)
	}
	r.metrics.reads.WithLabelValues("answered").Inc()
	reason := "calls answered for every row"
	if t.job.State == account.JobForgotten {
		reason = t.work.ErrorMessage
	} else if t.work.ErrorMessage != "" {
		reason = "no more calls were made, what was left was not sent: " + t.work.ErrorMessage
	}
	return r.conclude(ctx, t, c, reading, reason)
}

// calls reads the calls of a chunk and what they said of rows that they refused, by row.
func (r *Reconciler) calls(ctx context.Context, c *chunk) ([]account.Call, map[int]salesforce.RowError, error) {
	rows, said, err := r.cfg.Store.Calls(ctx, c.SealedChunkRow.Chunk)
	if err != nil {
		return nil, nil, err
	}
	calls := make([]account.Call, len(rows))
	for i, call := range rows {
		calls[i] = account.Call{First: int(call.FirstRow), End: int(call.EndRow)}
		if call.State == store.CallAnswered {
			calls[i].States, calls[i].IDs = call.RowStates, call.RowIds
		}
	}
	refused := make(map[int]salesforce.RowError, len(said))
	for _, e := range said {
		refused[int(e.Row)] = salesforce.RowError{Code: e.Code, Message: e.Message, Fields: e.Fields}
	}
	return calls, refused, nil
}

// sentIDs are the ids with which rows of an update or delete were sent, by row; nil of an upsert or insert, whose rows have none.
func (r *Reconciler) sentIDs(ctx context.Context, c *chunk) (map[int]string, error) {
	if c.Operation == pipeline.OperationUpsert || c.Operation == pipeline.OperationInsert {
		return nil, nil
	}
	ids := make(map[int]string, c.Rows)
	_, err := r.eachRow(ctx, c, func(row int, cells []string) error {
		ids[row] = c.rowID(row, cells)
		return nil
	})
	return ids, err
}
