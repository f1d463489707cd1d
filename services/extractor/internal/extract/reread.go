package extract

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

const faultBeforeReread = "extractor.reread.before_read"

// Bounds of one step of reading again. Messages are asked for one by one and their sizes are known only afterwards, so a step has as many as would
// have fitted into rereadBytes by the step before, and never more than memory can take if each has the broker's largest size.
const (
	rereadFirst    = 16
	rereadMessages = 64
	rereadBytes    = batchBytes
	// rereadSoon is when to look again at an order that waits for the reader to come to its messages.
	rereadSoon = time.Second
)

// orders is when a reader looks for orders to read a part of its stream again.
type orders struct {
	told atomic.Bool // somebody told of one
	next time.Time   // when to look untold
	size int         // messages of the next step
}

// LookForOrders makes the next pass look for orders to read a part of the stream again.
func (r *Reader) LookForOrders() { r.orders.told.Store(true) }

// reread carries the oldest order to read a part of the stream again forward by one step. 0 = there is none, or it has to wait.
func (r *Reader) reread(ctx context.Context) (int, error) {
	if !r.orders.told.Swap(false) && r.Now().Before(r.orders.next) {
		return 0, nil
	}
	order, ok, err := r.Store.OpenReread(ctx, r.pipeline)
	if err != nil || !ok {
		r.orders.next = r.Now().Add(r.Recheck)
		return 0, err
	}
	why, err := r.rereadStep(ctx, order)
	if err != nil {
		return 0, fmt.Errorf("read messages %d to %d again: %w", order.From, order.To, err)
	}
	if why == "" {
		r.orders.next = time.Time{} // the next step at once
		return 1, nil
	}
	r.orders.next = r.Now().Add(min(rereadSoon, r.Recheck))
	return 0, r.Store.HaltReread(ctx, r.pipeline, order, why)
}

// rereadStep does one step of an order. It answers why it cannot, if it cannot now.
func (r *Reader) rereadStep(ctx context.Context, order store.Reread) (why string, err error) {
	h := r.held
	if h.switched {
		// The order may have been given because of it.
		return "waits until the newest revision of the definition is in force", nil
	}
	first, last := order.Read+1, min(order.To, decidedUpTo(h.engine.Lowest()))
	switch {
	case order.To <= order.Read:
		return "", r.step(ctx, order, store.Step{To: order.Read}, decide.Commit{})
	case last < first:
		return fmt.Sprintf("waits until the pipeline has read and sealed message %d", first), nil
	}
	if err := fault.Point(ctx, faultBeforeReread); err != nil {
		return "", err
	}
	info, err := r.Info(ctx, bus.RecordsStream(r.pipeline))
	if err != nil {
		return "", err
	}
	if !info.Incarnation.Truncate(time.Microsecond).Equal(h.Incarnation.Truncate(time.Microsecond)) {
		return "the stream was made again: its messages are others", nil
	}
	if first < info.First {
		// A purge takes messages from the front; asking for each of them would take as long as reading them.
		to := min(info.First-1, last)
		return "", r.step(ctx, order, store.Step{To: to, Gone: int(to - order.Read)}, decide.Commit{})
	}
	if r.orders.size == 0 {
		r.orders.size = rereadFirst
	}
	last = min(last, order.Read+uint64(r.orders.size))
	batch, gone, err := r.fetchAgain(ctx, first, last)
	if err != nil {
		return "", err
	}
	commit, known, err := r.decideAgain(ctx, first, last, batch)
	if err != nil {
		return "", err
	}
	if known < len(batch) && h.engine.Unsealed() > 0 {
		// What is unsealed may be newer versions, or repeats, of what is accepted now: the ledger has to know them first.
		seal := h.engine.All()
		if len(seal) > r.room() {
			return "waits until chunks that were sealed have their outcome", nil
		}
		if err := r.commit(ctx, seal); err != nil {
			return "", err
		}
		if commit, known, err = r.decideAgain(ctx, first, last, batch); err != nil {
			return "", err
		}
	}
	return "", r.step(ctx, order, store.Step{To: last, Known: known, Accepted: len(batch) - known, Gone: gone}, commit)
}

// decidedUpTo is the last message that every lane has decided to its end.
func decidedUpTo(low record.Place) uint64 {
	if low.Idx == decide.EndOfFrame || low.Seq == 0 {
		return low.Seq
	}
	return low.Seq - 1
}

// fetchAgain reads messages again and makes candidates of them, and says how many are gone.
func (r *Reader) fetchAgain(ctx context.Context, first, last uint64) (batch []decide.Candidate, gone int, err error) {
	seqs := make([]uint64, 0, last-first+1)
	for seq := first; seq <= last; seq++ {
		seqs = append(seqs, seq)
	}
	found, err := r.Get(ctx, bus.RecordsStream(r.pipeline), seqs)
	if err != nil {
		return nil, 0, err
	}
	bytes := 0
	for _, seq := range seqs {
		m, ok := found[seq]
		if !ok || r.held.skips(m) {
			gone++
			continue
		}
		before := len(batch)
		batch = r.held.mapper.message(batch, m)
		bytes += inMemory(batch[before:])
	}
	r.orders.size = min(max(rereadBytes/max(bytes/len(seqs), 1), 1), rereadMessages)
	return batch, gone, nil
}

func (r *Reader) decideAgain(ctx context.Context, first, last uint64, batch []decide.Candidate) (decide.Commit, int, error) {
	h := r.held
	recalled, err := r.Store.Recall(ctx, h.target, first, last, decide.RecallWants(h.config, batch))
	if err != nil {
		return decide.Commit{}, 0, err
	}
	at, err := r.acceptedAt(ctx)
	if err != nil {
		return decide.Commit{}, 0, err
	}
	return decide.Reread(h.config, batch, recalled, at, newChunkID)
}

// step stores what a step did.
func (r *Reader) step(ctx context.Context, order store.Reread, s store.Step, c decide.Commit) error {
	h := r.held
	messages, err := follows(h.def, record.ChunkReplay, c)
	if err != nil {
		return err
	}
	began := r.Now()
	if err := r.Store.Reread(ctx, h.Fence, r.Lease, h.target, order, s, c, messages); err != nil {
		return err
	}
	h.memory.note(&c.Records)
	h.renewAt = began.Add(r.Lease / 3)
	r.Metrics.reread(r.pipeline, s.Known, s.Accepted)
	if s.Accepted > 0 {
		r.Metrics.committed(r.pipeline, &c, r.Now().Sub(began))
		if err := r.learnAgain(ctx); err != nil {
			return err
		}
	}
	if s.Accepted > 0 || s.To >= order.To {
		r.Logger.InfoContext(ctx, "a part of the stream is read again", "order", uuid.UUID(order.ID).String(), "from_seq", order.From, "to_seq", order.To,
			"read_seq", s.To, "known", s.Known, "accepted", s.Accepted, "gone", s.Gone, "done", s.To >= order.To)
	}
	return nil
}

// learnAgain looks up anew what is known of the records that were fetched and are not decided: some of them may be repeats of what was just accepted.
func (r *Reader) learnAgain(ctx context.Context) error {
	h := r.held
	if len(h.pending) == 0 {
		return nil
	}
	answers, err := r.ask(ctx, h.pending)
	if err != nil {
		return err
	}
	h.engine.Learn(answers)
	return nil
}
