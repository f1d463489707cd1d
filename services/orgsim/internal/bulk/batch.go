package bulk

import (
	"context"
	"errors"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/internal/wake"
)

const (
	// maxTimeouts is how often a batch is put back because its time was over (Salesforce: 20 times).
	maxTimeouts = 20
	// maxLocked is the number of rows of a batch that may meet locks in one try before the rest of it is put back
	// (Salesforce: 100).
	maxLocked = 100
	// maxLockings is how often that happens to a batch (Salesforce, for Bulk API 1.0: 10 times).
	maxLockings = 10
)

// span is the rows of an upload from start up to, not including, end.
type span struct{ start, end int }

// batch is an internal batch on its way. Rows that were attempted keep their outcome, so a batch which is put back goes
// on where it stood, and nothing is saved twice.
type batch struct {
	span         // what is still to be attempted
	first    int // the row with which it begins
	timeouts int
	lockings int
	locked   int // rows that met locks in the present try
	late     int // how often its time is still to be over at once, as a fault wants
}

// verdict is what is next for a batch after a transaction.
type verdict uint8

const (
	goOn         verdict = iota // the next transaction
	batchDone                   // every row was attempted
	putBack                     // to the end of the queue
	tooSlow                     // it was put back often enough: the job fails
	tooManyLocks                // the same, for locks
	stopped                     // the job has ended
)

// next decides what happens to a batch whose present try has taken so long, and counts it. lockedFail says that rows
// which still meet locks after the last try fail the job.
func (b *batch) next(took, limit time.Duration, lockedFail bool) verdict {
	switch {
	case b.start == b.end:
		return batchDone
	case b.locked > maxLocked && b.lockings < maxLockings:
		b.lockings++
		return putBack
	case b.locked > maxLocked && lockedFail:
		return tooManyLocks
	case took >= limit && b.timeouts < maxTimeouts:
		b.timeouts++
		return putBack
	case took >= limit:
		return tooSlow
	default:
		return goOn
	}
}

// lateBatch reads a fault that makes a batch run out of time: the row whose batch it is, -1 for none, and how often.
func lateBatch(e fault.Effect, rows int) (row, times int) {
	if e.Kind != fault.BatchTimeout {
		return -1, 0
	}
	row, times = 0, max(e.Count, 1)
	if e.Rows != nil {
		row = min(*e.Rows, rows-1)
	}
	return row, times
}

// failure is the errorMessage of a job that a batch has failed.
type failure string

func (f failure) Error() string { return string(f) }

// saveRows saves a span in parallel batches. An error means that the job must go no further. The batch that holds row
// lateRow runs out of time at once, lateTimes times. A job that fails by one batch is Failed only when the others have
// stopped, so that nothing of it changes afterwards.
func (m *Manager) saveRows(ctx context.Context, j *Job, all span, lateRow, lateTimes int) error {
	size := m.Settings.Get().BatchRows
	inner, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var batches sync.WaitGroup
	for start := all.start; start < all.end; start += size {
		b := &batch{span: span{start, min(start+size, all.end)}, first: start}
		if b.start <= lateRow && lateRow < b.end {
			b.late = lateTimes
		}
		if m.enter(inner) != nil {
			break
		}
		if err := m.spend(b.end - b.start); err != nil {
			m.gate.leave()
			batches.Wait() // what was begun within the limit is finished
			fail(failure(err.Error()))
			break
		}
		batches.Go(func() {
			if err := m.carry(inner, j, b); err != nil {
				fail(err)
			}
		})
	}
	batches.Wait()
	var why failure
	if errors.As(context.Cause(inner), &why) {
		m.conclude(j, Failed, string(why))
		return why
	}
	return ctx.Err()
}

// enter waits for a place among the batches that are saved at the same time.
func (m *Manager) enter(ctx context.Context) error { return m.gate.enter(ctx, m.Settings) }

// spend takes a batch into account. The error is the message of a job that fails by it.
func (m *Manager) spend(rows int) error {
	set := m.Settings.Get()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usage.spend(m.Clock.Now(), rows, set.DailyBatchLimit, set.DailyRowLimit)
}

// carry brings a batch that has entered to its end, through as many tries as it needs. The error is nil or a failure.
func (m *Manager) carry(ctx context.Context, j *Job, b *batch) error {
	for {
		v, err := m.try(ctx, j, b)
		m.gate.leave()
		switch {
		case err != nil:
			return failure("InternalServerError : " + err.Error())
		case v == tooSlow:
			return failure("Timeout : A batch was not done in time and was retried 20 times")
		case v == tooManyLocks:
			return failure("TooManyLockFailure : Too many lock failures in a batch that was retried 10 times")
		case v != putBack:
			return nil
		}
		j.mu.Lock()
		j.retries++
		j.mu.Unlock()
		ended := wake.Pause(ctx, time.Duration(m.Settings.Get().QueueDelay)) != nil || m.enter(ctx) != nil
		if ended { // the job: nothing failed
			return nil
		}
	}
}

// try saves a batch transaction by transaction for as long as it may take. It never returns goOn. The error is that of
// an upload that cannot be read any more.
func (m *Manager) try(ctx context.Context, j *Job, b *batch) (verdict, error) {
	set := m.Settings.Get()
	limit := time.Duration(set.BatchTime)
	b.locked = 0
	if b.late > 0 {
		b.late--
		return b.next(limit, limit, false), nil
	}
	begun := m.Clock.Now()
	rows := make([]org.Row, 0, set.TransactionRows)
	reader := newRowReader(j.upload.delimiter, len(j.plan.Columns), set.TransactionRows)
	v := goOn
	flush := func() {
		if !m.transact(ctx, j, b, rows, &set) {
			v = stopped
			return
		}
		rows = rows[:0]
		reader.reset()
		v = b.next(m.Clock.Now().Sub(begun), limit, m.Switches.Get(switches.LockFailures) == switches.JobFailed)
	}
	err := j.upload.rows(b.start, b.end, func(n int, line string) bool {
		row := reader.read(line)
		row.Number = uint32(n + 1)
		rows = append(rows, row)
		if len(rows) == set.TransactionRows {
			flush()
		}
		return v == goOn
	})
	if err == nil && v == goOn && len(rows) > 0 {
		flush()
	}
	return v, err
}
