package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store/db"
)

// Reread is an order to read a part of a pipeline's stream again, and how far it has come.
type Reread struct {
	ID       uuid.UUID
	Pipeline string
	// From and To are the first and the last sequence to read, Read the last one that was read again (From-1 = none yet).
	From, To, Read uint64
	// Known and Accepted are the records that the ledger held, and those that it did not.
	Known, Accepted int64
	// Error says why it does not go on, or what of the part was not there.
	Error     string
	OrderedAt time.Time
	Done      bool
}

// OrderReread stores an order once per idempotency key; its id is that of its action. told follows from it.
func (s *Store) OrderReread(ctx context.Context, a Action, r Reread, told record.Message) (Action, bool, error) {
	return s.once(ctx, a, func(ctx context.Context, q *db.Queries, _ *Action) ([]record.Message, error) {
		err := q.InsertReread(ctx, db.InsertRereadParams{ID: a.ID, Pipeline: r.Pipeline, FromSeq: int64(r.From), ToSeq: int64(r.To)})
		return []record.Message{told}, err
	})
}

// Reread is one order; false = there is none of this id.
func (s *Store) Reread(ctx context.Context, id uuid.UUID) (Reread, bool, error) {
	r, err := s.Read().Reread(ctx, id)
	if noRows(err) {
		return Reread{}, false, nil
	}
	return Reread{
		ID: r.ID, Pipeline: r.Pipeline, From: uint64(r.FromSeq), To: uint64(r.ToSeq), Read: uint64(r.ReadSeq), Known: r.Known, Accepted: r.Accepted,
		Error: r.Error, OrderedAt: r.OrderedAt, Done: r.DoneAt != nil,
	}, err == nil, err
}

// Decided is the last message of a pipeline's stream up to which everything is decided in every lane; false = nothing is read yet.
func (s *Store) Decided(ctx context.Context, pipeline string) (uint64, bool, error) {
	undecided, err := s.Read().Undecided(ctx, pipeline)
	return uint64(max(undecided-1, 0)), err == nil && undecided > 0, err
}
