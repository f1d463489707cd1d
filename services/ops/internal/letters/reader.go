package letters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/store"
)

// readerName is the row of ops.checkpoints that says how far the DLQ stream is read.
const readerName = "dlq"

// pointFetched stands between a fetch and what is noted of it.
const pointFetched = "ops.letters.after_fetch"

const (
	fetchMessages = 500
	fetchBytes    = 8 << 20
	// defaultWait is far below any lease.
	defaultWait = 2 * time.Second
)

// Config is what the passes need; Store, Conn, Owner and Lease are required, Definitions and Orgs for [Index.Resolve].
type Config struct {
	Store *store.Store
	Conn  *bus.Conn
	// Owner names this instance among those that share the reader's lease.
	Owner string
	// Lease is how long the reader belongs to an instance that says nothing more.
	Lease time.Duration
	// Definitions and Orgs are asked before anything unresolved is decided.
	Definitions Definitions
	Orgs        Orgs
	// Wait is how long a read waits for a message; far below Lease. Default 2 s, or a quarter of a lease that is shorter than 8 s.
	Wait   time.Duration
	Logger *slog.Logger
}

// Index keeps the index of letters and closes them. Its passes are for one goroutine each.
type Index struct {
	store  *store.Store
	conn   *bus.Conn
	owner  string
	lease  time.Duration
	wait   time.Duration
	logger *slog.Logger

	definitions Definitions
	orgs        Orgs

	mu        sync.Mutex  // guards what follows: one reads at a time
	reader    *bus.Reader // nil = to be opened
	place     store.Checkpoint
	claimedAt time.Time
	restUntil time.Time // another instance reads: not asked again before

	deleting sync.Mutex // guards what follows: one deletes at a time
	doubts   doubts

	verifying  sync.Mutex // guards what follows: one verifies at a time
	verified   bool
	verifiedTo uint64 // the last place that was looked at
}

// New makes an index.
func New(c Config) *Index {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Wait <= 0 {
		c.Wait = min(defaultWait, c.Lease/4)
	}
	return &Index{
		store: c.Store, conn: c.Conn, owner: c.Owner, lease: c.Lease, wait: c.Wait, logger: c.Logger, definitions: c.Definitions, orgs: c.Orgs,
	}
}

// Read notes the next letters of the DLQ stream, and says how many messages it went past. Another instance that holds the lease makes it 0. It
// waits a moment for a message.
func (x *Index) Read(ctx context.Context) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if time.Now().Before(x.restUntil) {
		return 0, nil
	}
	n, err := x.read(ctx)
	if err != nil {
		x.closeReader(ctx)
	}
	if errors.Is(err, pg.ErrLost) {
		x.restUntil = time.Now().Add(x.lease / 3)
		return 0, nil
	}
	return n, err
}

func (x *Index) read(ctx context.Context) (int, error) {
	// Renewed at a third of the lease, so that a quiet stream costs the database nearly nothing. A place that moved meanwhile fails the
	// compare-and-set.
	if x.reader == nil || time.Since(x.claimedAt) > x.lease/3 {
		if err := x.claim(ctx); err != nil {
			return 0, err
		}
	}
	place := x.place
	if x.reader == nil || x.reader.After() != place.Seq {
		x.closeReader(ctx)
		if err := x.open(ctx, place); err != nil {
			return 0, err
		}
	}
	messages, err := x.reader.Fetch(ctx, fetchMessages, fetchBytes, x.wait)
	if err != nil {
		return 0, x.restart(ctx, place, err)
	}
	if len(messages) == 0 {
		return 0, nil
	}
	if err := fault.Point(ctx, pointFetched); err != nil {
		return 0, err
	}
	var (
		letters []store.Letter
		where   []store.LetterMessage
	)
	for _, m := range messages {
		letter, err := noteOf(m)
		if err != nil {
			// The stream is open to others by its nature; what is no letter is nobody's record, and stays where it is.
			x.logger.WarnContext(ctx, "message on the DLQ stream is no dead letter", "sequence", m.Seq, "subject", m.Subject, "error", err)
			continue
		}
		letters = append(letters, letter)
		where = append(where, store.LetterMessage{Seq: m.Seq, LetterID: letter.ID})
	}
	last := messages[len(messages)-1].Seq
	if err := x.store.Note(ctx, readerName, x.owner, place, last, letters, where); err != nil {
		return 0, fmt.Errorf("note %d letters: %w", len(letters), err)
	}
	x.place.Seq = last
	return len(messages), nil
}

// claim takes or renews the lease. The first time it makes the checkpoint, for the stream as it is now.
func (x *Index) claim(ctx context.Context) error {
	at := time.Now() // before the statement, so that the lease is never believed to be longer than it is
	place, err := x.store.ClaimReader(ctx, readerName, x.owner, x.lease)
	if errors.Is(err, pg.ErrLost) {
		info, infoErr := bus.Info(ctx, x.conn, bus.StreamDLQ)
		if infoErr != nil {
			return infoErr
		}
		if err := x.store.StartReader(ctx, readerName, incarnationOf(info.Incarnation)); err != nil {
			return fmt.Errorf("make the checkpoint: %w", err)
		}
		place, err = x.store.ClaimReader(ctx, readerName, x.owner, x.lease)
	}
	if err != nil {
		return err
	}
	x.place, x.claimedAt = place, at
	return nil
}

