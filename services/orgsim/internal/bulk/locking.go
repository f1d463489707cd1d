package bulk

import (
	"context"
	"strconv"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

// lockParents locks the parents of all rows of a transaction; a row fails when another batch holds a parent of it for
// too long. Each parent is waited for once. The error names every parent that the transaction did not get.
func (m *Manager) lockParents(ctx context.Context, j *Job, rows []org.Row, transaction *int, wait time.Duration) {
	taken := map[uint64]bool{} // parent → whether it is ours
	var missed []string
	var failed []int
	for i := range rows {
		if rows[i].Error != nil {
			continue
		}
		ours := true
		for _, parent := range m.Store.Parents(j.plan, rows[i].Cells) {
			got, asked := taken[parent.Lock]
			if !asked {
				got = m.locks.take(ctx, parent.Lock, transaction, wait)
				taken[parent.Lock] = got
				if !got {
					missed = append(missed, parent.ID)
				}
			}
			ours = ours && got
		}
		if !ours {
			failed = append(failed, i)
		}
	}
	if failed == nil {
		return
	}
	why := &org.RowError{Code: lockCode, Message: lockMessage(missed)}
	for _, i := range failed {
		rows[i].Error = why
	}
}

// lockMessage says which records could not be locked, as Salesforce does for one and for many.
func lockMessage(ids []string) string {
	var b strings.Builder
	b.Grow(len("unable to obtain exclusive access to this record or 200 records: ") + len(ids)*(sfid.Len15+1))
	b.WriteString("unable to obtain exclusive access to this record or ")
	b.WriteString(strconv.Itoa(len(ids)))
	b.WriteString(" records: ")
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(id)
	}
	return b.String()
}
