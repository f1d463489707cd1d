package bulk

import (
	"fmt"

	"bulkhead/services/orgsim/internal/org"
)

// RowPage returns the truth about at most count rows of a job from the place first on (from 0), those with an outcome
// only if one is named. next is the place behind the last row looked at, 0 when there are no more; it is false when
// there never was such a job.
func (m *Manager) RowPage(id, outcome string, first, count int) (page []RowView, next int, ok bool, err error) {
	j := m.any(id)
	if j == nil {
		return nil, 0, false, nil
	}
	j.mu.Lock()
	u, plan := j.upload, j.plan
	j.mu.Unlock()
	if u == nil || first < 0 || first >= u.Rows {
		return nil, 0, true, nil
	}
	header, _ := parseHeader(u.header, u.delimiter)
	err = u.rows(first, u.Rows, func(n int, line string) bool {
		if len(page) == count {
			next = n
			return false
		}
		if outcome == "" || j.outcome(n) == outcome {
			page = append(page, m.rowView(j, plan, header, n, line))
		}
		return true
	})
	if err != nil {
		return nil, 0, true, fmt.Errorf("rows of job %s: %w", id, err)
	}
	return page, next, true, nil
}

// outcome is what became of a row so far.
func (j *Job) outcome(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.rows == nil {
		return outcomeNames[org.Unprocessed]
	}
	return outcomeNames[j.rows[n].result]
}