// incarnationOf is a stream's time as PostgreSQL keeps it.
func incarnationOf(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func (x *Index) open(ctx context.Context, place store.Checkpoint) error {
	incarnation := place.Incarnation
	if planted.On(planted.CheckpointWithoutIncarnation) {
		incarnation = time.Time{}
	}
	reader, err := bus.OpenReader(ctx, x.conn, bus.ReaderConfig{
		Stream: bus.StreamDLQ, After: place.Seq, AllowGaps: true, Incarnation: incarnation,
	})
	if err != nil {
		return x.restart(ctx, place, err)
	}
	x.reader = reader
	return nil
}

// restart begins at the front when the stream is another one, or shorter than it was: the index then learns all of it again, and rows that are there stay.
func (x *Index) restart(ctx context.Context, place store.Checkpoint, cause error) error {
	other, isOther := errors.AsType[*bus.IncarnationError](cause)
	_, isShorter := errors.AsType[*bus.ShortenedError](cause)
	is := place.Incarnation
	switch {
	case isOther:
		is = incarnationOf(other.Have)
	case isShorter:
	case errors.Is(cause, jetstream.ErrStreamNotFound):
		return fmt.Errorf("read dead letters: %w (it is made again within seconds)", cause)
	default:
		return fmt.Errorf("read dead letters: %w", cause)
	}
	if err := x.store.RestartReader(ctx, readerName, x.owner, place.Incarnation, is); err != nil {
		return fmt.Errorf("begin the DLQ stream anew: %w", err)
	}
	x.logger.WarnContext(ctx, "DLQ stream was made again or shortened, it is read from its start", "cause", cause)
	return fmt.Errorf("read dead letters: %w", cause)
}

func (x *Index) closeReader(ctx context.Context) {
	if x.reader != nil {
		x.reader.Close(context.WithoutCancel(ctx))
		x.reader = nil
	}
}

// Close lets the broker forget the reader. It waits for a Read that is under way.
func (x *Index) Close(ctx context.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closeReader(ctx)
}

// noteOf is what the index keeps of a message.
func noteOf(m bus.Msg) (store.Letter, error) {
	l, err := bus.ParseDeadLetter(m.Data)
	if err != nil {
		return store.Letter{}, err
	}
	id, err := uuid.Parse(l.ID)
	if err != nil {
		return store.Letter{}, fmt.Errorf("id %q is no UUID", l.ID)
	}
	if err := checkID(id, l); err != nil {
		return store.Letter{}, err
	}
	if err := checkBounds(l); err != nil {
		return store.Letter{}, err
	}
	return newLetter(store.Letter{
		ID: id, Pipeline: l.Pipeline, Revision: l.Revision, Run: l.Run, Key: plain(l.Key), KeyHash: record.HashKey(l.Pipeline, l.Key),
		Generation: l.Generation, Entity: plain(l.Entity), Class: l.Class, Code: l.Code, Message: plain(l.Message), Fields: l.Fields,
		Stage: l.Stage, DeadAt: l.DeadAt.UTC().Truncate(time.Microsecond), // as PostgreSQL keeps it, which knows fewer offsets than JSON
	}), nil
}

// checkID refuses an id that is not made of what the letter says: a record has one letter for each generation, and while it is unresolved one for
// each chunk in which what became of it could not be established.
func checkID(id uuid.UUID, l bus.DeadLetter) error {
	if l.Class != string(record.ClassUnresolved) {
		if want := uuid.UUID(record.LetterID(l.Pipeline, l.Key, l.Generation)); id != want {
			return fmt.Errorf("id %s is not that of its pipeline, key and generation (%s)", id, want)
		}
		return nil
	}
	for _, a := range l.Attempts {
		chunk, err := uuid.Parse(a.Chunk)
		if err == nil && id == uuid.UUID(record.UnresolvedID(l.Pipeline, l.Key, l.Generation, chunk)) {
			return nil
		}
	}
	return fmt.Errorf("id %s is not that of its pipeline, key, generation and one of its chunks", id)
}

// Bounds of what the index stores; everything that Bulkhead writes is far inside them.
const (
	maxWord   = 200
	maxFields = 5000
)

// checkBounds refuses what the index cannot hold: anybody may publish on the stream, and one such message must not stop the reader.
func checkBounds(l bus.DeadLetter) error {
	for _, word := range append([]string{l.Pipeline, l.Class, l.Code, l.Stage, l.Run}, l.Fields...) {
		if len(word) > maxWord || strings.ContainsRune(word, 0) {
			return fmt.Errorf("pipeline, class, code, stage, run and fields have at most %d bytes each, and no NUL", maxWord)
		}
	}
	switch {
	case len(l.Fields) > maxFields:
		return fmt.Errorf("%d fields, at most %d", len(l.Fields), maxFields)
	case l.Generation < 0 || l.Generation > math.MaxInt16, l.Revision < 0 || l.Revision > math.MaxInt32:
		return fmt.Errorf("generation %d or revision %d is out of range", l.Generation, l.Revision)
	}
	if year := l.DeadAt.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("dead_at %s is out of range: years 1 to 9999, in UTC", l.DeadAt.Format(time.RFC3339Nano))
	}
	return nil
}

// plain leaves out NUL, which PostgreSQL's text cannot hold.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// newLetter adds what the index computes.
func newLetter(l store.Letter) store.Letter {
	if l.Fields == nil {
		l.Fields = []string{}
	}
	l.Fingerprint = Fingerprint(l.Pipeline, l.Stage, l.Class, l.Code, l.Fields, l.Message)
	return l
}
