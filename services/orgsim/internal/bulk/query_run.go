package bulk

import (
	"context"
	"slices"
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/wake"
)

const (
	// maxQueryRetries is how often a query job is put back before it fails (Salesforce: more than 15 retries).
	maxQueryRetries = 15
	// queryPortion is the number of rows by which a query job goes on; it is what callers see of its progress.
	queryPortion = 2_000
)

// run returns what carries a query job to its end: queue, the rows that it finds, their size. It ends early when the job
// is aborted or deleted, or the org stops.
func (q *QueryJob) run(m *Manager) func(context.Context) {
	return func(ctx context.Context) {
		if wake.Pause(ctx, time.Duration(m.Settings.Get().QueueDelay)) != nil || !m.begin(q) {
			return
		}
		hit, faulty := m.Faults.Job(q.subject())
		if hit.Effect.Kind == fault.BatchTimeout && !m.runLate(ctx, q, max(hit.Effect.Count, 1)) {
			return
		}
		rows, err := m.snapshot(ctx, q)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.conclude(q, Failed, err.Error())
			return
		}
		limit := len(rows)
		if faulty {
			limit = stopAfter(hit.Effect, len(rows))
		}
		if m.giveRows(ctx, q, rows[:limit]) != nil {
			return
		}
		if faulty && !m.misbehave(ctx, q, hit.Effect, func() error { return m.giveRows(ctx, q, rows[limit:]) }) {
			return
		}
		m.conclude(q, JobComplete, "")
		m.Logger.Debug("query job finished", "job_id", q.ID, "object", q.object.Name, "rows", len(rows))
	}
}

// runLate lets a job run out of time, as a fault wants; each time it is put back into the queue. It is false when the job
// has ended with that.
func (m *Manager) runLate(ctx context.Context, q *QueryJob, times int) bool {
	for range times {
		q.mu.Lock()
		over := q.retries == maxQueryRetries
		if !over {
			q.retries++
		}
		q.mu.Unlock()
		if over {
			m.conclude(q, Failed, "Timeout : The query was not done in time and was retried 15 times")
			return false
		}
		if wake.Pause(ctx, time.Duration(m.Settings.Get().QueueDelay)) != nil {
			return false
		}
	}
	return true
}

// snapshot finds the rows of a job and remembers them with the moment at which they were found. The query takes a place
// among the batches that are worked on at the same time.
func (m *Manager) snapshot(ctx context.Context, q *QueryJob) ([]uint32, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.gate.leave()
	q.mu.Lock()
	query := q.query
	q.mu.Unlock()
	if query == nil { // it is gone
		return nil, context.Canceled
	}
	find := query.Run
	if q.Spec.Operation == QueryAllRows {
		find = query.RunAll
	}
	found, err := find(m.Store)
	if err != nil {
		return nil, err
	}
	rows, moment := slices.Clone(found.Rows), m.Store.Mark()
	q.mu.Lock()
	if q.gone != "" {
		q.mu.Unlock()
		return nil, context.Canceled
	}
	q.rows, q.moment = rows, moment
	surplus := m.stock.put(q, int64(len(rows))*rowBytes+int64(len(q.Spec.Query)))
	q.mu.Unlock()
	for _, old := range surplus {
		old.mu.Lock()
		m.remove(old, GoneExpired)
		old.mu.Unlock()
	}
	return rows, nil
}

// giveRows goes through rows of a job at the speed of the org and counts what their CSV takes. An error means that the
// job must go no further.
func (m *Manager) giveRows(ctx context.Context, q *QueryJob, rows []uint32) error {
	q.mu.Lock()
	w := m.queryWriter(q)
	q.mu.Unlock()
	for part := range slices.Chunk(rows, queryPortion) {
		if err := m.pacer.wait(ctx, len(part), m.Settings); err != nil {
			return err
		}
		size := int64(0)
		for left := part; len(left) > 0; {
			w.out = w.out[:0]
			left = left[w.rows(left):]
			size += int64(len(w.out))
		}
		if err := m.storeResult(size); err != nil {
			m.conclude(q, Failed, err.Error())
			return err
		}
		q.mu.Lock()
		q.processed += int64(len(part))
		q.bytes += size
		q.mu.Unlock()
	}
	return ctx.Err()
}

// storeResult takes bytes of a result into account.
func (m *Manager) storeResult(bytes int64) error {
	limit := m.Settings.Get().DailyQueryKilobytes
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.queried.store(m.Clock.Now(), bytes, limit)
}
