package bulk

import (
	"context"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
)

// lockCode is the code of rows that met a lock.
const lockCode = "UNABLE_TO_LOCK_ROW"

// transact saves the next rows of a batch as one transaction and notes their outcomes; it is false when the job must go
// no further. What was saved is always noted, even when the job was aborted meanwhile: an abort undoes nothing.
func (m *Manager) transact(ctx context.Context, j *Job, b *batch, rows []org.Row, set *settings.Settings) bool {
	begun := time.Now()
	if set.LockWait > 0 {
		transaction := new(int)
		defer m.locks.release(transaction)
		m.lockParents(ctx, j, rows, transaction, time.Duration(set.LockWait))
	}
	if m.pacer.wait(ctx, len(rows), m.Settings) != nil {
		return false
	}
	// From here on nothing stops the transaction, so a fault strikes no row that is not attempted.
	faults := m.Faults.Rows(j.subject())
	for i := range rows {
		if faults == nil || rows[i].Error != nil {
			continue
		}
		if text := faults.Error(m.line(j.plan, &rows[i])); text != "" {
			rows[i].Error = org.ParseRowError(text)
		}
	}
	out := m.Store.SaveBatch(j.plan, j.ID, uint32(b.first+1), rows)
	var seen []fault.Distortion // nil when every row stands in its file as it is
	if faults.HasResults() {
		seen = make([]fault.Distortion, len(rows))
		for i := range rows {
			seen[i] = faults.Result(m.line(j.plan, &rows[i]))
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, o := range out {
		row := b.start + i
		j.out.rows[row] = rowState{id: o.ID, result: o.Result}
		if o.HasID {
			j.out.rows[row].flags |= hasID
		}
		if seen != nil {
			j.out.distort(row, seen[i])
		}
		if o.Result == org.Failed {
			j.out.errors[row] = o.Error.Error()
			j.failed++
			if o.Error.Code == lockCode {
				b.locked++
			}
		}
	}
	b.start += len(out)
	j.processed += int64(len(out))
	j.active += time.Since(begun)
	return ctx.Err() == nil
}

// distort notes what a fault makes of a row in the result files.
func (o *outcomes) distort(row int, d fault.Distortion) {
	if d.Lost {
		o.rows[row].flags |= lost
	}
	if d.Doubled {
		o.rows[row].flags |= doubled
	}
	if d.Rewrite != nil {
		o.rewrites[row] = d.Rewrite
	}
}

// line is a row as fault rules ask about it. What no key names goes by all its values.
func (m *Manager) line(p *org.Plan, row *org.Row) fault.Line {
	key := strings.Clone(p.KeyOf(row.Cells)) // rules remember keys, and the cell is part of a whole block
	if key == "" {
		key = strings.Join(row.Cells, "\x1f")
	}
	return fault.Line{
		Key:   key,
		Names: func() []string { return m.Store.Names(p, row.Cells) },
		Cell:  func(name string) (string, bool) { return m.Store.Cell(p, row.Cells, name) },
		Parents: func() []string {
			var ids []string
			for _, parent := range m.Store.Parents(p, row.Cells) {
				ids = append(ids, parent.ID)
			}
			return ids
		},
	}
}
