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
// do: somebody was or is at it, or the chunk has no outcome yet.
func (p *Passes) Take(ctx context.Context, chunk uuid.UUID) (int, error) {
	if _, busy := p.inHand.LoadOrStore(chunk, true); busy {
		return 0, nil // a sweep and a fact lead to the same chunk: the second would wait for the first one's transaction, for nothing
	}
	defer p.inHand.Delete(chunk)
	rows, reconciled, err := p.store.OutcomeRows(ctx, chunk)
	if err != nil || !reconciled {
		return 0, err
	}
	// The first failures are decided before the transaction begins: they are all of most chunks.
	var failures []store.Failure
	next := 0
	for ; len(failures) == 0 && next < rows; next += p.takePortion {
		if failures, err = p.store.Failures(ctx, chunk, next, next+p.takePortion); err != nil {
			return 0, fmt.Errorf("read the failures of chunk %s: %w", chunk, err)
		}
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
	t := taking{passes: p, chunk: chunk, policies: p.policies(definition), now: now}
	first := t.decide(failures)
	if err := fault.Point(ctx, pointDecided); err != nil {
		return 0, err
	}
	waiting, dead := 0, 0
	err = p.store.Take(ctx, chunk, func(ctx context.Context, take func(store.Portion) error) error {
		waiting, dead = len(first.waiting), len(first.dead)
		if err := t.hand(ctx, first, take); err != nil {
			return err
		}
		for from := next; from < rows; from += p.takePortion {
			some, err := p.store.Failures(ctx, chunk, from, from+p.takePortion)
			if err != nil {
				return err
			}
			d := t.decide(some)
			waiting, dead = waiting+len(d.waiting), dead+len(d.dead)
			if err := t.hand(ctx, d, take); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, pg.ErrLost) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("take chunk %s: %w", chunk, err)
	}
	p.logger.InfoContext(ctx, "failures taken", "pipeline", failures[0].Pipeline, "chunk", chunk, "waiting", waiting, "dead", dead)
	return 1, nil
}

// taking is the taking of one chunk's failures.
type taking struct {
	passes   *Passes
	chunk    uuid.UUID
	policies record.Policies
	now      time.Time
}

// decided is what becomes of some of them.
type decided struct {
	waiting  []store.Waiting
	dead     []int64
	verdicts map[int64]Verdict // of the dead, by failure
}

func (t taking) decide(failures []store.Failure) decided {
	d := decided{verdicts: map[int64]Verdict{}}
	for _, unit := range units(failures) {
		for i, v := range Decide(t.policies, unit, t.now, t.passes.random()) {
			f := unit[i]
			if v.Dead {
				d.verdicts[f.ID], d.dead = v, append(d.dead, f.ID)
				continue
			}
			d.waiting = append(d.waiting, store.Waiting{
				FailureID: f.ID, UnitChunk: t.chunk, UnitRow: f.Row, Pipeline: f.Pipeline, Revision: f.Revision, Lane: f.Lane, Run: f.Run,
				KeyHash: f.KeyHash, EntityHash: f.EntityHash, Generation: f.Generation, Place: f.Place,
				Class: v.Class, Code: v.Code, Attempt: v.Attempt, Reason: waitReason(v), Due: v.Due, Since: t.now,
				Version: f.Version,
			})
		}
	}
	return d
}

// hand hands on what was decided, the dead with what their letters say.
func (t taking) hand(ctx context.Context, d decided, take func(store.Portion) error) error {
	if err := take(store.Portion{Waiting: d.waiting}); err != nil {
		return err
	}
	for ids := range slices.Chunk(d.dead, bodyBatch) {
		rows, letters, err := t.passes.exhausted(ctx, ids, d.verdicts, t.now)
		if err != nil {
			return err
		}
		if err := take(store.Portion{Dead: rows, Letters: letters}); err != nil {
			return err
		}
	}
	return nil
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
