package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store/db"
)

// Fence is a lease as it was taken: a move under it fails with pg.ErrLost once somebody took the lease again.
type Fence struct {
	Pipeline string
	Owner    string
	Epoch    int64
	// Read is the last message that was read: each move under the lease notes it.
	Read bus.Witness
}

// Held is a reader's row at the moment of taking its lease.
type Held struct {
	Fence
	// Revision is the definition by which records were routed so far; 0 = none yet.
	Revision int
	// Incarnation is when the stream was made; zero = never read.
	Incarnation time.Time
	// StoppedCode and StoppedMessage say why reading stopped with an alarm; "" = it has not.
	StoppedCode, StoppedMessage string
}

// Acquire takes a pipeline's lease when nobody holds it; false = somebody does.
func (s *Store) Acquire(ctx context.Context, pipeline, owner string, lease time.Duration) (Held, bool, error) {
	for try := 0; ; try++ {
		row, err := s.q.AcquireReader(ctx, db.AcquireReaderParams{Pipeline: pipeline, Owner: owner, LeaseSeconds: lease.Seconds()})
		switch {
		case err == nil:
			h := Held{
				Fence: Fence{Pipeline: pipeline, Owner: owner, Epoch: row.Epoch}, Revision: int(row.Revision),
				StoppedCode: row.StoppedCode, StoppedMessage: row.StoppedMessage,
			}
			h.Read = witness(row.WitnessSeq, row.WitnessStoredAt)
			if row.Incarnation != nil {
				h.Incarnation = *row.Incarnation
			}
			return h, true, nil
		case !errors.Is(err, pgx.ErrNoRows):
			return Held{}, false, fmt.Errorf("take the lease of reader %s: %w", pipeline, err)
		case try > 0:
			return Held{}, false, nil
		}
		// No row is either held or not there yet.
		if err := s.q.AddReader(ctx, pipeline); err != nil {
			return Held{}, false, fmt.Errorf("add reader %s: %w", pipeline, err)
		}
	}
}

// Renew prolongs the lease.
func (s *Store) Renew(ctx context.Context, f Fence, lease time.Duration) error {
	n, err := s.q.RenewReader(ctx, renewal(f, lease))
	return fenced("renew the lease of reader "+f.Pipeline, n, err)
}

func renewal(f Fence, lease time.Duration) db.RenewReaderParams {
	return db.RenewReaderParams{
		Pipeline: f.Pipeline, Owner: f.Owner, Epoch: f.Epoch, LeaseSeconds: lease.Seconds(),
		WitnessSeq: int64(f.Read.Seq), WitnessStoredAt: f.Read.Stored.Truncate(time.Microsecond),
	}
}

// witness reads a message that was read as it is stored.
func witness(seq int64, stored *time.Time) bus.Witness {
	if seq == 0 || stored == nil {
		return bus.Witness{}
	}
	return bus.Witness{Seq: uint64(seq), Stored: *stored}
}

// Release gives the lease back, so that another instance need not wait for its end. It is not an error when it was lost before.
func (s *Store) Release(ctx context.Context, f Fence) error {
	_, err := s.q.ReleaseReader(ctx, db.ReleaseReaderParams{Pipeline: f.Pipeline, Owner: f.Owner, Epoch: f.Epoch})
	if err != nil {
		return fmt.Errorf("give back the lease of reader %s: %w", f.Pipeline, err)
	}
	return nil
}

// NoteIncarnation stores which stream is read, the first time it is.
func (s *Store) NoteIncarnation(ctx context.Context, f Fence, made time.Time) error {
	made = made.Truncate(time.Microsecond)
	n, err := s.q.SetIncarnation(ctx, db.SetIncarnationParams{Pipeline: f.Pipeline, Owner: f.Owner, Epoch: f.Epoch, Incarnation: &made})
	return fenced("note the stream of reader "+f.Pipeline, n, err)
}

// Stop notes why reading stopped; an empty code says that it goes on.
func (s *Store) Stop(ctx context.Context, f Fence, code, message string) error {
	n, err := s.q.StopReader(ctx, db.StopReaderParams{Pipeline: f.Pipeline, Owner: f.Owner, Epoch: f.Epoch, Code: code, Message: message})
	return fenced("note why reader "+f.Pipeline+" stopped", n, err)
}

