package retry

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/pg"
	"bulkhead/services/retrier/internal/store"
)

const (
	replayBatch  = 1000
	replayReason = "a person ordered it to be sent again"
)

// Replay takes letters that ops ordered to be sent again: each becomes the next generation of its key, due at once and with no try counted.
// It says how many it took.
func (p *Passes) Replay(ctx context.Context) (int, error) {
	letters, err := p.store.LettersToReplay(ctx, replayBatch)
	if err != nil {
		return 0, fmt.Errorf("look for letters to replay: %w", err)
	}
	if len(letters) == 0 {
		return 0, nil
	}
	now := p.now().UTC()
	waiting := make([]store.Waiting, len(letters))
	for i, l := range letters {
		id := l.ID
		waiting[i] = store.Waiting{
			FailureID: l.FailureID, UnitChunk: id, UnitRow: 0, LetterID: &id, Pipeline: l.Pipeline, Revision: l.Revision, Lane: l.Lane, Run: l.Run,
			KeyHash: l.KeyHash, EntityHash: l.EntityHash, Generation: l.Generation + 1, Place: l.Place,
			Reason: replayReason, Due: now, Since: now,
		}
	}
	taken, err := p.store.Replay(ctx, waiting)
	if errors.Is(err, pg.ErrLost) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("take letters to replay: %w", err)
	}
	p.logger.InfoContext(ctx, "letters taken for replay", "letters", taken)
	return taken, nil
}
