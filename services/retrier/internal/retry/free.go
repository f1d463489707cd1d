package retry

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"bulkhead/libs/pg"
)

const freeBatch = 100

// FreeOpen ends resend chunks whose outcome no fact told of. It says how many.
func (p *Passes) FreeOpen(ctx context.Context) (int, error) {
	chunks, err := p.store.ChunksToEnd(ctx, freeBatch)
	if err != nil {
		return 0, fmt.Errorf("look for ended resends: %w", err)
	}
	ended := 0
	for _, chunk := range chunks {
		n, err := p.Free(ctx, chunk)
		if err != nil {
			return ended, err
		}
		ended += n
	}
	decided, err := p.freeDecided(ctx)
	return ended + decided, err
}

// freeDecided lets the rows of ended chunks go that stayed for unresolved records, once all of these are decided. It says of how many chunks.
func (p *Passes) freeDecided(ctx context.Context) (int, error) {
	chunks, err := p.store.ChunksDecided(ctx, freeBatch)
	if err != nil {
		return 0, fmt.Errorf("look for decided resends: %w", err)
	}
	freed := 0
	for _, chunk := range chunks {
		err := p.store.FreeRows(ctx, chunk)
		if err != nil && !errors.Is(err, pg.ErrLost) {
			return freed, fmt.Errorf("let the rows of resend %s go: %w", chunk, err)
		}
		if err == nil {
			freed++
		}
	}
	return freed, nil
}

// Free ends a resend chunk that is reconciled: its rows go, and its lane may have the next one. 0: it is none of the retrier's, has no
// outcome yet, or was ended before.
func (p *Passes) Free(ctx context.Context, chunk uuid.UUID) (int, error) {
	err := p.store.End(ctx, chunk)
	if errors.Is(err, pg.ErrLost) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("end resend %s: %w", chunk, err)
	}
	p.logger.DebugContext(ctx, "resend ended", "chunk", chunk)
	return 1, nil
}
