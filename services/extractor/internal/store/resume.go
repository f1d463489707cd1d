package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store/db"
)

// ErrNotStopped says that there is nothing to resume.
var ErrNotStopped = errors.New("the pipeline is not stopped")

// Status is a reader's row.
type Status struct {
	Incarnation time.Time // zero = never read
	// Revision is in force; 0 = none yet.
	Revision                    int
	StoppedCode, StoppedMessage string
	// Read is the last message that was read; zero = none is known.
	Read bus.Witness
}

// Skipped reads which sequences of a pipeline's stream nobody reads, the lowest end first: what the ledger means by them is lost, and what stands there, if
// anything does, was stored again behind.
func (s *Store) Skipped(ctx context.Context, pipeline string) ([]bus.Range, error) {
	return skipped(ctx, s.q, pipeline)
}

func skipped(ctx context.Context, q *db.Queries, pipeline string) ([]bus.Range, error) {
	rows, err := q.Skipped(ctx, pipeline)
	if err != nil {
		return nil, fmt.Errorf("read what of the stream of %s is skipped: %w", pipeline, err)
	}
	var out []bus.Range
	for _, r := range rows {
		out = append(out, bus.Range{From: uint64(r.FromSeq), Through: uint64(r.ThroughSeq)})
	}
	return out, nil
}

// Status reads a reader's row; false = there is none.
func (s *Store) Status(ctx context.Context, pipeline string) (Status, bool, error) {
	r, err := s.q.Reader(ctx, pipeline)
	if errors.Is(err, pgx.ErrNoRows) {
		return Status{}, false, nil
	}
	if err != nil {
		return Status{}, false, fmt.Errorf("read the state of reader %s: %w", pipeline, err)
	}
	st := Status{
		Revision: int(r.Revision), StoppedCode: r.StoppedCode, StoppedMessage: r.StoppedMessage, Read: witness(r.WitnessSeq, r.WitnessStoredAt),
	}
	if r.Incarnation != nil {
		st.Incarnation = *r.Incarnation
	}
	return st, true, nil
}

// Resumption is how a stopped pipeline goes on.
type Resumption struct {
	// Incarnation of the stream that is read from now on.
	Incarnation time.Time
	// After is the sequence to which marks below it are raised: what lay before is given up.
	After uint64
	// Skipped are sequences that are not read.
	Skipped []bus.Range
	// Known is the sequence up to which the stream is known: what was to be skipped behind it was missing, and may stand there now.
	Known uint64
	// Read is a message of the stream that counts as the last one read; zero = none.
	Read bus.Witness
}

// Resume lets a stopped pipeline go on, and fences off whoever held the lease. It fails with ErrNotStopped when nothing is stopped.
func (s *Store) Resume(ctx context.Context, pipeline string, r Resumption) (raised int, err error) {
	incarnation := r.Incarnation.Truncate(time.Microsecond)
	p := db.ResumeReaderParams{Pipeline: pipeline, Incarnation: &incarnation, WitnessSeq: int64(r.Read.Seq)}
	if r.Read.Seq > 0 {
		stored := r.Read.Stored.Truncate(time.Microsecond)
		p.WitnessStoredAt = &stored
	}
	err = pg.InTx(ctx, s.pool, labelResume, func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if _, err := q.ResumeReader(ctx, p); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("pipeline %s: %w", pipeline, ErrNotStopped)
			}
			return err
		}
		if err := skip(ctx, q, pipeline, r); err != nil {
			return fmt.Errorf("note what is skipped: %w", err)
		}
		n, err := q.RaiseMarks(ctx, db.RaiseMarksParams{Pipeline: pipeline, Seq: int64(r.After), Idx: decide.EndOfFrame})
		raised = int(n)
		return err
	})
	return raised, err
}

// skip notes which sequences are not read, and forgets which were not to be read behind what is known of the stream.
func skip(ctx context.Context, q *db.Queries, pipeline string, r Resumption) error {
	had, err := skipped(ctx, q, pipeline)
	if err != nil {
		return err
	}
	if err := q.DropSkipped(ctx, db.DropSkippedParams{Pipeline: pipeline, After: int64(r.Known)}); err != nil {
		return err
	}
	add := slices.Clone(r.Skipped)
	for _, h := range had {
		if h.Holds(r.Known) && h.Through > r.Known {
			add = append(add, bus.Range{From: h.From, Through: r.Known})
		}
	}
	for _, a := range add {
		if err := q.AddSkipped(ctx, db.AddSkippedParams{Pipeline: pipeline, FromSeq: int64(a.From), ThroughSeq: int64(a.Through)}); err != nil {
			return err
		}
	}
	return nil
}
