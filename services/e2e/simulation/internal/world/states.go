package world

import (
	_ "embed"
)

//go:embed states.sql
var statesSQL string

// States are the states that the services store: of submissions, of watches and of the reconciler's chunks, by these words ("submission", "watch", "chunk") with
// the chunk's id behind them. What is committed counts.
func (w *World) States() (map[string]string, error) {
	rows, err := w.db.Query(w.ctx, statesSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var what, id, state string
		if err := rows.Scan(&what, &id, &state); err != nil {
			return nil, err
		}
		out[what+" "+id] = state
	}
	return out, rows.Err()
}
