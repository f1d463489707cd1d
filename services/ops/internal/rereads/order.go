package rereads

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/streams"
)

const (
	maxReason = 1000
	maxKey    = 200
)

// Streams asks the broker about a pipeline's stream.
type Streams interface {
	// Range is the first and the last sequence that the stream holds; streams.ErrNoStream = it is not there. Of an empty stream last < first.
	Range(ctx context.Context, pipeline string) (first, last uint64, err error)
	// FirstSince is the first sequence in [first, last] that was stored at or after a time; last+1 = all are older.
	FirstSince(ctx context.Context, pipeline string, first, last uint64, since time.Time) (uint64, error)
}

// Order is what a person asks for.
type Order struct {
	Pipeline string
	// From is the first sequence to read, or Since the time of the first message; one of them is set.
	From  uint64
	Since time.Time
	// To is the last sequence to read; 0 = up to where everything is decided.
	To     uint64
	Reason string
	// Key is the idempotency key.
	Key string
	By  string
}

// Orders takes orders. It is safe for concurrent use.
type Orders struct {
	store   *store.Store
	streams Streams
	logger  *slog.Logger
}

// New makes the orders.
func New(s *store.Store, asker Streams, logger *slog.Logger) *Orders {
	return &Orders{store: s, streams: asker, logger: logger}
}

// Order stores an order, once per idempotency key; true = the key was used before with the same order. Errors: those of package letters, else the
// database's or the broker's.
func (o *Orders) Order(ctx context.Context, r Order) (store.Reread, bool, error) {
	if err := r.check(); err != nil {
		return store.Reread{}, false, err
	}
	action := store.Action{
		ID: uuid.Must(uuid.NewV7()), IdempotencyKey: r.Key, Kind: store.ActionReread, Digest: r.digest(), Reason: r.Reason, By: r.By,
	}
	first, repeated, err := o.store.ActionByKey(ctx, r.Key)
	if err != nil {
		return store.Reread{}, false, fmt.Errorf("look for the action of this key: %w", err)
	}
	if repeated {
		return o.again(ctx, first, action)
	}
	part, err := o.part(ctx, r)
	if err != nil {
		return store.Reread{}, false, err
	}
	action.Detail = map[string]any{"pipeline": part.Pipeline, "from_seq": part.From, "to_seq": part.To}
	fact := &flowv1.ReplayOrdered{ActionId: action.ID.String(), Rereads: 1}
	done, repeated, err := o.store.OrderReread(ctx, action, part, bus.FlowMessage(bus.NewEnvelope(r.Pipeline, 0, fact)))
	if err != nil {
		return store.Reread{}, false, fmt.Errorf("store the order: %w", err)
	}
	if repeated {
		return o.again(ctx, done, action)
	}
	o.logger.InfoContext(ctx, "part of a stream ordered to be read again", "pipeline", r.Pipeline, "action", action.ID, "from", part.From, "to", part.To, "by", r.By)
	out, _, err := o.Get(ctx, action.ID)
	return out, false, err
}

// again is the answer to an order whose key was used before.
func (o *Orders) again(ctx context.Context, first, now store.Action) (store.Reread, bool, error) {
	if first.Kind != now.Kind || string(first.Digest) != string(now.Digest) {
		return store.Reread{}, false, &letters.RefusedError{
			Reason: fmt.Sprintf("idempotency key %q was used for another order (action %s): take a new key for a new order", now.IdempotencyKey, first.ID),
		}
	}
	out, _, err := o.Get(ctx, first.ID)
	return out, true, err
}

// Get is one order and how far it has come; false = there is none of this id.
func (o *Orders) Get(ctx context.Context, id uuid.UUID) (store.Reread, bool, error) {
	r, ok, err := o.store.Reread(ctx, id)
	if err != nil {
		return store.Reread{}, false, fmt.Errorf("read the order: %w", err)
	}
	return r, ok, nil
}

