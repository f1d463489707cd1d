package bulk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/internal/wake"
)

// run carries a closed job to its end: queue, examination of the file, batches. It ends early when the job is aborted
// or deleted, or the org stops.
func (m *Manager) run(ctx context.Context, j *Job) {
	if wake.Pause(ctx, time.Duration(m.Settings.Get().QueueDelay)) != nil || !m.begin(j) {
		return
	}
	plan, err := m.examine(j)
	switch {
	case errors.Is(err, errNoData) && m.Switches.Get(switches.CloseWithoutUpload) == switches.JobComplete:
		m.conclude(j, JobComplete, "")
		return
	case err != nil:
		m.conclude(j, Failed, err.Error())
		return
	}
	j.mu.Lock()
	j.plan = plan
	rows := j.upload.Rows
	j.out = newOutcomes(rows)
	j.mu.Unlock()

	hit, faulty := m.Faults.Job(j.subject())
	limit := rows
	if faulty {
		limit = stopAfter(hit.Effect, rows)
	}
	lateRow, lateTimes := lateBatch(hit.Effect, rows)
	save := func(start, end int) error { return m.saveRows(ctx, j, span{start, end}, lateRow, lateTimes) }
	if save(0, limit) != nil {
		return
	}
	if faulty && !m.misbehave(ctx, j, hit.Effect, func() error { return save(limit, rows) }) {
		return
	}
	m.conclude(j, JobComplete, "")
	m.Logger.Debug("job finished", "job_id", j.ID, "object", j.object.Name, "rows", rows)
}

// stopAfter is the number of rows that a faulty job saves before its fault shows.
func stopAfter(e fault.Effect, rows int) int {
	switch {
	case e.Kind == fault.BatchTimeout:
		return rows
	case e.Rows != nil:
		return min(*e.Rows, rows)
	case e.Kind == fault.JobVanish || e.Kind == fault.JobBackwards:
		return rows
	}
	return 0
}

// misbehave does what a fault wants after the first rows of a job are done; rest does the others. It is false when the job
// has ended with that.
func (m *Manager) misbehave(ctx context.Context, w work, e fault.Effect, rest func() error) bool {
	switch e.Kind {
	case fault.BatchTimeout: // done by the batches
		return true
	case fault.JobBackwards:
		return m.lookBack(ctx, w, e, rest)
	case fault.JobAbort:
		m.conclude(w, Aborted, "")
		return false
	case fault.JobFail:
		m.conclude(w, Failed, e.Message)
		return false
	case fault.JobVanish:
		m.conclude(w, JobComplete, "")
		l := w.common()
		l.mu.Lock()
		m.remove(w, GoneVanished)
		l.mu.Unlock()
		m.tidy()
		m.changed.Broadcast()
		return false
	default: // a stall
		if e.Duration == 0 {
			<-ctx.Done()
			return false
		}
		return wake.Pause(ctx, time.Duration(e.Duration)) == nil && rest() == nil
	}
}

// lookBack makes a job go backwards. One with rows left goes on only when everybody has seen it.
func (m *Manager) lookBack(ctx context.Context, w work, e fault.Effect, rest func() error) bool {
	l := w.common()
	l.mu.Lock()
	l.back = lookBack{armed: true, left: max(e.Count, 1)}
	l.mu.Unlock()
	for e.Rows != nil {
		changed := m.changed.Chan()
		l.mu.Lock()
		over := !l.back.armed
		l.mu.Unlock()
		if over {
			break
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
	return rest() == nil
}

// errNoData says that a job was closed without data; a real org's answer is not recorded.
var errNoData = errors.New("InvalidBatch : No data was uploaded for the job")

// examine finds what is wrong with the file as a whole, which Salesforce says only now.
func (m *Manager) examine(j *Job) (*org.Plan, error) {
	u := j.upload // set before the close, never changed after it
	if u == nil || len(u.header) == 0 {
		return nil, errNoData
	}
	if wrongBreaks(u.breaks, j.Spec.LineEnding, m.Switches.Get(switches.EmbeddedNewlines)) {
		return nil, fmt.Errorf("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is %s", j.Spec.LineEnding)
	}
	header, problem := parseHeader(u.header, u.delimiter)
	if problem != "" {
		return nil, fmt.Errorf("InvalidBatch : Failed to parse CSV header: %s", problem)
	}
	plan, err := m.Store.NewPlan(j.object, j.Spec.Operation, j.Spec.ExternalIDFieldName, header)
	if err == nil && u.Rows == 0 && m.Switches.Get(switches.HeaderOnly) == switches.JobFailed {
		return nil, errors.New("InvalidBatch : The upload has a header but no rows")
	}
	return plan, err
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
