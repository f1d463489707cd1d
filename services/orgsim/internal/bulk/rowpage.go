package bulk

import (
	"fmt"

	"bulkhead/services/orgsim/internal/org"
)

// RowPage returns the truth about at most count rows of a job from the place first on (from 0), those with an outcome
// only if one is named; none of a job that was dropped. next is the place behind the last row looked at, 0 when there are
// no more; it is false when there never was such a job.
func (m *Manager) RowPage(id, outcome string, first, count int) (page []RowView, next int, ok bool, err error) {
	j := m.any(id)
	if j == nil {
		return nil, 0, false, nil
	}
	t := j.truth()
	if t.u == nil || t.dropped || first < 0 || first >= t.u.Rows {
		return nil, 0, true, nil
	}
	err = t.u.rows(first, t.u.Rows, func(n int, line string) bool {
		if len(page) == count {
			next = n
			return false
		}
		if outcome == "" || j.outcome(&t, n) == outcome {
			page = append(page, m.rowView(j, &t, n, line))
		}
		return true
	})
	if err != nil {
		return nil, 0, true, fmt.Errorf("rows of job %s: %w", id, err)
	}
	return page, next, true, nil
}

// outcome is what became of a row so far.
func (j *Job) outcome(t *truth, n int) string {
	if t.known == nil {
		return outcomeNames[org.Unprocessed]
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return outcomeNames[t.known.rows[n].result]
}
