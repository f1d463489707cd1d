package retry

import (
	"context"
	"fmt"
	"slices"

	"bulkhead/libs/pipeline"
	"bulkhead/services/retrier/internal/store"
)

// payloadBatch bounds the payloads held in memory while letters of merged rows are mapped again.
const payloadBatch = 200

// ownCells gives each replayed letter whose record was merged with others its own values: the row as it was sent holds, in columns that several
// of them name, what the newest said, and a person may have discarded just that one.
func (p *Passes) ownCells(ctx context.Context, d *pipeline.Definition, units []Unit, rows map[int64]store.FailureRow) error {
	var merged []int64
	for _, u := range units {
		if id := u[0].FailureID; u[0].LetterID != nil && rows[id].RowRecords > 1 {
			merged = append(merged, id)
		}
	}
	for ids := range slices.Chunk(merged, payloadBatch) {
		payloads, err := p.store.Payloads(ctx, ids)
		if err != nil {
			return fmt.Errorf("read the records of merged rows: %w", err)
		}
		for _, id := range ids {
			row := rows[id]
			mapped, refusal := d.Map(payloads[id])
			if refusal != nil {
				// The payload was lost with its stream. What the record names goes with the values of its row, the best that is left of it.
				p.logger.WarnContext(ctx, "a replayed record of a merged row goes with the row's values: its own are lost",
					"pipeline", d.Name, "key", row.Key, "failure_id", id, "error", refusal.Message)
				continue
			}
			row.Cells = inOrder(row.Header, d.Header(), mapped.Cells)
			rows[id] = row
		}
	}
	return nil
}

// inOrder puts the cells of one header under another.
func inOrder(to, header, cells []string) []string {
	out := make([]string, len(to))
	for i, column := range to {
		if at := slices.Index(header, column); at >= 0 {
			out[i] = cells[at]
		}
	}
	return out
}
