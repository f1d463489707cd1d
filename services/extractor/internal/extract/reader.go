package extract

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

// Fault points of a reader; those of its transactions are named by package store.
const (
	faultBeforeFetch  = "extractor.read.before_fetch"
	faultAfterFetch   = "extractor.read.after_fetch"
	faultAfterMap     = "extractor.read.after_map"
	faultBeforeDecide = "extractor.read.before_decide"
	faultAfterLease   = "extractor.lease.after_take"
)

// Bounds of one fetch: a few frames of the size that publishers aim at. What is fetched may be compressed, so a batch is made of no more of its messages than
// take batchBytes as candidates, the last one beyond it: it is in memory three times at most, as messages, as candidates and, decided, as rows, and looked up
// by one statement.
const (
	fetchMessages = 512
	fetchBytes    = 4 << 20
	batchBytes    = 16 << 20
	// candidateBytes is about what a candidate takes beside the record's own bytes.
	candidateBytes = 400
	defaultWait    = 500 * time.Millisecond
	// outcomeWait bounds the wait for messages while rows wait for their lane's chunks: whoever tells of an outcome does not end a fetch.
	outcomeWait = 50 * time.Millisecond
)

// Catalog is where definitions come from.
type Catalog interface {
	Current(ctx context.Context) ([]*pipeline.Definition, error)
	Definition(ctx context.Context, name string, revision int) (*pipeline.Definition, error)
	// Invalidate makes the next Current read what is in force now.
	Invalidate()
}

// Stream is a pipeline's stream of records, opened at a place.
type Stream interface {
	Fetch(ctx context.Context, maxMsgs, maxBytes int, wait time.Duration) ([]bus.Msg, error)
	Incarnation() time.Time
	Last() uint64
	// Witness is the last message that was read.
	Witness() bus.Witness
	Close(ctx context.Context)
}

// Deps is what passes need.
type Deps struct {
	Store   *store.Store
	Catalog Catalog
	// Open opens a stream of records.
	Open func(ctx context.Context, c bus.ReaderConfig) (Stream, error)
	// Info and Get look at a stream and at single messages of it, as [bus.Info] and [bus.GetMany] do.
	Info func(ctx context.Context, stream string) (bus.StreamInfo, error)
	Get  func(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error)
	// Holes are what a stream lacks behind a sequence, as [bus.Holes] says.
	Holes func(ctx context.Context, stream string, after uint64) (holes []bus.Range, all bool, err error)
	// Next is the message of a stream at a sequence or the next one behind it, as the stream's leader knows it, as [bus.NextStored] says.
	Next func(ctx context.Context, stream string, seq uint64) (bus.Msg, error)
	// Owner names this process in leases; random.
	Owner string
	// Lease is how long a lease lasts without being renewed; it is renewed after a third.
	Lease time.Duration
	// OpenChunks bounds the fresh chunks of a pipeline that have no outcome.
	OpenChunks int
	// Remember bounds the memory, in bytes, in which a reader remembers the keys that the ledger holds, and as much for entities. A pipeline that has far more is
	// looked up.
	Remember int
	// Wait is how long an idle reader waits for messages; 0 = half a second.
	Wait time.Duration
	// Recheck is how often a stopped pipeline looks whether it may go on.
	Recheck time.Duration
	// Now is the process's clock: how old a lane's buffer is, when to look again.
	Now func() time.Time
	// Clock is the ledger's clock: when a record is accepted, which every other service reads. nil = that of the store.
	Clock   pg.Clock
	Logger  *slog.Logger
	Metrics *Metrics
}

// acceptedAt is the present time by the ledger's clock: that of what a commit accepts, which is not before it.
func (d *Deps) acceptedAt(ctx context.Context) (time.Time, error) {
	clock := d.Clock
	if clock == nil {
		clock = d.Store.Clock()
	}
	at, err := clock(ctx)
	return at.Truncate(time.Microsecond), err
}

// Reader reads the stream of one pipeline. Not for concurrent use.
type Reader struct {
	Deps
	pipeline string
	held     *held
	orders   orders
	outcomes atomic.Bool // somebody told of one: chunks are counted again
	tooMany  tooMany
}

