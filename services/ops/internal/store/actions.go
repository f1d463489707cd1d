package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store/db"
)

// Action is what a person ordered.
type Action struct {
	ID             uuid.UUID
	IdempotencyKey string
	// Kind is one of the Action words. Digest is that of the request: the same key with another request is refused.
	Kind       string
	Digest     []byte
	Reason, By string
	// Letters is how many it moved, Skipped how many it named that were not open any more.
	Letters, Skipped int
	// Detail is what else the audit trail says of it; nil = nothing.
	Detail map[string]any
}

// Kinds of action.
const (
	ActionReplay  = "replay"
	ActionDiscard = "discard"
	ActionResolve = "resolve"
	ActionReread  = "reread"
)

// Fault points inside the transaction of a replay or a discard: before and behind the letters' own rows.
const (
	pointLocked = "ops.action.after_lock"
	pointMoved  = "ops.action.after_move"
)

// ErrHeld says that an action did nothing since another one that is still under way has its idempotency key or some of its letters.
var ErrHeld = errors.New("another action is under way")

// lockNotAvailable is PostgreSQL's code for a lock that was waited for as long as one is.
const lockNotAvailable = "55P03"

// Selection is what an action is about: IDs, or Filter when there are none.
type Selection struct {
	IDs    []uuid.UUID
	Filter Filter
}

