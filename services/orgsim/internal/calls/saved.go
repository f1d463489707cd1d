package calls

import "time"

// KeepSaved is how many rows of calls of collections are kept, half a kilobyte each.
const KeepSaved = 200_000

// Saved is what one call of sObject Collections did to its rows.
type Saved struct {
	N int64 `json:"n"` // the call's number
	// At is when the org began to save, Ended when the rows were saved.
	At        time.Time  `json:"at"`
	Ended     time.Time  `json:"ended_at"`
	Object    string     `json:"object"`
	Operation string     `json:"operation"`
	User      string     `json:"user"`
	Rows      []SavedRow `json:"rows"`
}

// SavedRow is what became of one row, in the order of the request.
type SavedRow struct {
	// Cells are what the request said, by column as an upload names it; what is null is "#N/A". What it left out is not there.
	Cells map[string]string `json:"cells"`
	// Outcome is created, updated, deleted or failed.
	Outcome string `json:"outcome"`
	ID      string `json:"id,omitempty"`
	Error   string `json:"error,omitempty"` // as a result file would write it
}

// Save keeps what a call did.
func (l *Log) Save(s Saved) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saved = append(l.saved, s)
	l.savedRows += len(s.Rows)
	if l.savedRows <= KeepSaved+KeepSaved/10 {
		return
	}
	drop := 0
	for ; l.savedRows > KeepSaved; drop++ {
		l.savedRows -= len(l.saved[drop].Rows)
	}
	l.saved = append([]Saved(nil), l.saved[drop:]...)
	l.lostSaved += int64(drop)
}

// Saved returns what calls of collections did, in the order in which they did it, and how many are not kept any more.
func (l *Log) Saved() (list []Saved, lost int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Saved{}, l.saved...), l.lostSaved
}