// held is what a reader has while it holds the lease.
type held struct {
	store.Held
	renewAt  time.Time
	recheck  time.Time // of a stopped reader
	def      *pipeline.Definition
	target   store.Target
	mapper   *mapper
	config   decide.Config  // of the engine
	engine   *decide.Engine // nil = to be opened
	stream   Stream
	fetched  []bus.Msg // those of which no candidates are made yet
	pending  []decide.Candidate
	batch    []decide.Candidate // the room of pending
	skipped  []bus.Range        // sequences that nobody reads
	passed   uint64             // the last of them that was fetched, until what stands before it is decided; 0 = none
	memory   memory
	switched bool      // a newer revision waits
	missing  bool      // it was said that there is no stream
	open     int       // chunks without an outcome, at most: counted at countAt, and what was sealed since
	countAt  time.Time // when to count again; zero = now
}

// NewReader makes the reader of a pipeline. It holds nothing yet.
func NewReader(d Deps, pipelineName string) *Reader {
	d.Logger = d.Logger.With("pipeline", pipelineName)
	if d.Wait <= 0 {
		d.Wait = defaultWait
	}
	return &Reader{Deps: d, pipeline: pipelineName}
}

// Pass does one round, with at most one commit. It waits a moment for messages when there are none. 0 means that nothing can be done
// now: another instance holds the lease, the bound is reached, the pipeline is stopped, or a change of lanes waits for quiet.
func (r *Reader) Pass(ctx context.Context) (int, error) {
	n, err := r.pass(ctx)
	if err != nil {
		// Whatever is held may be out of step with the ledger: it is cheap to read again.
		if errors.Is(err, pg.ErrLost) {
			r.Logger.InfoContext(ctx, "another instance reads this pipeline now", "error", err)
			r.drop(ctx)
			return 0, nil
		}
		r.reopen(ctx)
		if r.held != nil {
			r.held.memory = memory{}
		}
	}
	return n, err
}

func (r *Reader) pass(ctx context.Context) (int, error) {
	if ok, err := r.hold(ctx); err != nil || !ok {
		return 0, err
	}
	if ok, err := r.open(ctx); err != nil || !ok {
		return 0, err
	}
	if err := r.lookForRevision(ctx); err != nil {
		return 0, err
	}
	if err := r.countOpen(ctx); err != nil {
		return 0, err
	}
	again, err := r.reread(ctx)
	if err != nil {
		return 0, err
	}
	wait := r.Wait
	if again > 0 {
		wait = 0
	}
	n, err := r.read(ctx, wait)
	return n + again, err
}

// room is how many fresh chunks may still be sealed.
func (r *Reader) room() int { return max(r.OpenChunks-r.held.open, 0) }

// read reads on: it fetches, decides and commits at most once. wait is how long it waits for messages when there are none.
func (r *Reader) read(ctx context.Context, wait time.Duration) (int, error) {
	h, room := r.held, r.room()
	if h.switched && !h.engine.Reading().Less(h.engine.Highest()) {
		return r.changeRevision(ctx, room)
	}
	fetched := false
	if len(h.pending) == 0 && room > 0 {
		var err error
		if fetched, err = r.fetch(ctx, wait); err != nil || h.engine == nil {
			return 0, err // without an engine the pipeline stopped
		}
	}
	if err := fault.Point(ctx, faultBeforeDecide); err != nil {
		return 0, err
	}
	fed := r.feed()
	r.forget()
	due := h.engine.Due(r.Now())
	seal := due.Seal[:min(len(due.Seal), room)]
	if due.Flush || len(seal) > 0 {
		if err := r.commit(ctx, seal); err != nil {
			return 0, err
		}
		return fed + 1, nil
	}
	if room == 0 {
		return 0, nil
	}
	if fetched {
		return fed, nil
	}
	// The fetch waited already; asking again is how an idle reader waits.
	return 1, nil
}

// LookForOutcomes makes the next pass count the chunks that have none.
func (r *Reader) LookForOutcomes() { r.outcomes.Store(true) }

// countOpen keeps the number of chunks without an outcome: others only make it smaller, so it is counted again when somebody told of an outcome, when it is
// old or when it would stop the reading, and not at every look at an idle stream.
func (r *Reader) countOpen(ctx context.Context) error {
	h, now := r.held, r.Now()
	if !r.outcomes.Swap(false) && now.Before(h.countAt) && h.open < r.OpenChunks {
		return nil
	}
	lanes, err := r.Store.OpenChunks(ctx, r.pipeline)
	if err != nil {
		return err
	}
	open := 0
	for _, n := range lanes {
		open += n
	}
	h.open, h.countAt = open, now.Add(r.Lease/3)
	h.engine.Open(lanes)
	r.Metrics.openChunks(r.pipeline, open)
	return nil
}

