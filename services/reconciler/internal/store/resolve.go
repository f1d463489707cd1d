package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/reconciler/internal/store/db"
)

// DecisionLanded and DecisionNotLanded are what can be decided of an unresolved record.
const (
	DecisionLanded    = "landed"
	DecisionNotLanded = "not_landed"
)

// Resolved is what one step of [Store.Resolve] took over, of one pipeline.
type Resolved struct {
	Pipeline string
	Revision int32
	// Chunks are those that the records stand in, each once.
	Chunks []uuid.UUID
	// Landed and NotLanded count records.
	Landed, NotLanded int
}

// Resolve takes over up to limit decisions on unresolved records, each once, and the facts that follow, as fact makes them. It returns how many
// decisions it looked at, and what became of them by pipeline.
func (s *Store) Resolve(ctx context.Context, limit int, fact func(Resolved) record.Message) (int, []Resolved, error) {
	var taken []Resolved
	looked := 0
	err := pg.InTx(ctx, s.pool, txResolve, func(ctx context.Context, tx pgx.Tx) error {
		taken = nil
		q := db.New(tx)
		decisions, err := q.NextDecisions(ctx, int32(limit))
		if err != nil {
			return err
		}
		looked = len(decisions)
		at := map[string]int{}
		for _, d := range decisions {
			n, err := q.InsertResolution(ctx, db.InsertResolutionParams{
				FailureID: d.FailureID, LetterID: d.LetterID.UUID, Chunk: d.Chunk, Pipeline: d.Pipeline, Run: d.Run, KeyHash: d.KeyHash,
				Generation: d.Generation, Decision: d.Decision, SfID: d.SfID, Reason: d.Reason, By: d.By, DecidedAt: d.DecidedAt,
			})
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			i, ok := at[d.Pipeline]
			if !ok {
				i = len(taken)
				at[d.Pipeline] = i
				taken = append(taken, Resolved{Pipeline: d.Pipeline, Revision: d.Revision})
			}
			taken[i].add(d)
		}
		for _, r := range taken {
			if err := pg.Enqueue(ctx, tx, Schema, fact(r)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("take over decisions: %w", err)
	}
	return looked, taken, nil
}

func (r *Resolved) add(d db.NextDecisionsRow) {
	seen := false
	for _, c := range r.Chunks {
		seen = seen || c == d.Chunk
	}
	if !seen {
		r.Chunks = append(r.Chunks, d.Chunk)
	}
	if d.Decision == DecisionLanded {
		r.Landed++
	} else {
		r.NotLanded++
	}
}

// Unresolved counts the unresolved records that nobody has decided on.
func (s *Store) Unresolved(ctx context.Context) (int, error) {
	n, err := db.New(s.pool).Unresolved(ctx)
	if err != nil {
		return 0, fmt.Errorf("count unresolved records: %w", err)
	}
	return int(n), nil
}

// outcomePage is how many outcomes are in memory at once: 18 bytes a row each.
const outcomePage = 20

// LandedSince hands out the ids of rows that landed for a pipeline since a time, and those of chunks of the org's other pipelines that made rows,
// as outcomes store them, a chunk at a time.
func (s *Store) LandedSince(ctx context.Context, org, pipeline string, since time.Time, tell func(ids []byte)) error {
	for after := uuid.Nil; ; {
		page, err := db.New(s.pool).LandedSince(ctx, db.LandedSinceParams{Org: org, Pipeline: pipeline, Since: since, After: after, MaxRows: outcomePage})
		if err != nil {
			return fmt.Errorf("read landed ids of org %s: %w", org, err)
		}
		for _, o := range page {
			tell(o.RowIds)
			after = o.Chunk
		}
		if len(page) < outcomePage {
			return nil
		}
	}
}

// ResolvedIDs returns those of the ids with which records of an org were decided to have landed.
func (s *Store) ResolvedIDs(ctx context.Context, org string, ids []string) ([]string, error) {
	found, err := db.New(s.pool).ResolvedIDs(ctx, db.ResolvedIDsParams{Org: org, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read decided ids of org %s: %w", org, err)
	}
	return found, nil
}

// Old is a pipeline with jobs that are not reconciled though they were submitted long ago.
type Old struct {
	Pipeline, Org string
	Chunks        int
	Oldest        time.Time
}

// Unreconciled finds the pipelines with jobs that were submitted before a time and are not reconciled.
func (s *Store) Unreconciled(ctx context.Context, before time.Time) ([]Old, error) {
	rows, err := db.New(s.pool).OldUnreconciled(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("read jobs that are not reconciled: %w", err)
	}
	out := make([]Old, len(rows))
	for i, r := range rows {
		out[i] = Old{Pipeline: r.Pipeline, Org: r.Org, Chunks: int(r.Chunks), Oldest: r.Oldest}
	}
	return out, nil
}
