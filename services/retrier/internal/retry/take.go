package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

// takeBatch bounds the chunks of one sweep, bodyBatch the payloads held in memory while letters are written, each of at most a mebibyte.
const (
	takeBatch = 100
	bodyBatch = 50
)

func randomFloat() float64 { return rand.Float64() } //nolint:gosec // jitter, not a secret

// TakeOpen takes chunks that no fact told of, or whose taking failed before. It says how many it took.
func (p *Passes) TakeOpen(ctx context.Context) (int, error) {
	chunks, err := p.store.ChunksToTake(ctx, takeBatch)
	if err != nil {
		return 0, fmt.Errorf("look for failures to retry: %w", err)
	}
	taken := 0
	var errs []error
	for _, chunk := range chunks {
		// One chunk that cannot be taken does not keep the others back.
		n, err := p.Take(ctx, chunk)
		taken += n
		if err != nil {
			errs = append(errs, err)
		}
	}
	return taken, errors.Join(errs...)
}

// Take moves the failures to retry of a reconciled chunk to their wait, or to the dead. It says 1 when it did, 0 when there was nothing to
// do: somebody was first, or the chunk has no outcome yet.
func (p *Passes) Take(ctx context.Context, chunk uuid.UUID) (int, error) {
	reconciled, err := p.store.HasOutcome(ctx, chunk)
	if err != nil || !reconciled {
		return 0, err
	}
	failures, err := p.store.Failures(ctx, chunk)
	if err != nil {
		return 0, fmt.Errorf("read the failures of chunk %s: %w", chunk, err)
	}
	if len(failures) == 0 {
		return 0, nil
	}
	definition, err := p.definitions.Definition(ctx, failures[0].Pipeline, failures[0].Revision)
	if err != nil {
		return 0, fmt.Errorf("take chunk %s: %w", chunk, err)
	}
	now, err := p.clock(ctx)
	if err != nil {
		return 0, fmt.Errorf("take chunk %s: %w", chunk, err)
	}
	var (
		waiting  []store.Waiting
		verdicts = map[int64]Verdict{} // of the dead, by failure
		dead     []int64
		policies = p.policies(definition)
	)
	for _, unit := range units(failures) {
		for i, v := range Decide(policies, unit, now, p.random()) {
			f := unit[i]
			if v.Dead {
				verdicts[f.ID], dead = v, append(dead, f.ID)
				continue
			}
			waiting = append(waiting, store.Waiting{
				FailureID: f.ID, UnitChunk: chunk, UnitRow: f.Row, Pipeline: f.Pipeline, Revision: f.Revision, Lane: f.Lane, Run: f.Run,
				KeyHash: f.KeyHash, EntityHash: f.EntityHash, Generation: f.Generation, Place: f.Place,
				Class: v.Class, Code: v.Code, Attempt: v.Attempt, Reason: waitReason(v), Due: v.Due, Since: now,
				Version: f.Version,
			})
		}
	}
	if err := fault.Point(ctx, pointDecided); err != nil {
		return 0, err
	}
	exhausted := func(ctx context.Context, portion func([]store.Dead, []record.Message) error) error {
		for ids := range slices.Chunk(dead, bodyBatch) {
			rows, letters, err := p.exhausted(ctx, ids, verdicts, now)
			if err == nil {
				err = portion(rows, letters)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := p.store.Take(ctx, chunk, waiting, exhausted); err != nil {
		if errors.Is(err, pg.ErrLost) {
			return 0, nil
		}
		return 0, fmt.Errorf("take chunk %s: %w", chunk, err)
	}
	p.logger.InfoContext(ctx, "failures taken", "pipeline", failures[0].Pipeline, "chunk", chunk, "waiting", len(waiting), "dead", len(dead))
	return 1, nil
}

// exhausted makes the dead rows and letters of records whose tries are used up.
func (p *Passes) exhausted(ctx context.Context, ids []int64, verdicts map[int64]Verdict, now time.Time) ([]store.Dead, []record.Message, error) {
	bodies, err := p.store.Bodies(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("read what is exhausted: %w", err)
	}
	rows, letters := make([]store.Dead, len(bodies)), make([]record.Message, len(bodies))
	for i, b := range bodies {
		v := verdicts[b.ID]
		if letters[i], err = letterOf(b, v.Class, v.Code, now); err != nil {
			return nil, nil, err
		}
		rows[i] = store.Dead{
			LetterID: record.LetterID(b.Pipeline, b.Key, b.Generation), FailureID: b.ID, Pipeline: b.Pipeline, Run: b.Run, Key: b.Key,
			KeyHash: b.KeyHash, Generation: b.Generation, Class: v.Class, Code: v.Code, Message: b.Message, At: now,
		}
	}
	return rows, letters, nil
}