// once carries out an action in one transaction: the idempotency key is taken first, then fn does what was ordered and says what is to be told,
// then the action's numbers and its entry in the audit trail are written. A second call with the key returns the first one's answer and true, and
// does nothing. An error of fn frees the key. [ErrHeld]: nothing was done, see there.
func (s *Store) once(ctx context.Context, a Action, fn func(context.Context, *db.Queries, *Action) ([]record.Message, error)) (Action, bool, error) {
	repeated := false
	if planted.On(planted.ReplayWithoutIdempotencyKey) {
		a.IdempotencyKey += " " + a.ID.String()
	}
	out := a
	err := s.move(ctx, PointAction, func(ctx context.Context, tx pgx.Tx, q *db.Queries) error {
		n, err := q.TakeAction(ctx, db.TakeActionParams{
			ID: a.ID, IdempotencyKey: a.IdempotencyKey, Kind: a.Kind, RequestDigest: a.Digest, Reason: a.Reason, By: a.By,
		})
		if err != nil {
			return err
		}
		if repeated = n == 0; repeated {
			out, err = actionByKey(ctx, q, a.IdempotencyKey)
			return err
		}
		out = a
		messages, err := fn(ctx, q, &out)
		if err != nil {
			return err
		}
		if err := q.FinishAction(ctx, db.FinishActionParams{ID: a.ID, Letters: int32(out.Letters), Skipped: int32(out.Skipped)}); err != nil {
			return err
		}
		if err := audit(ctx, q, a.By, a.Kind, a.ID.String(), a.Reason, out.detail()); err != nil {
			return err
		}
		return pg.Enqueue(ctx, tx, Schema, messages...)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == lockNotAvailable {
		err = fmt.Errorf("%w: %w", ErrHeld, err)
	}
	return out, repeated, err
}

// detail is what the audit trail says beside who, what and why, as JSON.
func (a Action) detail() string {
	all := map[string]any{"letters": a.Letters, "skipped": a.Skipped}
	maps.Copy(all, a.Detail)
	text, err := json.Marshal(all)
	if err != nil {
		return "" // texts and numbers: it cannot happen, and an entry without detail is better than none
	}
	return string(text)
}

// ActionByKey is what an idempotency key was used for; false = it is new.
func (s *Store) ActionByKey(ctx context.Context, key string) (Action, bool, error) {
	a, err := actionByKey(ctx, s.Read(), key)
	if noRows(err) {
		return Action{}, false, nil
	}
	return a, err == nil, err
}

func actionByKey(ctx context.Context, q *db.Queries, key string) (Action, error) {
	first, err := q.ActionByKey(ctx, key)
	if err != nil {
		return Action{}, err
	}
	return Action{
		ID: first.ID, IdempotencyKey: key, Kind: first.Kind, Digest: first.RequestDigest, Letters: int(first.Letters), Skipped: int(first.Skipped),
	}, nil
}

// Locked is what a selection holds when its letters are locked.
type Locked struct {
	// Open letters are those that an action may move, Known those that a selection by id names and that are there.
	Open, Known int
	// Unresolved of the open ones are letters of unresolved records.
	Unresolved int
}

// Act carries out a replay or a discard once: a second call with its idempotency key returns the first one's answer and true. check sees what the
// selection holds; its error ends the action and frees the key. tell makes the messages that follow, from the number of letters moved in each
// pipeline.
//
// All of it is one transaction, whose statements may take as long as ctx allows, also beyond what the ledger allows otherwise. Letters that another action
// holds are waited for as long as for any lock, then it is [ErrHeld].
func (s *Store) Act(ctx context.Context, a Action, sel Selection, check func(Locked) error, tell func(map[string]int) []record.Message) (Action, bool, error) {
	return s.once(ctx, a, func(ctx context.Context, q *db.Queries, out *Action) ([]record.Message, error) {
		if err := allowTime(ctx, q); err != nil {
			return nil, err
		}
		open, locked, err := lockLetters(ctx, q, sel)
		if err != nil {
			return nil, err
		}
		if err := check(locked); err != nil {
			return nil, err
		}
		if err := fault.Point(ctx, pointLocked); err != nil {
			return nil, err
		}
		moved, err := moveLetters(ctx, q, a, open)
		if err != nil {
			return nil, err
		}
		if err := fault.Point(ctx, pointMoved); err != nil {
			return nil, err
		}
		out.Letters, out.Skipped = len(moved), 0
		if len(sel.IDs) > 0 {
			out.Skipped = len(sel.IDs) - len(moved)
		}
		return tell(byPipeline(moved)), nil
	})
}

// endsBehind is by how much the ledger's own bound of a statement lies behind that of its caller, who is the one to end it and can say why. The ledger's is
// for a caller that is gone without a word.
const endsBehind = time.Minute

// allowTime lets the statements of a transaction take as long as ctx allows; without a deadline they keep the ledger's bound.
func allowTime(ctx context.Context, q *db.Queries) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	return q.AllowTime(ctx, strconv.FormatInt((time.Until(deadline)+endsBehind).Milliseconds(), 10))
}

func byPipeline(moved []string) map[string]int {
	out := map[string]int{}
	for _, pipeline := range moved {
		out[pipeline]++
	}
	return out
}

func lockLetters(ctx context.Context, q *db.Queries, sel Selection) (open []uuid.UUID, locked Locked, err error) {
	note := func(id uuid.UUID, class, state string) {
		locked.Known++
		if state != "open" {
			return
		}
		open = append(open, id)
		if class == string(record.ClassUnresolved) {
			locked.Unresolved++
		}
	}
	if len(sel.IDs) > 0 {
		rows, err := q.LockLettersByID(ctx, sel.IDs)
		for _, r := range rows {
			note(r.LetterID, r.Class, r.State)
		}
		locked.Open = len(open)
		return open, locked, err
	}
	f := sel.Filter
	rows, err := q.LockLettersByFilter(ctx, db.LockLettersByFilterParams{
		Pipeline: f.Pipeline, Class: f.Class, Code: f.Code, Fingerprint: f.Fingerprint, Run: f.Run,
	})
	for _, r := range rows {
		note(r.LetterID, r.Class, "open")
	}
	locked.Open = len(open)
	return open, locked, err
}

func moveLetters(ctx context.Context, q *db.Queries, a Action, open []uuid.UUID) ([]string, error) {
	action := uuid.NullUUID{UUID: a.ID, Valid: true}
	if a.Kind == ActionDiscard {
		return q.DiscardLetters(ctx, db.DiscardLettersParams{ActionID: action, LetterIds: open})
	}
	return q.ReplayLetters(ctx, db.ReplayLettersParams{ActionID: action, LetterIds: open})
}
