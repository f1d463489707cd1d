package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/libs/fault"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/account"
	"bulkhead/services/reconciler/internal/store"
)

// Fault points around a look-up.
const (
	pointBeforeLookup = "reconciler.lookup.before_call"
	pointAfterLookup  = "reconciler.lookup.after_call"
)

// lookupBatch is how many values one call asks for.
const lookupBatch = 2000

// clockSlack is more than the ledger's clock is ever put back by whoever keeps it right.
const clockSlack = 10 * time.Minute

// Fields that a look-up asks for beside the correlating one: who made the row, and when.
const (
	fieldCreatedBy   = "CreatedById"
	fieldCreatedDate = "CreatedDate"
)

// errLookup marks what a look-up failed with: a 404 there says nothing of the job.
var errLookup = errors.New("look-up")

// conclude completes what the files say by what else is known, and settles the chunk. Inserted rows whose fate the files leave open are looked
// up first, as long as the lane is held: what is found has landed, and what is not there at two looks has not.
func (r *Reconciler) conclude(ctx context.Context, t *task, c *chunk, reading *account.Reading, reason string) error {
	outcome := reading.Finish(t.job)
	if err := r.open(ctx, c); err != nil {
		return err
	}
	if err := r.landDeleted(ctx, t, c, outcome); err != nil {
		return err
	}
	questions, err := account.Ask(outcome, c.account, c.manifest)
	if err != nil {
		return err
	}
	rows := questions.Rows()
	if len(rows) == 0 {
		return r.settle(ctx, t, c, outcome, reason)
	}
	ours, err := r.lookUp(ctx, t, c, rows)
	if err != nil {
		return fmt.Errorf("%w of %d inserted rows by %s: %w", errLookup, len(rows), c.ExternalIDField, err)
	}
	r.metrics.lookups.Inc()
	open := outcome.Hear(questions, c.ExternalIDField, func(row int) []account.Seen { return ours[row] })
	if open == 0 {
		return r.settle(ctx, t, c, outcome, fmt.Sprintf("%s; %d rows were looked up by %s", reason, len(rows), c.ExternalIDField))
	}
	past := account.Looks{N: int(t.work.Lookups)}
	if t.work.LookedUpAt != nil {
		past.Last = *t.work.LookedUpAt
	}
	now, err := r.cfg.Clock(ctx)
	if err != nil {
		return err
	}
	verdict := account.DecideLooks(open, c.ExternalIDField, past, r.cfg.Waits, now)
	if verdict.Step == account.StepAgain {
		t.log.InfoContext(ctx, "inserted rows are in none of the files and were not found", "reason", verdict.Reason, "rows", open, "next_read_at", verdict.At)
		look := store.Look{NextReadAt: verdict.At, Lookups: past.N + 1, LookedUpAt: now, Reason: verdict.Reason}
		if past.N > 0 {
			look.Lookups, look.LookedUpAt = past.N, past.Last // too early to count
		}
		return r.cfg.Store.LookedUp(ctx, t.claim, look)
	}
	outcome.Looked = fmt.Sprintf("it was looked up by %s at %s and at %s, and is not there", c.ExternalIDField,
		past.Last.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	return r.settle(ctx, t, c, outcome, verdict.Reason)
}

// landDeleted takes rows as landed that an earlier try has deleted already.
func (r *Reconciler) landDeleted(ctx context.Context, t *task, c *chunk, outcome *account.Outcome) error {
	if !pipeline.Deletes(c.Operation) || len(outcome.Failures) == 0 {
		return nil
	}
	known, err := r.earlierIDs(ctx, c, outcome)
	if err != nil {
		return err
	}
	landed, err := outcome.LandDeleted(c.account, c.manifest, func(row int) string {
		if id := c.rowID(row, nil); id != "" {
			return id
		}
		return known[row]
	})
	if err != nil {
		return err
	}
	if landed > 0 {
		t.log.InfoContext(ctx, "rows are deleted already, and an earlier try may have done it: they count as landed", "rows", landed)
	}
	return nil
}

// earlierIDs are the ids under which refused rows of this chunk were sent before, where an earlier try may have had an effect.
func (r *Reconciler) earlierIDs(ctx context.Context, c *chunk, o *account.Outcome) (map[int]string, error) {
	rows := map[int64]int{}
	var ids []int64
	for row := range o.Failures {
		entries, err := c.manifest.Row(row)
		if err != nil {
			return nil, err
		}
		for _, e := range entries.GetRecords() {
			if e.GetAmbiguous() && e.GetFailureId() != 0 {
				rows[e.GetFailureId()] = row
				ids = append(ids, e.GetFailureId())
			}
		}
	}
	past, err := r.cfg.Store.PastFailures(ctx, ids)
	if err != nil {
		return nil, err
	}
	known := make(map[int]string, len(past))
	for id, p := range past {
		if p.SfID != "" {
			known[rows[id]] = p.SfID
		}
	}
	return known, nil
}

// lookUp asks the org for rows by their correlating field and returns, by row, what in the org is ours.
func (r *Reconciler) lookUp(ctx context.Context, t *task, c *chunk, rows []int) (map[int][]account.Seen, error) {
	org, err := r.cfg.Org(ctx, t.work.Org)
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", t.work.Org, err)
	}
	who, err := r.identity(ctx, t, org)
	if err != nil {
		return nil, err
	}
	seen := map[int][]account.Seen{}
	byKey, byNumber := map[string]int{}, map[string]int{}
	var values []string
	ask := func() error {
		if len(values) == 0 {
			return nil
		}
		if err := fault.Point(ctx, pointBeforeLookup); err != nil {
			return err
		}
		found, err := org.Lookup(ctx, c.Object, c.ExternalIDField, values, fieldCreatedBy, fieldCreatedDate)
		if err != nil {
			return err
		}
		if err := fault.Point(ctx, pointAfterLookup); err != nil {
			return err
		}
		for _, f := range found {
			row, asked := byKey[record.FoldIn(c.Space, f.Value)]
			if n, ok := record.ExactNumber(f.Value); ok && !asked {
				row, asked = byNumber[n] // a query writes numbers anew
			}
			if !asked {
				continue // the org compares more loosely than the field's space
			}
			by, _ := record.LongID(f.More[fieldCreatedBy])
			seen[row] = append(seen[row], account.Seen{ID: f.ID, By: by, At: createdAt(f.More[fieldCreatedDate])})
		}
		values = values[:0]
		clear(byKey)
		clear(byNumber)
		return nil
	}
	next := 0
	_, err = r.eachRow(ctx, c, func(row int, cells []string) error {
		if next == len(rows) {
			return errEnough
		}
		if rows[next] != row {
			return nil
		}
		next++
		values = append(values, cells[c.keyAt])
		byKey[record.FoldIn(c.Space, cells[c.keyAt])] = row
		if n, ok := record.ExactNumber(cells[c.keyAt]); ok {
			byNumber[n] = row
		}
		if len(values) == lookupBatch {
			return ask()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if next < len(rows) {
		return nil, fmt.Errorf("%w: its pieces lack row %d", account.ErrChunk, rows[next])
	}
	if err := ask(); err != nil {
		return nil, err
	}
	ahead, now, err := r.orgAhead(ctx, org)
	if err != nil {
		return nil, err
	}
	for _, found := range seen {
		for i := range found {
			found[i].At = found[i].At.Add(-ahead)
		}
	}
	return r.ours(ctx, t, c, seen, who.UserID, now)
}

// orgAhead says how far the org's clock is ahead of the ledger's, 0 where the org has not told its time, and what the ledger's says. The org's was noted by
// this process's clock, which may be wrong by as much: that falls out.
func (r *Reconciler) orgAhead(ctx context.Context, org Org) (ahead time.Duration, now time.Time, err error) {
	if now, err = r.cfg.Clock(ctx); err != nil {
		return 0, time.Time{}, err
	}
	if skew, ok := org.Skew(); ok {
		ahead = skew + r.cfg.Now().Sub(now)
	}
	return ahead, now, nil
}

// errEnough ends the reading of rows early.
var errEnough = errors.New("enough rows")

// ours leaves what a sending of each row may have made: an id that another record landed with, of this
// pipeline or of another that made rows, is that one's.
func (r *Reconciler) ours(ctx context.Context, t *task, c *chunk, seen map[int][]account.Seen, user string, now time.Time) (map[int][]account.Seen, error) {
	if len(seen) == 0 {
		return nil, nil
	}
	wanted, taken := map[string]bool{}, map[string]bool{}
	since, sendable := now, make(map[int]time.Time, len(seen))
	for row, found := range seen {
		at, err := r.sendable(t, c, row)
		if err != nil {
			return nil, err
		}
		if sendable[row] = at; at.Before(since) {
			since = at
		}
		for _, s := range found {
			wanted[s.ID] = true
		}
	}
	// Whatever else made one of these rows since they were accepted is in an outcome, written later than that.
	err := r.cfg.Store.LandedSince(ctx, c.Org, c.Pipeline, since.Add(-clockSlack), func(ids []byte) {
		account.HasID(ids, wanted, func(id string) { taken[id] = true })
	})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(wanted))
	for id := range wanted {
		ids = append(ids, id)
	}
	decided, err := r.cfg.Store.ResolvedIDs(ctx, c.Org, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range decided {
		taken[id] = true
	}
	out := make(map[int][]account.Seen, len(seen))
	for row, found := range seen {
		for _, s := range found {
			if s.Ours(sendable[row], user, func(id string) bool { return taken[id] }) {
				out[row] = append(out[row], s)
			}
		}
	}
	return out, nil
}

// sendable is since when a row may have been sent.
func (r *Reconciler) sendable(t *task, c *chunk, row int) (time.Time, error) {
	entries, err := c.manifest.Row(row)
	if err != nil {
		return time.Time{}, err
	}
	accepted := account.AcceptedBy(entries)
	if t.job.State != account.JobForgotten {
		return accepted, nil
	}
	if received := account.ReceivedBy(c.manifest.Received(), row); received.Before(accepted) {
		return received, nil
	}
	return accepted, nil
}

// createdAt reads a date-time as SOQL gives it; the zero time, which is before every record, when it is none.
func createdAt(text string) time.Time {
	for _, form := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano} {
		if at, err := time.Parse(form, text); err == nil {
			return at
		}
	}
	return time.Time{}
}
