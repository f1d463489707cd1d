package drive

import (
	"fmt"
	"path/filepath"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/verdict"
)

// Judge has a run judged from its directory, and adds what was noted of it while its processes' logs and its secrets were there.
func Judge(dir string) (history.Verdict, error) {
	v, err := verdict.Judge(dir)
	if err != nil {
		return v, fmt.Errorf("judge: %w", err)
	}
	note, err := history.ReadJSON[history.Run](filepath.Join(dir, history.RunFile))
	if err != nil {
		return v, fmt.Errorf("judge: %w", err)
	}
	for _, text := range note.Leaks {
		v.OK = false
		v.Findings = append(v.Findings, history.Finding{Invariant: "I28", Name: "leaked", Text: text})
	}
	return v, nil
}
