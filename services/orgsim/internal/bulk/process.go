package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
)

// run carries a closed job to its end: queue, examination of the file, batches. It ends early when the job is aborted
// or deleted, or the org stops.
func (m *Manager) run(ctx context.Context, j *Job) {
	if pause(ctx, time.Duration(m.Settings.Get().QueueDelay)) != nil || !m.begin(j) {
		return
	}
	plan, err := m.examine(j)
	if err != nil {
		m.conclude(j, Failed, err.Error())
		return
	}
	j.mu.Lock()
	j.plan = plan
	rows := j.upload.Rows
	j.rows, j.errors = make([]rowState, rows), map[int]string{}
	j.mu.Unlock()

	limit := rows
	hit, faulty := m.Faults.Job(j.subject())
	if faulty {
		limit = stopAfter(hit.Effect, rows)
	}
	if m.saveRows(ctx, j, 0, limit) != nil {
		return
	}
	if faulty && !m.misbehave(ctx, j, hit.Effect, limit, rows) {
		return
	}
	m.conclude(j, JobComplete, "")
	m.Logger.Debug("job finished", "job_id", j.ID, "object", j.object.Name, "rows", rows)
}

// stopAfter is the number of rows that a faulty job saves before its fault shows.
func stopAfter(e fault.Effect, rows int) int {
	if e.Rows != nil {
		return min(*e.Rows, rows)
	}
	if e.Kind == fault.JobVanish {
		return rows
	}
	return 0
}

// misbehave does what a fault wants after its rows are saved; it is false when that has ended the job.
func (m *Manager) misbehave(ctx context.Context, j *Job, e fault.Effect, done, rows int) bool {
	switch e.Kind {
	case fault.JobAbort:
		m.conclude(j, Aborted, "")
		return false
	case fault.JobFail:
		m.conclude(j, Failed, e.Message)
		return false
	case fault.JobVanish:
		m.conclude(j, JobComplete, "")
		j.mu.Lock()
		j.gone = GoneVanished
		j.mu.Unlock()
		m.changed.Broadcast()
		return false
	default: // a stall
		if e.Duration == 0 {
			<-ctx.Done()
			return false
		}
		return pause(ctx, time.Duration(e.Duration)) == nil && m.saveRows(ctx, j, done, rows) == nil
	}
}

// begin moves a queued job to InProgress; it is false when the job is not queued any more.
func (m *Manager) begin(j *Job) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != UploadComplete || j.gone != "" {
		return false
	}
	j.started = time.Now()
	j.set(InProgress, m.Clock.Now())
	m.changed.Broadcast()
	return true
}

// conclude ends a job unless somebody else did.
func (m *Manager) conclude(j *Job, state State, message string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.state.Terminal() {
		m.end(j, state, message)
	}
}

// examine finds what is wrong with the file as a whole, which Salesforce says only now.
func (m *Manager) examine(j *Job) (*org.Plan, error) {
	u := j.upload // set before the close, never changed after it
	if u == nil || len(u.header) == 0 {
		// What a real org answers is not recorded; a failed job is the guess.
		return nil, errors.New("InvalidBatch : No data was uploaded for the job")
	}
	if wrongBreaks(u.breaks, j.Spec.LineEnding, m.Switches.Get(switches.EmbeddedNewlines)) {
		return nil, fmt.Errorf("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is %s", j.Spec.LineEnding)
	}
	header, problem := parseRow(trimBreak(u.header), u.delimiter, nil)
	if problem != "" {
		return nil, fmt.Errorf("InvalidBatch : Failed to parse CSV header: %s", problem)
	}
	return m.Store.NewPlan(j.object, j.Spec.Operation, j.Spec.ExternalIDFieldName, header)
}

func wrongBreaks(s scanner, lineEnding string, embedded switches.Position) bool {
	wrong, wrongInside := s.endCRLF, s.embeddedCRLF
	if lineEnding == "CRLF" {
		wrong, wrongInside = s.endLF, s.embeddedLF
	}
	switch embedded {
	case switches.NewlinesAny:
		wrongInside = false
	case switches.NewlinesNone:
		wrongInside = s.embeddedLF || s.embeddedCRLF
	}
	return wrong || wrongInside
}

