package letters

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/ops/internal/store"
)

// Bounds of an order.
const (
	// MaxIDs is the most letters that one order names; more go by a filter.
	MaxIDs = 10_000
	// ReasonAbove is the number of letters above which a replay needs a reason.
	ReasonAbove = 100
	maxReason   = 1000
	maxKey      = 200
)

// pointReply stands between an order that was carried out and the answer that says so.
const pointReply = "ops.order.before_reply"

// InvalidError says that an order cannot be understood; correct it.
type InvalidError struct{ Problem string }

func (e *InvalidError) Error() string { return e.Problem }

// UnavailableError says that nothing was decided, since what the order rests on could not be asked for: order again later.
type UnavailableError struct {
	What string
	Err  error
}

func (e *UnavailableError) Error() string { return e.What + ": " + e.Err.Error() }

func (e *UnavailableError) Unwrap() error { return e.Err }

// RefusedError says that an order is understood and not carried out: what it rests on is not so.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// NothingError says that nothing matches an order.
type NothingError struct{ What string }

func (e *NothingError) Error() string { return e.What }

// Order is what a person asks for.
type Order struct {
	// Kind is store.ActionReplay or store.ActionDiscard.
	Kind string
	// IDs name letters; or HasFilter, and Filter with Expected, how many the person saw.
	IDs       []string
	HasFilter bool
	Filter    store.Filter
	Expected  *int64
	Reason    string
	// Key is the idempotency key.
	Key string
	By  string
}

// Done is what became of an order.
type Done struct {
	ActionID string
	// Moved letters are replaying or discarded now; Skipped were named and not open any more.
	Moved, Skipped int
	// Repeated says that the key was used before, with the same order, and this is the first answer.
	Repeated bool
}

// Order carries out an order, once per idempotency key and as a whole or not at all. It may take as long as ctx allows: a filter may match a million letters.
// Errors: [InvalidError], [RefusedError], [NothingError], [UnavailableError] (another order has the key or some of the letters), else the database's.
func (x *Index) Order(ctx context.Context, o Order) (Done, error) {
	selection, err := o.check()
	if err != nil {
		return Done{}, err
	}
	action := store.Action{ID: uuid.Must(uuid.NewV7()), IdempotencyKey: o.Key, Kind: o.Kind, Digest: o.digest(selection), Reason: o.Reason, By: o.By}
	check := func(l store.Locked) error { return o.allow(selection, l) }
	tell := func(moved map[string]int) []record.Message {
		if o.Kind != store.ActionReplay {
			return nil
		}
		var messages []record.Message
		for pipeline, n := range moved {
			fact := &flowv1.ReplayOrdered{ActionId: action.ID.String(), Letters: int32(n)}
			messages = append(messages, bus.FlowMessage(bus.NewEnvelope(pipeline, 0, fact)))
		}
		return messages
	}
	done, repeated, err := x.store.Act(ctx, action, selection, check, tell)
	if err != nil {
		return Done{}, unwrapRefusal(err)
	}
	if repeated && !sameOrder(done, action) {
		return Done{}, otherOrder(done)
	}
	if !repeated {
		x.logger.InfoContext(ctx, "letters ordered", "action", done.ID, "kind", o.Kind, "letters", done.Letters, "skipped", done.Skipped, "by", o.By)
	}
	if err := fault.Point(ctx, pointReply); err != nil {
		return Done{}, err
	}
	return Done{ActionID: done.ID.String(), Moved: done.Letters, Skipped: done.Skipped, Repeated: repeated}, nil
}

// sameOrder says whether a key that was used before was used for this very order.
func sameOrder(done, now store.Action) bool {
	return done.Kind == now.Kind && string(done.Digest) == string(now.Digest)
}

func otherOrder(done store.Action) error {
	return &RefusedError{fmt.Sprintf("idempotency key %q was used for another order (action %s): take a new key for a new order", done.IdempotencyKey, done.ID)}
}

// errUnderWay is what an order is told that came while another one holds what it needs: orders by filter may take minutes.
var errUnderWay = &UnavailableError{
	What: "nothing was done by this order",
	Err:  errors.New("its idempotency key or some of its letters belong to one that is still being carried out; ask again with the same key"),
}

