package retry

import (
	"fmt"
	"slices"

	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

// Unit is what is sent again as one row: the waiting records of one failed row, or one replayed letter.
type Unit []store.Waiting

// older orders records: by version where both have one, else by their place in the stream.
func older(a, b store.Waiting) int {
	if len(a.Version) > 0 && len(b.Version) > 0 {
		if c := a.Version.Compare(b.Version); c != 0 {
			return c
		}
	}
	return a.Place.Compare(b.Place)
}

// oldest is the unit's oldest record.
func (u Unit) oldest() store.Waiting { return slices.MinFunc(u, older) }

// Group parts waiting records into units, which are parts of the input; records of a unit follow each other in it.
func Group(waiting []store.Waiting) []Unit {
	out := make([]Unit, 0, len(waiting))
	for from, to := 0, 1; to <= len(waiting); to++ {
		if to < len(waiting) && waiting[from].UnitChunk == waiting[to].UnitChunk && waiting[from].UnitRow == waiting[to].UnitRow {
			continue
		}
		out = append(out, waiting[from:to:to])
		from = to
	}
	return out
}

// Pick chooses the units of the next chunk: each entity once (its oldest unit goes, the newer ones wait for the chunk after, so that an older
// version never follows a newer one), the oldest first, at most maxRows. Records whose pipeline matches them by their content are entities of
// their own, however alike they are.
func Pick(units []Unit, maxRows int) []Unit {
	sorted := slices.Clone(units)
	slices.SortStableFunc(sorted, func(a, b Unit) int { return older(a.oldest(), b.oldest()) })
	seen := make(map[record.Hash]bool, len(sorted))
	var out []Unit
	for _, u := range sorted {
		if len(out) == maxRows {
			break
		}
		if seen[u[0].EntityHash] {
			continue
		}
		seen[u[0].EntityHash] = true
		out = append(out, u)
	}
	return out
}

// rowKeeps is what a row always sends, whoever names it: the key field ("" = rows are matched by content), and columns that the definition fills by itself.
type rowKeeps struct {
	keyField  string
	constants map[string]bool
	ordinals  map[string]int // of the pipeline's columns
}

// cellsOf are the cells to send for a unit, in the order of its header. A unit that is the whole row goes as it went before; of a part (a replayed
// letter of a merged row, with its own values, or what is left when a sibling died) go the columns that its records name. Cells that are not sent are
// empty: an empty cell leaves the field alone (Bulk API 2.0).
func cellsOf(u Unit, rows map[int64]store.FailureRow, keep rowKeeps) []string {
	first := rows[u[0].FailureID]
	if len(u) == first.RowRecords && u[0].LetterID == nil {
		return first.Cells
	}
	var named record.Bitmap
	for _, w := range u {
		named = named.Or(rows[w.FailureID].Columns)
	}
	cells := make([]string, len(first.Cells))
	for i, column := range first.Header {
		ordinal, known := keep.ordinals[column]
		if column == keep.keyField || keep.constants[column] || !known || named.Has(ordinal) {
			cells[i] = first.Cells[i]
		}
	}
	return cells
}

// checkRows refuses failures that are not what a row can be made of. The reconciler's rows never go, so this is a broken ledger.
func checkRows(units []Unit, rows map[int64]store.FailureRow) error {
	for _, u := range units {
		for _, w := range u {
			row, ok := rows[w.FailureID]
			if !ok {
				return fmt.Errorf("failure %d (key hash %x) is gone from reconciler_pub.failures: restore it from the backup", w.FailureID, w.KeyHash)
			}
			if len(row.Cells) != len(row.Header) {
				return fmt.Errorf("failure %d has %d cells under %d columns", w.FailureID, len(row.Cells), len(row.Header))
			}
		}
	}
	return nil
}
