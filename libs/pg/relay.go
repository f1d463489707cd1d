package pg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/fault"
	"bulkhead/libs/record"
)

// PublishFunc publishes the messages, all of one family (the first word of their subjects), and returns nil only when
// the broker has acknowledged every one of them.
type PublishFunc func(ctx context.Context, msgs []record.Message) error

// RelayOptions are what a Relay may be told. The zero value is good.
type RelayOptions struct {
	Logger *slog.Logger
	// Every is the sweep's period, which finds what no notification told of; default 1 s.
	Every time.Duration
	// Batch and BatchBytes bound what one transaction publishes; default 1,000 messages (the broker's bound for an
	// atomic batch) and 8 MiB. A single message above the bytes still goes, alone.
	Batch      int
	BatchBytes int
	// PublishTimeout bounds one call of the publish function and those that follow it in the same transaction; default 20 s.
	PublishTimeout time.Duration
	// MaxBackoff bounds the wait after failures in a row; default 10 s.
	MaxBackoff time.Duration
	// Random gives numbers in [0,1), from any goroutine, for waits after failures; default math/rand/v2's.
	Random func() float64
}

func (o RelayOptions) withDefaults() RelayOptions {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Batch == 0 {
		o.Batch = 1000
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = 8 << 20
	}
	if o.PublishTimeout == 0 {
		o.PublishTimeout = 20 * time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 10 * time.Second
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

// Relay publishes what stands in one schema's outbox and deletes it afterwards. There is no cursor: identities commit
// out of order, so whatever is visible is taken, oldest first. Any number may run at once; rows that another one holds
// are skipped. A crash between publish and delete publishes again: consumers bear repeats.
type Relay struct {
	pool    DB
	schema  string
	publish PublishFunc
	o       RelayOptions
	fails   map[string]*failing // by family; only the goroutine of Run or Pass touches it
}

// failing is what is remembered of a family whose publishing fails.
type failing struct {
	count int
	until time.Time // not tried before
	said  string
}

// NewRelay makes a relay for the outbox of schema. Pass and Run of one Relay are not for several goroutines at once.
func NewRelay(pool DB, schema string, publish PublishFunc, o RelayOptions) *Relay {
	return &Relay{pool: pool, schema: schema, publish: publish, o: o.withDefaults(), fails: map[string]*failing{}}
}

// Pass publishes what is visible now, at most one batch per family, and says how many messages it published and deleted.
// A family that fails does not keep the others back; it is left alone for a while and then tried again.
func (r *Relay) Pass(ctx context.Context) (int, error) {
	families, err := r.families(ctx)
	if err != nil {
		return 0, fmt.Errorf("relay of %s: %w", r.schema, err)
	}
	for family := range r.fails {
		if !slices.Contains(families, family) {
			delete(r.fails, family) // another relay published it
		}
	}
	published := 0
	var errs []error
	for _, family := range families {
		f := r.fails[family]
		if f != nil && time.Now().Before(f.until) {
			continue
		}
		n, err := r.passFamily(ctx, family)
		published += n
		r.note(ctx, family, f, err)
		if err != nil {
			errs = append(errs, fmt.Errorf("relay of %s, %s.>: %w", r.schema, family, err))
		}
	}
	return published, errors.Join(errs...)
}

func (r *Relay) families(ctx context.Context) ([]string, error) {
	query, err := outboxSQL("outbox_families", r.schema)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("look for messages: %w", err)
	}
	families, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for messages: %w", err)
	}
	return families, nil
}

// note remembers how publishing a family went, and logs when that changes.
func (r *Relay) note(ctx context.Context, family string, f *failing, err error) {
	if err == nil {
		if f != nil {
			r.o.Logger.InfoContext(ctx, "outbox is published again", "schema", r.schema, "family", family, "failures", f.count)
			delete(r.fails, family)
		}
		return
	}
	if ctx.Err() != nil {
		return
	}
	if f == nil {
		f = &failing{}
		r.fails[family] = f
	}
	f.count++
	f.until = time.Now().Add(r.backoff(f.count))
	if err.Error() != f.said {
		r.o.Logger.WarnContext(ctx, "outbox cannot be published", "schema", r.schema, "family", family, "error", err)
		f.said = err.Error()
	}
}

