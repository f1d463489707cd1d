package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store/db"
)

// Decisions on an unresolved record.
const (
	// DecisionLanded: the org has it, as the row that is named.
	DecisionLanded = "landed"
	// DecisionNotLanded: the org does not have it; it is sent again.
	DecisionNotLanded = "not_landed"
)

// Unresolved is a letter of an unresolved record with what a decision on it is checked by.
type Unresolved struct {
	LetterID        uuid.UUID
	Pipeline, Class string
	// State is that of the letter.
	State string
	// Revision is that by which the row was made. 0 = the ledger holds no unresolved record of this letter.
	Revision    int
	Key, Entity string
	// Chunk is the one whose sending may have made the row; DecidedAt is when it was given up.
	Chunk     uuid.UUID
	DecidedAt time.Time
}

// UnresolvedLetters are the letters of these ids that are known, by id.
func (s *Store) UnresolvedLetters(ctx context.Context, ids []uuid.UUID) ([]Unresolved, error) {
	rows, err := s.Read().UnresolvedLetters(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Unresolved, len(rows))
	for i, r := range rows {
		out[i] = Unresolved{LetterID: r.LetterID, Pipeline: r.Pipeline, Class: r.Class, State: r.State, Chunk: r.Chunk.UUID}
		if r.Revision != nil {
			out[i].Revision, out[i].Key, out[i].Entity, out[i].DecidedAt = int(*r.Revision), *r.Key, *r.Entity, *r.DecidedAt
		}
	}
	return out, nil
}

// Decision is what is said of unresolved letters.
type Decision struct {
	Letters []uuid.UUID
	// Said is DecisionLanded or DecisionNotLanded; SalesforceID the row of a landed one, else "".
	Said, SalesforceID string
	// Org has the row, Pipeline is the record's: the row must be no other record's of theirs. For DecisionLanded.
	Org, Pipeline string
	// State is what the letters become.
	State string
}

// Resolve stores a decision once per idempotency key. Letters that are not open any more are skipped. taken is called, and its error ends the action,
// when the row has become another record's since it was checked.
func (s *Store) Resolve(ctx context.Context, a Action, d Decision, taken func() error, tell func(map[string]int) []record.Message) (Action, bool, error) {
	return s.once(ctx, a, func(ctx context.Context, q *db.Queries, out *Action) ([]record.Message, error) {
		if err := q.LockDecisions(ctx); err != nil {
			return nil, err
		}
		locked, err := q.LockLettersByID(ctx, d.Letters)
		if err != nil {
			return nil, err
		}
		var open []uuid.UUID
		for _, l := range locked {
			if l.State == "open" && l.Class == string(record.ClassUnresolved) {
				open = append(open, l.LetterID)
			}
		}
		if d.Said == DecisionLanded && len(open) > 0 {
			is, err := q.RowIsTaken(ctx, db.RowIsTakenParams{SfID: d.SalesforceID, Org: d.Org, Pipeline: d.Pipeline})
			if err != nil {
				return nil, err
			}
			if is {
				return nil, taken()
			}
		}
		if err := q.Decide(ctx, db.DecideParams{
			LetterIds: open, ActionID: a.ID, Decision: d.Said, SfID: d.SalesforceID, Reason: a.Reason, By: a.By,
		}); err != nil {
			return nil, err
		}
		moved, err := q.MoveDecided(ctx, db.MoveDecidedParams{
			State: d.State, ActionID: uuid.NullUUID{UUID: a.ID, Valid: true}, LetterIds: open,
		})
		if err != nil {
			return nil, err
		}
		out.Letters, out.Skipped = len(moved), len(d.Letters)-len(moved)
		return tell(byPipeline(moved)), nil
	})
}