// hold takes the lease, or renews it when a third of it is over.
func (r *Reader) hold(ctx context.Context) (bool, error) {
	now := r.Now()
	if r.held == nil {
		row, ok, err := r.Store.Acquire(ctx, r.pipeline, r.Owner, r.Lease)
		if err != nil || !ok {
			return false, err
		}
		if err := fault.Point(ctx, faultAfterLease); err != nil {
			return false, err
		}
		r.held = &held{Held: row, renewAt: now.Add(r.Lease / 3)}
		r.Logger.InfoContext(ctx, "reading", "epoch", row.Epoch, "revision", row.Revision)
		return true, nil
	}
	if now.Before(r.held.renewAt) {
		return true, nil
	}
	if err := r.Store.Renew(ctx, r.held.Fence, r.Lease); err != nil {
		return false, err
	}
	r.held.renewAt = now.Add(r.Lease / 3)
	return true, nil
}

// feed decides what was fetched, until a lane is full or, on the way to another revision, the lanes are even.
func (r *Reader) feed() int {
	h := r.held
	n := 0
	for len(h.pending) > 0 {
		if h.switched && !h.engine.Reading().Less(h.engine.Highest()) {
			break
		}
		if h.engine.Feed(&h.pending[0], r.Now()) == decide.Full {
			break
		}
		h.pending = h.pending[1:]
		n++
	}
	if len(h.pending) == 0 && h.passed > 0 {
		h.engine.Pass(h.passed, r.Now())
		h.passed = 0
		n++
	}
	return n
}

// skips says whether nobody reads a message.
func (h *held) skips(m bus.Msg) bool { return bus.Covered(h.skipped, m.Seq, m.Seq) || bus.IsFiller(m) }

// forget lets go of what is known for the batch in hand when that is decided: what was committed since may be the better part of what the reader holds, and the
// next message may be long in coming.
func (r *Reader) forget() {
	if len(r.held.pending) == 0 {
		r.held.engine.Learn(decide.Answers{})
	}
}

// fetch reads the next messages, makes candidates of them and looks up what the ledger knows. false = nothing came.
func (r *Reader) fetch(ctx context.Context, wait time.Duration) (bool, error) {
	h := r.held
	now := r.Now()
	if next := h.engine.Next(); !next.IsZero() {
		wait = max(0, min(wait, next.Sub(now)))
	}
	if next := h.engine.NextIfFree(); !next.IsZero() {
		wait = min(wait, max(next.Sub(now), outcomeWait))
	}
	if err := fault.Point(ctx, faultBeforeFetch); err != nil {
		return false, err
	}
	if len(h.fetched) == 0 {
		var err error
		if h.fetched, err = h.stream.Fetch(ctx, fetchMessages, fetchBytes, wait); err == nil {
			err = r.found(ctx, h.fetched)
		}
		if err != nil {
			if stopped, stopErr := r.stopFor(ctx, err); stopped || stopErr != nil {
				return false, stopErr
			}
			return false, err
		}
		if len(h.fetched) > 0 {
			h.Read = h.stream.Witness()
		}
	}
	if err := fault.Point(ctx, faultAfterFetch); err != nil {
		return false, err
	}
	if len(h.fetched) == 0 {
		h.batch = nil // the bodies of the last batch are not kept for as long as nothing comes
		return false, nil
	}
	batch := h.nextBatch()
	if err := fault.Point(ctx, faultAfterMap); err != nil {
		return false, err
	}
	answers, err := r.ask(ctx, batch)
	if err != nil {
		return false, err
	}
	h.engine.Learn(answers)
	h.batch, h.pending = batch, batch
	return true, nil
}

// nextBatch makes candidates of the next messages that were fetched.
func (h *held) nextBatch() []decide.Candidate {
	batch, size := h.batch[:0], 0
	for len(h.fetched) > 0 && size < batchBytes {
		m := h.fetched[0]
		h.fetched[0], h.fetched = bus.Msg{}, h.fetched[1:]
		if h.skips(m) {
			h.passed = m.Seq
			continue
		}
		before := len(batch)
		batch = h.mapper.message(batch, m)
		size += inMemory(batch[before:])
	}
	return batch
}