// saveRows saves the rows from start up to, not including, end in parallel batches. An error means that the job must
// go no further.
func (m *Manager) saveRows(ctx context.Context, j *Job, start, end int) error {
	set := m.Settings.Get()
	var batches sync.WaitGroup
	defer batches.Wait()
	for ; start < end; start += set.BatchRows {
		if err := m.gate.enter(ctx, func() int { return m.Settings.Get().ParallelBatches }); err != nil {
			return err
		}
		m.mu.Lock()
		m.batches = append(m.batches, batchCount{m.Clock.Now(), 1})
		m.mu.Unlock()
		from, to := start, min(start+set.BatchRows, end)
		batches.Go(func() {
			defer m.gate.leave()
			m.saveBatch(ctx, j, from, to, set.TransactionRows)
		})
	}
	batches.Wait()
	return ctx.Err()
}

// saveBatch saves one internal batch, transaction by transaction.
func (m *Manager) saveBatch(ctx context.Context, j *Job, start, end, size int) {
	rows := make([]org.Row, 0, size)
	first := start
	flush := func() bool {
		ok := m.transact(ctx, j, first, rows)
		first, rows = first+len(rows), rows[:0]
		return ok
	}
	err := j.upload.rows(start, end, func(n int, line []byte) bool {
		row := readRow(line, j.upload.delimiter, len(j.plan.Columns))
		row.Number = uint32(n + 1)
		rows = append(rows, row)
		return len(rows) < size || flush()
	})
	if err == nil && len(rows) > 0 {
		flush()
	}
	if err != nil {
		m.conclude(j, Failed, "InternalServerError : "+err.Error())
	}
}

// transact saves one transaction and notes its outcomes; it is false when the job must go no further. What was saved
// is always noted, even when the job was aborted meanwhile: an abort undoes nothing.
func (m *Manager) transact(ctx context.Context, j *Job, first int, rows []org.Row) bool {
	begun := time.Now()
	faults := m.Faults.Rows(j.subject())
	for i := range rows {
		if faults == nil {
			break
		}
		if text := faults.Error(m.line(j.plan, &rows[i])); text != "" {
			rows[i].Error = org.ParseRowError(text)
		}
	}
	set := m.Settings.Get()
	if set.LockWait > 0 {
		transaction := new(int)
		defer m.locks.release(transaction)
		m.lockParents(ctx, j, rows, transaction, time.Duration(set.LockWait))
	}
	if m.pacer.wait(ctx, len(rows), set.RowsPerSecond) != nil {
		return false
	}
	out := m.Store.Save(j.plan, j.ID, rows)
	flags := make([]uint8, len(rows))
	if faults.HasResults() {
		for i := range rows {
			isLost, isDoubled := faults.Result(m.line(j.plan, &rows[i]))
			if isLost {
				flags[i] |= lost
			}
			if isDoubled {
				flags[i] |= doubled
			}
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, o := range out {
		if o.HasID {
			flags[i] |= hasID
		}
		j.rows[first+i] = rowState{id: o.ID, result: o.Result, flags: flags[i]}
		if o.Result == org.Failed {
			j.errors[first+i] = o.Error.Error()
			j.failed++
		}
	}
	j.processed += int64(len(out))
	j.active += time.Since(begun)
	return ctx.Err() == nil
}

// line is a row as fault rules ask about it. What no key names goes by all its values.
func (m *Manager) line(p *org.Plan, row *org.Row) fault.Line {
	key := p.KeyOf(row.Cells)
	if key == "" {
		key = strings.Join(row.Cells, "\x1f")
	}
	return fault.Line{
		Key:   key,
		Names: func() []string { return m.Store.Names(p, row.Cells) },
		Cell:  func(name string) (string, bool) { return m.Store.Cell(p, row.Cells, name) },
	}
}

// lockParents locks the parents of all rows; a row whose parent another batch holds for too long fails.
func (m *Manager) lockParents(ctx context.Context, j *Job, rows []org.Row, transaction *int, wait time.Duration) {
	for i := range rows {
		if rows[i].Error != nil {
			continue
		}
		for _, parent := range m.Store.Parents(j.plan, rows[i].Cells) {
			if !m.locks.take(ctx, parent.Lock, transaction, wait) {
				rows[i].Error = &org.RowError{
					Code: "UNABLE_TO_LOCK_ROW", Message: "unable to obtain exclusive access to this record or 1 records: " + parent.ID,
				}
				break
			}
		}
	}
}
