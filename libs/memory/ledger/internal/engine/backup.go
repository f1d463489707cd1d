package engine

import (
	"fmt"
	"slices"

	"bulkhead/libs/memory/ledger/internal/value"
)

// Backup is what was committed at one moment, in every table, with the last number of each identity. It is never changed.
type Backup struct {
	tables map[string]saved
}

// saved is one table of a backup.
type saved struct {
	rows       [][]any
	next       []int64 // by column
	partitions []*partition
}

// Backup copies what is committed. What transactions have not committed is not in it.
func (s *Store) Backup() *Backup {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &Backup{tables: make(map[string]saved, len(s.tables))}
	for name, t := range s.tables {
		kept := saved{partitions: slices.Clone(t.partitions)}
		for _, r := range t.rows {
			if r.committed != nil {
				kept.rows = append(kept.rows, r.committed) // a version is never changed
			}
		}
		for _, c := range t.cols {
			kept.next = append(kept.next, c.next)
		}
		b.tables[name] = kept
	}
	return b
}

// Restore puts every table back to a backup. Nobody may have a transaction open; the schema must be the backup's.
func (s *Store) Restore(b *Backup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.tables {
		kept, ok := b.tables[name]
		switch {
		case !ok || len(kept.next) != len(t.cols):
			return value.Error("0A000", "table %s is not as it was when the backup was made", name)
		case slices.ContainsFunc(t.rows, func(r *row) bool { return r.owner != nil }):
			return fmt.Errorf("table %s: a transaction is open", name)
		}
	}
	for name, t := range s.tables {
		t.restore(b.tables[name])
	}
	clear(s.plans) // they may know partitions that are gone
	return nil
}

func (t *table) restore(kept saved) {
	t.rows, t.gone, t.lookups, t.partitions = make([]*row, len(kept.rows)), 0, nil, slices.Clone(kept.partitions)
	for i, version := range kept.rows {
		t.rows[i] = &row{committed: version}
	}
	for i := range t.cols {
		t.cols[i].next = kept.next[i]
	}
	for _, u := range t.uniques {
		u.index = t.newIndex(u.cols)
	}
}