// unwrapRefusal takes the transaction's label off an error that is meant for the caller.
func unwrapRefusal(err error) error {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*NothingError](err); ok {
		return e
	}
	if errors.Is(err, store.ErrHeld) {
		return errUnderWay
	}
	return err
}

// check reads the order as it stands, without the ledger.
func (o Order) check() (store.Selection, error) {
	switch {
	case o.Key == "" || len(o.Key) > maxKey:
		return store.Selection{}, &InvalidError{fmt.Sprintf("idempotency_key must have 1 to %d characters: send a new random one with each order, and the same one when you repeat it", maxKey)}
	case len(o.Reason) > maxReason:
		return store.Selection{}, &InvalidError{fmt.Sprintf("reason has %d bytes, at most %d are kept", len(o.Reason), maxReason)}
	case o.Kind == store.ActionDiscard && strings.TrimSpace(o.Reason) == "":
		return store.Selection{}, &InvalidError{"a discard needs a reason: it stays beside the record for ever"}
	case len(o.IDs) > 0 && o.HasFilter:
		return store.Selection{}, &InvalidError{"give either ids or filter, not both"}
	case len(o.IDs) > MaxIDs:
		return store.Selection{}, &InvalidError{fmt.Sprintf("%d ids, at most %d go in one order: use a filter", len(o.IDs), MaxIDs)}
	case len(o.IDs) > 0:
		return o.byID()
	case !o.HasFilter:
		return store.Selection{}, &InvalidError{"give ids, or filter with expected_count"}
	case o.Expected == nil || *o.Expected < 0:
		return store.Selection{}, &InvalidError{"filter needs expected_count, the number of letters that you saw: the set may have changed since"}
	}
	return store.Selection{Filter: o.Filter}, nil
}

func (o Order) byID() (store.Selection, error) {
	ids := make([]uuid.UUID, 0, len(o.IDs))
	for _, text := range o.IDs {
		id, err := uuid.Parse(text)
		if err != nil {
			return store.Selection{}, &InvalidError{fmt.Sprintf("%q is no id of a dead letter", text)}
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return strings.Compare(string(a[:]), string(b[:])) })
	return store.Selection{IDs: slices.Compact(ids)}, nil
}

// allow decides, with the letters locked, whether the order is carried out.
func (o Order) allow(selection store.Selection, locked store.Locked) error {
	open := locked.Open
	switch {
	case len(selection.IDs) > 0 && locked.Known == 0:
		return &NothingError{"none of these dead letters is known: list them with GET /v1/dead-letters"}
	case len(selection.IDs) == 0 && o.Expected != nil && int64(open) != *o.Expected:
		return &RefusedError{fmt.Sprintf("%d open letters match now, expected_count is %d: look at them again, then order with the new number", open, *o.Expected)}
	case len(selection.IDs) == 0 && open == 0:
		return &NothingError{"no open dead letter matches this filter"}
	case locked.Unresolved > 0:
		return &RefusedError{fmt.Sprintf("%d of the %d letters tell of unresolved records: whether the org has them is not known, so they are neither sent again nor given up. "+
			"Decide first: bulkhead dlq resolve ID --landed SALESFORCE-ID, or --not-landed (or choose other letters, for instance by class)", locked.Unresolved, open)}
	case o.Kind == store.ActionReplay && open > ReasonAbove && strings.TrimSpace(o.Reason) == "":
		return &RefusedError{fmt.Sprintf("a replay of %d letters needs a reason (above %d)", open, ReasonAbove)}
	}
	return nil
}

// digest tells one order from another. Who orders, and the words of the reason, make no other order.
func (o Order) digest(selection store.Selection) []byte {
	text, err := json.Marshal(struct {
		Kind     string
		IDs      []uuid.UUID
		Filter   store.Filter
		Expected *int64
	}{o.Kind, selection.IDs, selection.Filter, o.Expected})
	if err != nil {
		text = []byte(err.Error()) // strings, numbers and UUIDs: it cannot happen, and must not be taken for an equal order
	}
	sum := sha256.Sum256(text)
	return sum[:]
}
