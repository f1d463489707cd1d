package submit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

// Facts are the facts that the submitter consumes.
func Facts() []string {
	return []string{bus.FactChunkSealed, bus.FactChunkReconciled, bus.FactDefinitionChanged}
}

// Notes turns facts, and what no fact told of, into rows of the ledger.
type Notes struct {
	Store  *store.Store
	Logger *slog.Logger
	// Lease is the claims' lease: a job that is seen Open is taken back only after it, see [store.Store.TakeBackOpen].
	Lease time.Duration
	// Wake is called when there may be something to claim. DefinitionChanged is called when definitions, orgs or lifts have changed.
	Wake, DefinitionChanged func()
}

// Handle notes one fact. It is safe to run twice and in any order: the rows say what is true.
func (n *Notes) Handle(ctx context.Context, e *flowv1.Envelope) error {
	var err error
	switch f := e.GetFact().(type) {
	case *flowv1.Envelope_ChunkSealed:
		err = n.each(f.ChunkSealed.GetChunk(), func(chunk uuid.UUID) error {
			_, err := n.Store.Note(ctx, chunk)
			return err
		})
	case *flowv1.Envelope_ChunkReconciled:
		err = n.each(f.ChunkReconciled.GetChunk(), func(chunk uuid.UUID) error {
			_, err := n.Store.End(ctx, chunk)
			return err
		})
	case *flowv1.Envelope_DefinitionChanged:
		n.DefinitionChanged()
	}
	if err == nil {
		n.Wake()
	}
	return err
}

// each calls do with the chunk that a fact names. A fact that names none is of no use however often it comes; the sweep finds the chunk.
func (n *Notes) each(chunk string, do func(uuid.UUID) error) error {
	id, err := uuid.Parse(chunk)
	if err != nil {
		n.Logger.Warn("a fact names no chunk, the sweep finds it", "chunk", chunk, "error", err)
		return nil
	}
	return do(id)
}

// sweepBatch bounds one round of a sweep.
const sweepBatch = 500

// Sweep finds what facts did not tell of: chunks without a submission, outcomes of submissions that are open, jobs that were handed over
// and are Open all the same, lanes that a paused pipeline keeps from others. It says how much it found.
func (n *Notes) Sweep(ctx context.Context) (int, error) {
	found := 0
	for {
		chunks, err := n.Store.NotNoted(ctx, sweepBatch)
		if err != nil {
			return found, fmt.Errorf("sweeping sealed chunks: %w", err)
		}
		noted := 0
		if len(chunks) > 0 {
			if noted, err = n.Store.Note(ctx, chunks...); err != nil {
				return found, fmt.Errorf("noting swept chunks: %w", err)
			}
		}
		found += noted
		if noted == 0 || len(chunks) < sweepBatch {
			break
		}
	}
	for {
		chunks, err := n.Store.NotEnded(ctx, sweepBatch)
		if err != nil {
			return found, fmt.Errorf("sweeping outcomes: %w", err)
		}
		if len(chunks) == 0 {
			break
		}
		ended, err := n.Store.End(ctx, chunks...)
		if err != nil {
			return found, err
		}
		found += len(ended)
		if len(ended) == 0 || len(chunks) < sweepBatch {
			break
		}
	}
	back, err := n.Store.TakeBackOpen(ctx, n.Lease)
	if err != nil {
		return found, fmt.Errorf("sweeping jobs that are open: %w", err)
	}
	for _, b := range back {
		n.Logger.Warn("a job that was handed over is still Open, it is closed again", "chunk", b.Chunk, "job_id", b.JobID)
	}
	found += len(back)
	handed, err := n.Store.HandBackLanes(ctx)
	if err != nil {
		return found, fmt.Errorf("sweeping lanes of paused pipelines: %w", err)
	}
	if handed > 0 {
		n.Logger.Info("lanes of paused pipelines handed to others that wait for them", "lanes", handed)
	}
	found += handed
	if found > 0 {
		n.Wake()
	}
	return found, nil
}
