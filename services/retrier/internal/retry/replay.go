package retry

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
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
	now, err := p.clock(ctx)
	if err != nil {
		return 0, fmt.Errorf("replay letters: %w", err)
	}
	waiting := make([]store.Waiting, len(letters))
	inForce := map[string]*pipeline.Definition{}
	for i, l := range letters {
		id := l.ID
		if l.Lane, err = p.laneOf(ctx, routed{l.Pipeline, l.Revision, l.Lane, l.EntityHash}, inForce); err != nil {
			return 0, err
		}
		waiting[i] = store.Waiting{
			FailureID: l.FailureID, UnitChunk: id, UnitRow: 0, LetterID: &id, Pipeline: l.Pipeline, Revision: l.Revision, Lane: l.Lane, Run: l.Run,
			KeyHash: l.KeyHash, EntityHash: l.EntityHash, Generation: l.Generation + 1, Place: l.Place,
			Reason: replayReason, Due: now, Since: now, Version: l.Version,
		}
	}
	if err := fault.Point(ctx, pointOrdered); err != nil {
		return 0, err
	}
	taken, err := p.store.Replay(ctx, waiting, routedBy(inForce))
	if errors.Is(err, pg.ErrLost) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("take letters to replay: %w", err)
	}
	p.logger.InfoContext(ctx, "letters taken for replay", "letters", taken)
	return taken, nil
}

// routed is what the lane of a record follows from.
type routed struct {
	Pipeline       string
	Revision, Lane int
	EntityHash     record.Hash
}

// laneOf is the record's lane as records are routed now: the number of lanes may have changed since its row was sealed. inForce keeps the
// definitions by pipeline; nil = there is none in force.
func (p *Passes) laneOf(ctx context.Context, l routed, inForce map[string]*pipeline.Definition) (int, error) {
	now, looked := inForce[l.Pipeline]
	if !looked {
		revision, err := p.store.RevisionInForce(ctx, l.Pipeline)
		if err == nil && revision > 0 {
			now, err = p.definitions.Definition(ctx, l.Pipeline, revision)
		}
		if err != nil {
			return 0, fmt.Errorf("look for the lanes of %s: %w", l.Pipeline, err)
		}
		inForce[l.Pipeline] = now
	}
	if now == nil || now.Revision == l.Revision {
		return l.Lane, nil
	}
	was, err := p.definitions.Definition(ctx, l.Pipeline, l.Revision)
	if err != nil {
		return 0, fmt.Errorf("look for the lanes of %s: %w", l.Pipeline, err)
	}
	if now.Space() != was.Space() {
		return l.Lane, nil
	}
	return record.LaneOf(l.EntityHash, now.Lanes), nil
}

// routedBy are the revisions that laneOf found in force.
func routedBy(inForce map[string]*pipeline.Definition) store.Routed {
	by := make(store.Routed, len(inForce))
	for name, d := range inForce {
		by[name] = 0
		if d != nil {
			by[name] = d.Revision
		}
	}
	return by
}