// passFamily publishes one batch of one family. The rows stay locked meanwhile, so that no other relay takes them; the
// publish is bounded far below the session's idle timeout.
func (r *Relay) passFamily(ctx context.Context, family string) (int, error) {
	published := 0
	var publishErr error
	err := InTx(ctx, r.pool, r.schema+".outbox", func(ctx context.Context, tx pgx.Tx) error {
		published, publishErr = 0, nil
		ids, msgs, err := r.claim(ctx, tx, family)
		if err != nil || len(msgs) == 0 {
			return err
		}
		done, err := r.send(ctx, ids, msgs)
		publishErr = err
		if len(done) == 0 {
			return nil
		}
		remove, err := outboxSQL("outbox_delete", r.schema)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, remove, done); err != nil {
			return fmt.Errorf("delete what was published: %w", err)
		}
		published = len(done)
		return nil
	})
	if err != nil {
		return 0, errors.Join(publishErr, err)
	}
	return published, publishErr
}

// claim locks the oldest rows of the family and reads as many as the bounds allow.
func (r *Relay) claim(ctx context.Context, tx pgx.Tx, family string) ([]int64, []record.Message, error) {
	claim, err := outboxSQL("outbox_claim", r.schema)
	if err != nil {
		return nil, nil, err
	}
	read, err := outboxSQL("outbox_read", r.schema)
	if err != nil {
		return nil, nil, err
	}
	rows, err := tx.Query(ctx, claim, family, r.o.Batch)
	if err != nil {
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	sizes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[outboxSize])
	if err != nil {
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	ids := withinBytes(sizes, r.o.BatchBytes)
	if len(ids) == 0 {
		return nil, nil, nil
	}
	rows, err = tx.Query(ctx, read, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("read: %w", err)
	}
	msgs, err := pgx.CollectRows(rows, scanMessage)
	if err != nil {
		return nil, nil, fmt.Errorf("read: %w", err)
	}
	return ids, msgs, nil
}

type outboxSize struct {
	ID   int64
	Size int
}

// withinBytes is the longest beginning that stays within the bytes, and never less than one message.
func withinBytes(sizes []outboxSize, limit int) []int64 {
	var ids []int64
	total := 0
	for _, s := range sizes {
		total += s.Size
		if total > limit && len(ids) > 0 {
			break
		}
		ids = append(ids, s.ID)
	}
	return ids
}

func scanMessage(row pgx.CollectableRow) (record.Message, error) {
	var (
		id      int64
		m       record.Message
		headers []byte
	)
	if err := row.Scan(&id, &m.Subject, &m.MsgID, &headers, &m.Body); err != nil {
		return m, err
	}
	if err := json.Unmarshal(headers, &m.Headers); err != nil {
		return m, fmt.Errorf("headers of outbox row %d: %w", id, err)
	}
	if len(m.Headers) == 0 {
		m.Headers = nil
	}
	return m, nil
}

// maxSingleFailures ends the one by one that follows a refused batch.
const maxSingleFailures = 8

// send publishes the batch, and returns the ids of what was acknowledged. When the batch is refused its messages are
// tried one by one, so that one that can never be published does not hold up those behind it.
func (r *Relay) send(ctx context.Context, ids []int64, msgs []record.Message) ([]int64, error) {
	if err := fault.Point(ctx, r.schema+".outbox.before_publish"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.PublishTimeout)
	defer cancel()
	batchErr := r.publish(ctx, msgs)
	if batchErr == nil {
		if err := fault.Point(ctx, r.schema+".outbox.after_publish"); err != nil {
			return nil, err // as if the acknowledgement had been lost
		}
		return ids, nil
	}
	var done []int64
	failures := 0
	for i := 0; i < len(msgs) && len(msgs) > 1 && failures < maxSingleFailures && ctx.Err() == nil; i++ {
		if err := r.publish(ctx, msgs[i:i+1]); err != nil {
			failures++
			batchErr = fmt.Errorf("message %d on %s: %w", ids[i], msgs[i].Subject, err)
			continue
		}
		done = append(done, ids[i])
	}
	if failures == 0 && len(done) == len(msgs) {
		return done, nil // refused as a batch only
	}
	return done, batchErr
}
