package extract

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
)

// lostUpTo makes the ledger one that has read more messages than the stream holds: those behind the last one are lost. Lanes that are named have not decided
// more than the stream holds without its last message.
func (b *bench) lostUpTo(seq uint64, behind ...int) {
	b.Helper()
	b.exec(`UPDATE extractor.checkpoints SET seq = $1, idx = 2147483647 WHERE lane <> ALL ($2)`, int64(seq), append([]int{}, behind...))
	b.exec(`UPDATE extractor.readers SET witness_seq = $1, witness_stored_at = $2`, int64(seq), time.Now())
}

func (b *bench) stopped() string {
	b.Helper()
	st, _, err := b.store.Status(b.Context(), testPipeline)
	b.must(err)
	return st.StoppedCode
}

func (b *bench) pass(r *Reader) {
	b.Helper()
	_, err := r.Pass(b.Context())
	b.must(err)
}

func TestAStreamThatWasPutBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since uint64 // messages that came since
		code  string
		again bus.Again
	}{
		"ends before what was read, and nothing came since": {0, StoppedShortened, bus.Again{From: 5, Through: 4, Behind: 9}},
		"ends before what was read":                         {2, StoppedShortened, bus.Again{From: 5, Through: 6, Behind: 9}},
		"holds others where some were read":                 {5, StoppedReplaced, bus.Again{From: 5, Through: 9, Behind: 9}},
		"holds others where some were read, and behind":     {8, StoppedReplaced, bus.Again{From: 5, Through: 12, Behind: 12}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
			r := b.reader("one")
			for i := range 4 {
				b.single(fmt.Sprintf("first-%d", i), contact(fmt.Sprintf("a%d", i), "A"))
			}
			b.settle(r)
			b.must(r.Close(t.Context()))
			b.lostUpTo(9)
			for i := range c.since {
				b.single(fmt.Sprintf("since-%d", i), contact(fmt.Sprintf("a%d", i), "N"))
			}
			r = b.reader("two")
			for range 3 {
				b.pass(r)
			}
			if got := b.stopped(); got != c.code {
				t.Fatalf("stopped by %q, want %s", got, c.code)
			}
			b.wantTally(tally{Rows: 4})

			done, err := Resume(t.Context(), b.store, b.conn, testPipeline)
			b.must(err)
			if done.Again != c.again {
				t.Errorf("stored again %+v, want %+v", done.Again, c.again)
			}
			b.single("last", contact("z", "Z"))
			b.advance(2 * time.Minute)
			b.settle(r)
			b.wantTally(tally{Rows: 4 + int(c.since) + 1})
			if n := b.count(`SELECT count(*)::int FROM extractor.records WHERE seq BETWEEN 5 AND $1`, int64(c.again.Behind)); n != 0 {
				t.Errorf("%d records were read where nobody reads", n)
			}
			// What came since is newer than what came before, and what came later newer still: sequences never ran backwards.
			if n := b.count(`SELECT count(*)::int FROM extractor.records WHERE seq > $1`, int64(c.again.Behind)); n != int(c.since)+1 {
				t.Errorf("%d records stand behind what was read, want %d", n, c.since+1)
			}
			if b.stopped() != "" {
				t.Errorf("still stopped by %s", b.stopped())
			}
		})
	}
}

func TestWhatALaneHadNotDecidedIsReadThoughTheStreamWasPutBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
	r := b.reader("one")
	b.single("first", contact("a", "A"))
	b.settle(r)
	undecided := contact("u", "U")
	lane := r.held.mapper.message(nil, bus.Msg{Seq: 2, Header: nats.Header{}, Data: []byte(undecided)})[0].Lane
	b.must(r.Close(t.Context()))
	b.single("undecided", undecided)
	b.lostUpTo(5, lane)
	b.single("since", contact("s", "S"))
	r = b.reader("two")
	b.pass(r)
	_, err := Resume(t.Context(), b.store, b.conn, testPipeline)
	b.must(err)
	b.advance(2 * time.Minute)
	b.settle(r)
	b.wantTally(tally{Rows: 3})
	if n := b.count(`SELECT count(*)::int FROM extractor.records WHERE seq = 2`); n != 1 {
		t.Errorf("%d records of the message that the lane had not decided, want 1", n)
	}
}