// Marks reads the checkpoint vector.
func (s *Store) Marks(ctx context.Context, pipeline string) (map[int]record.Place, error) {
	rows, err := s.q.Marks(ctx, pipeline)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint of %s: %w", pipeline, err)
	}
	out := make(map[int]record.Place, len(rows))
	for _, r := range rows {
		out[int(r.Lane)] = place(r.Seq, r.Idx)
	}
	return out, nil
}

// ErrBusy says that something of an entity space may still be sent as the revision in force routed it.
var ErrBusy = errors.New("something of the entity space may still be sent")

// Space is an entity space ("" = none) and the pipelines that write it. Own is one of them whose rows count whatever space they are of; "" = none.
type Space struct {
	Name, Own string
	Pipelines []string
}

// Switch puts a revision in force: its lanes exist from now on, at the place where all lanes stand, and others are gone. The caller
// has sealed everything, so that the vector is even at that place. With drained nothing of that space may still be sent: [ErrBusy] if
// anything may.
func (s *Store) Switch(ctx context.Context, f Fence, lease time.Duration, was, revision, lanes int, at record.Place, drained *Space) error {
	return pg.InTx(ctx, s.pool, labelSwitch, func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := fence(ctx, q, f, lease); err != nil {
			return err
		}
		if drained != nil {
			// Replays that are being routed by the revision in force are stored first; later ones see the next one (TakeReplays).
			if err := q.LockPipeline(ctx, f.Pipeline); err != nil {
				return err
			}
			busy, err := q.SpaceBusy(ctx, db.SpaceBusyParams{Space: drained.Name, Own: drained.Own, Pipelines: drained.Pipelines})
			if err != nil {
				return fmt.Errorf("look whether %s is quiet: %w", drained.Name, err)
			}
			if busy {
				return ErrBusy
			}
		}
		n, err := q.SetRevision(ctx, db.SetRevisionParams{
			Pipeline: f.Pipeline, Owner: f.Owner, Epoch: f.Epoch, Was: int32(was), Revision: int32(revision),
		})
		if err := fenced("set the revision", n, err); err != nil {
			return err
		}
		for lane := record.LaneNone; lane < lanes; lane++ {
			if err := q.AddMark(ctx, db.AddMarkParams{Pipeline: f.Pipeline, Lane: int32(lane), Seq: int64(at.Seq), Idx: int32(at.Idx)}); err != nil {
				return err
			}
		}
		return q.DropMarks(ctx, db.DropMarksParams{Pipeline: f.Pipeline, Lanes: int32(lanes)})
	})
}

// fence is the first statement of every transaction under a lease: it locks the reader's row until the end, so that nobody takes the
// lease in between, and fails when somebody has.
func fence(ctx context.Context, q *db.Queries, f Fence, lease time.Duration) error {
	n, err := q.RenewReader(ctx, renewal(f, lease))
	return fenced("lease of reader "+f.Pipeline, n, err)
}

func fenced(what string, n int64, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n == 0 {
		return fmt.Errorf("%s: %w", what, pg.ErrLost)
	}
	return nil
}

func moveMarks(ctx context.Context, q *db.Queries, pipeline string, moves []decide.Move) error {
	if len(moves) == 0 {
		return nil
	}
	p := db.MoveMarksParams{Pipeline: pipeline}
	for _, m := range moves {
		p.Lanes = append(p.Lanes, int32(m.Lane))
		p.FromSeqs = append(p.FromSeqs, int64(m.From.Seq))
		p.FromIdxs = append(p.FromIdxs, int32(m.From.Idx))
		p.ToSeqs = append(p.ToSeqs, int64(m.To.Seq))
		p.ToIdxs = append(p.ToIdxs, int32(m.To.Idx))
	}
	n, err := q.MoveMarks(ctx, p)
	if err != nil {
		return fmt.Errorf("move the checkpoint of %s: %w", pipeline, err)
	}
	if n != int64(len(moves)) {
		return fmt.Errorf("checkpoint of %s: %d of %d marks stood where they were read: %w", pipeline, n, len(moves), pg.ErrLost)
	}
	return nil
}

// place reads a place as it is stored. Sequences beyond an int64 do not occur: the broker counts from 1.
func place(seq int64, idx int32) record.Place {
	return record.Place{Seq: uint64(seq), Idx: uint32(idx)}
}