// inMemory is about how many bytes candidates take.
func inMemory(batch []decide.Candidate) int {
	size := candidateBytes * len(batch)
	for i := range batch {
		size += len(batch[i].Payload)
	}
	return size
}

// ask looks a batch up and holds the lease meanwhile: a ledger that is slow to answer must not hand the pipeline to another instance, which would ask for
// the same and lose it as well.
func (r *Reader) ask(ctx context.Context, batch []decide.Candidate) (decide.Answers, error) {
	fence := r.held.Fence
	holding, release := pg.Hold(ctx, r.Lease, func(ctx context.Context) error { return r.Store.Renew(ctx, fence, r.Lease) })
	answers, err := r.lookUp(holding, batch)
	if err != nil && ctx.Err() == nil && holding.Err() != nil {
		err = context.Cause(holding)
	}
	release()
	return answers, err
}

func (r *Reader) lookUp(ctx context.Context, batch []decide.Candidate) (decide.Answers, error) {
	h := r.held
	if err := r.remember(ctx, batch); err != nil {
		return decide.Answers{}, err
	}
	a, err := r.Store.LookUp(ctx, h.target, h.engine.Wants(batch, h.memory.news()))
	if err != nil {
		return a, err
	}
	if a.Equal, err = r.Store.Equal(ctx, h.target, h.engine.WantsEqual(batch, a)); err != nil {
		return a, err
	}
	reused, err := r.Store.Known(ctx, h.target, h.engine.WantsReused(batch, a))
	if err != nil {
		return a, err
	}
	for k, v := range reused {
		if a.Keys == nil {
			a.Keys = make(map[record.Hash]decide.Known, len(reused))
		}
		a.Keys[k] = v
	}
	return a, nil
}

// commit cuts the lanes and stores what comes of it. After an error the engine is out of step and must be thrown away.
func (r *Reader) commit(ctx context.Context, seal []int) error {
	h := r.held
	at, err := r.acceptedAt(ctx)
	if err != nil {
		return err
	}
	c, err := h.engine.Cut(seal, at, newChunkID)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if c.Empty() {
		return nil
	}
	messages, err := follows(h.def, record.ChunkFresh, c)
	if err != nil {
		return err
	}
	began := r.Now()
	if err := r.Store.Commit(ctx, h.Fence, r.Lease, h.target, c, messages); err != nil {
		return err
	}
	now := r.Now()
	h.memory.note(&c.Records)
	h.engine.Settle(c, now)
	r.forget()
	h.renewAt = began.Add(r.Lease / 3) // the commit renewed it
	h.open += len(c.Chunks)
	r.Metrics.committed(r.pipeline, &c, now.Sub(began))
	for i := range c.Chunks {
		ch := &c.Chunks[i]
		r.Logger.InfoContext(ctx, "chunk sealed", "chunk", uuid.UUID(ch.ID).String(), "revision", h.def.Revision, "lane", ch.Lane,
			"rows", ch.Rows, "records", ch.Records, "bytes", ch.Bytes, "first_seq", ch.FirstSeq, "seconds", now.Sub(began).Seconds())
	}
	return nil
}

// newChunkID names a chunk; sorted by time, so that the ledger's indexes grow at their end.
func newChunkID() [16]byte { return uuid.Must(uuid.NewV7()) }

// Close gives the lease back. What was not committed is read again by the next holder.
func (r *Reader) Close(ctx context.Context) error {
	if r.held == nil {
		return nil
	}
	f := r.held.Fence
	r.drop(ctx)
	return r.Store.Release(ctx, f)
}

// reopen forgets everything but the lease.
func (r *Reader) reopen(ctx context.Context) {
	h := r.held
	if h == nil {
		return
	}
	if h.stream != nil {
		h.stream.Close(context.WithoutCancel(ctx))
	}
	h.engine, h.stream, h.fetched, h.pending, h.switched, h.countAt = nil, nil, nil, nil, false, time.Time{}
}

// drop forgets the lease as well.
func (r *Reader) drop(ctx context.Context) {
	r.reopen(ctx)
	r.held = nil
}
