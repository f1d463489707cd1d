package extract

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/services/extractor/internal/store"
)

// TestABatchTakesBoundedMemory: messages are fetched by their size as they are stored, and what is compressed is ten times as large when it is read.
func TestABatchTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	m := mapperOf(t, definition(defaultMap))
	frame := func(seq uint64, records int) bus.Msg {
		var b strings.Builder
		for i := range records {
			fmt.Fprintf(&b, "{\"id\":\"%d-%d\",\"last\":\"Adams\"}\n", seq, i)
		}
		return bus.Msg{Seq: seq, Header: nats.Header{bus.HeaderContentType: {bus.TypeNDJSON}}, Data: []byte(b.String())}
	}
	const frames, records = 30, 5_000
	one := inMemory(m.message(nil, frame(1, records)))
	t.Run("what is fetched is decided in several batches, in order and whole", func(t *testing.T) {
		h := &held{mapper: m}
		for seq := range uint64(frames) {
			h.fetched = append(h.fetched, frame(seq+1, records))
		}
		batches, next := 0, uint64(1)
		for len(h.fetched) > 0 {
			batch := h.nextBatch()
			if size := inMemory(batch); size < batchBytes && len(h.fetched) > 0 || size > batchBytes+one*2 {
				t.Errorf("a batch of %d records takes about %d bytes, and at most %d and a frame of %d are wanted", len(batch), size, batchBytes, one)
			}
			for i := range batch {
				if want := uint32(i % records); batch[i].Place.Seq != next || batch[i].Place.Idx != want {
					t.Fatalf("record %d of the batch is %v, want %d.%d", i, batch[i].Place, next, want)
				}
				if batch[i].Last {
					next++
				}
			}
			h.batch = batch
			batches++
		}
		if next != frames+1 || batches < 3 {
			t.Errorf("%d frames were decided of %d, in %d batches", next-1, frames, batches)
		}
	})
	t.Run("a frame is never cut, however many records it has", func(t *testing.T) {
		h := &held{mapper: m, fetched: []bus.Msg{frame(1, bus.MaxFrameRecords), frame(2, 1)}}
		if batch := h.nextBatch(); len(batch) < bus.MaxFrameRecords {
			t.Errorf("%d records of %d", len(batch), bus.MaxFrameRecords)
		}
	})
}

// slow is a ledger that does not answer the queries of a name before it may.
type slow struct {
	pg.DB
	query string
	asked chan struct{} // gets one at the first of them
	may   chan struct{} // closed when they are answered
	once  sync.Once
}

func (s *slow) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if strings.Contains(sql, "-- name: "+s.query+" ") {
		s.once.Do(func() { close(s.asked) })
		select {
		case <-s.may:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.DB.Query(ctx, sql, args...)
}

// TestTheLeaseIsHeldWhileTheLedgerIsSlow: whoever took the pipeline over would ask the same of the same ledger.
func TestTheLeaseIsHeldWhileTheLedgerIsSlow(t *testing.T) {
	t.Parallel()
	b := newBench(t, definition(defaultMap, defaultChunk))
	b.lease = 600 * time.Millisecond
	b.single("m1", contact("a", "Adams"))
	db := &slow{DB: b.pool, query: "KeysAfter", asked: make(chan struct{}), may: make(chan struct{})}
	d := b.deps("one")
	d.Store = store.New(db)
	one, two := NewReader(d, testPipeline), b.reader("two")
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil && !b.decided(1) {
			if _, err = one.Pass(t.Context()); one.held != nil && one.held.engine != nil && one.held.engine.Reading().Seq >= 1 {
				b.advance(11 * time.Second)
			}
		}
		done <- err
	}()
	<-db.asked
	until := func() (at time.Time) {
		b.must(b.admin.QueryRow(t.Context(), "SELECT lease_until FROM extractor.readers WHERE pipeline = $1", testPipeline).Scan(&at))
		return at
	}
	for first := until(); !until().After(first.Add(2 * b.lease)); {
		if _, err := two.Pass(t.Context()); err != nil || two.held != nil {
			t.Fatalf("another instance reads the pipeline while one waits for the ledger: %v", err)
		}
	}
	close(db.may)
	b.must(<-done)
	b.wantTally(tally{Rows: 1})
}
