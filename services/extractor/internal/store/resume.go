package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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
	st := Status{Revision: int(r.Revision), StoppedCode: r.StoppedCode, StoppedMessage: r.StoppedMessage}
	if r.Incarnation != nil {
		st.Incarnation = *r.Incarnation
	}
	return st, true, nil
}

// Resume lets a stopped pipeline go on behind a sequence: marks below it are raised to it, the stream's incarnation is the given one,
// and whoever held the lease is fenced off. It fails with ErrNotStopped when nothing is stopped.
func (s *Store) Resume(ctx context.Context, pipeline string, incarnation time.Time, after uint64) (raised int, err error) {
	incarnation = incarnation.Truncate(time.Microsecond)
	err = pg.InTx(ctx, s.pool, labelResume, func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if _, err := q.ResumeReader(ctx, db.ResumeReaderParams{Pipeline: pipeline, Incarnation: &incarnation}); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("pipeline %s: %w", pipeline, ErrNotStopped)
			}
			return err
		}
		n, err := q.RaiseMarks(ctx, db.RaiseMarksParams{Pipeline: pipeline, Seq: int64(after), Idx: decide.EndOfFrame})
		raised = int(n)
		return err
	})
	return raised, err
}
