package account

import (
	"fmt"
	"slices"

	"bulkhead/libs/record"
)

// Transfer is what leaves "in flight" for the other terms of the balance, in records of one run.
type Transfer struct {
	Run string
	// The terms add up to the run's records in the chunk.
	Landed, Dead, Retrying, WaitingForParent, Unresolved, Superseded int
}

// Tally counts the transfers of a chunk, by run in the manifest's order. Every record that is merged in a row shares the row's outcome.
func Tally(m Manifest, o *Outcome, job Job) ([]Transfer, error) {
	if m.Len() != len(o.States) {
		return nil, fmt.Errorf("%w: its manifest has %d rows, the chunk %d", ErrChunk, m.Len(), len(o.States))
	}
	transfers := make([]Transfer, len(m.Runs()))
	used := make([]bool, len(transfers))
	for i, run := range m.Runs() {
		transfers[i].Run = run
	}
	row, records, outside := 0, 0, -1
	tell := func(run int) {
		records++
		if run >= len(transfers) {
			outside = run
			return
		}
		used[run] = true
		*transfers[run].term(o, row, job)++
	}
	for ; row < m.Len(); row++ {
		records = 0
		m.EachRun(row, tell)
		if records == 0 {
			return nil, fmt.Errorf("%w: row %d of its manifest carries no record", ErrChunk, row)
		}
		if outside >= 0 {
			return nil, fmt.Errorf("%w: row %d of its manifest names run %d of %d", ErrChunk, row, outside, len(transfers))
		}
	}
	out := transfers[:0]
	for i, t := range transfers {
		if used[i] {
			out = append(out, t)
		}
	}
	return slices.Clip(out), nil
}

// term is the counter that a record of this row goes to.
func (t *Transfer) term(o *Outcome, row int, job Job) *int {
	switch o.Of(row) {
	case record.OutcomeLanded:
		return &t.Landed
	case record.OutcomeSuperseded:
		return &t.Superseded
	}
	fate := Dispose(o, row, job)
	switch {
	case fate.Disposition == DispositionDead:
		return &t.Dead
	case fate.Disposition == DispositionUnresolved:
		return &t.Unresolved
	case fate.Class == record.ClassReference:
		return &t.WaitingForParent
	}
	return &t.Retrying
}