func TestAStreamMadeAgainFromTheBeginningIsReadBehindTheOldOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, definition(defaultMap, defaultChunk))
	r := b.reader("one")
	for i := range 5 {
		b.single("", contact(fmt.Sprintf("a%d", i), "A"))
	}
	b.settle(r)
	b.must(r.Close(t.Context()))
	b.must(b.conn.JS.DeleteStream(t.Context(), bus.RecordsStream(testPipeline)))
	b.must(bus.EnsureRecords(t.Context(), b.conn, testPipeline, bus.Limits{MaxBytes: 64 << 20}))
	for i := range 3 {
		b.single("", contact(fmt.Sprintf("a%d", i), "N"))
	}
	r = b.reader("two")
	b.pass(r)
	if b.stopped() != StoppedRecreated {
		t.Fatalf("stopped by %q", b.stopped())
	}
	done, err := Resume(t.Context(), b.store, b.conn, testPipeline)
	b.must(err)
	if want := (bus.Again{From: 1, Through: 3, Behind: 5}); done.Again != want {
		t.Errorf("stored again %+v, want %+v", done.Again, want)
	}
	b.advance(2 * time.Minute)
	b.settle(r)
	b.wantTally(tally{Rows: 8})
}

// frail is a broker that fails after so many calls, before or after it has done what it was asked for.
type frail struct {
	bus.Broker
	left int
	late bool
}

var errFrail = errors.New("the broker is gone")

func (f *frail) try(do func() error) error {
	f.left--
	switch {
	case f.left < 0:
		return errFrail
	case f.left == 0 && f.late:
		_ = do() // done, and nobody is told
		return errFrail
	}
	return do()
}

func (f *frail) Publish(ctx context.Context, m *nats.Msg) error {
	return f.try(func() error { return f.Broker.Publish(ctx, m) })
}

func (f *frail) PublishBatch(ctx context.Context, msgs []*nats.Msg) (at int, err error) {
	err = f.try(func() error { at, err = f.Broker.PublishBatch(ctx, msgs); return err })
	return at, err
}

func (f *frail) UpdateStream(ctx context.Context, c jetstream.StreamConfig) error {
	return f.try(func() error { return f.Broker.UpdateStream(ctx, c) })
}

func TestAResumeThatBreaksOffAnywhereIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		for calls := 1; calls < 8; calls++ {
			t.Run(fmt.Sprintf("at call %d, done all the same: %t", calls, late), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, definition(defaultMap, defaultChunk))
				r := b.reader("one")
				b.single("a", contact("a", "A"))
				b.settle(r)
				b.must(r.Close(t.Context()))
				b.lostUpTo(4)
				for _, id := range []string{"n1", "n2", "n1", "n3"} { // the third is a repeat, and one by its id
					b.single(id, contact(id, "N"))
				}
				r = b.reader("two")
				b.pass(r)
				broken := bus.Over(&frail{Broker: b.conn.Broker, left: calls, late: late})
				_, err := Resume(t.Context(), b.store, broken, testPipeline)
				t.Logf("it said %v", err)
				if _, err := Resume(t.Context(), b.store, b.conn, testPipeline); err != nil && !isNotStopped(err) {
					t.Fatal(err)
				}
				b.single("last", contact("z", "Z"))
				b.advance(2 * time.Minute)
				b.settle(r)
				b.wantTally(tally{Rows: 5, Repeats: 1})
				want := record.Place{Seq: 5 + 4 + 1, Idx: decide.EndOfFrame}
				if low, _ := bounds(b.marks()); low != want {
					t.Errorf("the stream ends at %s, want %s", low, want)
				}
			})
		}
	}
}