func (r Order) check() error {
	problem := ""
	switch {
	case r.Key == "" || len(r.Key) > maxKey:
		problem = fmt.Sprintf("idempotency_key must have 1 to %d characters: send a new random one with each order, and the same one when you repeat it", maxKey)
	case strings.TrimSpace(r.Reason) == "":
		problem = "reading a part of the stream again needs a reason: it stays in the audit trail"
	case len(r.Reason) > maxReason:
		problem = fmt.Sprintf("reason has %d bytes, at most %d are kept", len(r.Reason), maxReason)
	case (r.From == 0) == r.Since.IsZero():
		problem = "give either from_seq, the first sequence to read, or since, the time of the first message"
	case r.To != 0 && r.To < r.From:
		problem = fmt.Sprintf("to_seq %d lies before from_seq %d", r.To, r.From)
	}
	if problem != "" {
		return &letters.InvalidError{Problem: problem}
	}
	return nil
}

func (r Order) digest() []byte {
	text, err := json.Marshal(struct {
		Kind, Pipeline string
		From, To       uint64
		Since          time.Time
	}{store.ActionReread, r.Pipeline, r.From, r.To, r.Since.UTC()})
	if err != nil {
		text = []byte(err.Error()) // texts and numbers: it cannot happen, and must not be taken for an equal order
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// part is what is to be read, or why it cannot be.
func (o *Orders) part(ctx context.Context, r Order) (store.Reread, error) {
	first, last, err := o.streams.Range(ctx, r.Pipeline)
	if errors.Is(err, streams.ErrNoStream) {
		return store.Reread{}, refused("stream %s is not there yet: nothing can be read again", bus.RecordsStream(r.Pipeline))
	}
	if err != nil {
		return store.Reread{}, fmt.Errorf("ask for the stream: %w", err)
	}
	decided, begun, err := o.store.Decided(ctx, r.Pipeline)
	if err != nil {
		return store.Reread{}, fmt.Errorf("read how far the pipeline is: %w", err)
	}
	upTo := min(last, decided)
	part := store.Reread{Pipeline: r.Pipeline, From: r.From, To: r.To}
	if !begun || upTo < first {
		return part, refused("nothing of %s can be read again: it holds the messages %d to %d, and everything is decided up to %d", bus.RecordsStream(r.Pipeline), first, last, decided)
	}
	if part.From == 0 {
		if part.From, err = o.streams.FirstSince(ctx, r.Pipeline, first, last, r.Since); err != nil {
			return part, fmt.Errorf("look for the first message since %s: %w", r.Since.UTC().Format(time.RFC3339), err)
		}
		if part.From > last {
			return part, refused("no message of %s was stored at or after %s: the last one is %d", bus.RecordsStream(r.Pipeline), r.Since.UTC().Format(time.RFC3339), last)
		}
	}
	if part.To == 0 {
		part.To = upTo
	}
	switch {
	case part.From < first:
		return part, refused("%s holds the messages %d to %d, %d is not among them: what is below has been let go (see the horizon in the configuration), the publisher must send it again", bus.RecordsStream(r.Pipeline), first, last, part.From)
	case part.From > last || part.To > last:
		return part, refused("%s holds the messages %d to %d, %d is not among them", bus.RecordsStream(r.Pipeline), first, last, max(part.From, part.To))
	case part.From > decided || part.To > decided:
		return part, refused("everything is decided up to message %d only: what is behind it is being read for the first time, order again when it is done", decided)
	case part.To < part.From: // of a time, since check has compared two sequences
		return part, &letters.InvalidError{
			Problem: fmt.Sprintf("to_seq %d lies before message %d, the first one stored at or after %s: name a later to_seq, or an earlier since", part.To, part.From, r.Since.UTC().Format(time.RFC3339)),
		}
	}
	return part, nil
}

func refused(format string, args ...any) error {
	return &letters.RefusedError{Reason: fmt.Sprintf(format, args...)}
}
