package extract

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

// readAgain orders messages to be read again, as ops would.
func (b *bench) readAgain(from, to uint64) uuid.UUID {
	b.Helper()
	id := uuid.New()
	b.exec("INSERT INTO ops.rereads (id, pipeline, from_seq, to_seq) VALUES ($1, $2, $3, $4)", id, testPipeline, int64(from), int64(to))
	return id
}

// again is what the view says of an order.
type again struct {
	Read, Known, Accepted int
	Error                 string
	Done                  bool
}

func (b *bench) again(id uuid.UUID) again {
	b.Helper()
	var a again
	b.must(b.admin.QueryRow(b.Context(), `SELECT coalesce(max(read_seq), -1), coalesce(max(known), 0), coalesce(max(accepted), 0), coalesce(max(error), ''),
		coalesce(bool_or(done_at IS NOT NULL), false) FROM extractor_pub.rereads WHERE id = $1`, id).Scan(&a.Read, &a.Known, &a.Accepted, &a.Error, &a.Done))
	return a
}

// carryOut runs passes until an order is carried out.
func (b *bench) carryOut(r *Reader, id uuid.UUID) again {
	b.Helper()
	for range 300 {
		r.LookForOrders()
		_, err := r.Pass(b.Context())
		b.must(err)
		if a := b.again(id); a.Done {
			return a
		}
	}
	b.Fatalf("the order is not carried out: %+v", b.again(id))
	return again{}
}

// forget takes records out of the ledger, as a restore from an older state does.
func (b *bench) forget(where string, args ...any) {
	b.Helper()
	b.exec("DELETE FROM extractor.records WHERE "+where, args...)
	b.exec("DELETE FROM extractor.dead WHERE "+where, args...)
	b.exec("DELETE FROM extractor.superseded WHERE "+where, args...)
}

func TestRereads(t *testing.T) {
	t.Parallel()
	t.Run("what the ledger holds is known, whatever became of it, and nothing is accepted twice", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 20, bytes: 1MB, age: 10s}", "lanes: 2", keyed))
		want := b.publishMix(rand.New(rand.NewPCG(5, 5)), 40)
		r := b.reader("one")
		b.settle(r)
		b.wantTally(want)
		before := b.full()
		a := b.carryOut(r, b.readAgain(1, b.last()))
		if a.Accepted != 0 || a.Known != want.Rows+want.Dead+want.Repeats || a.Error != "" || a.Read != int(b.last()) {
			t.Errorf("%+v, want all %d known", a, want.Rows+want.Dead+want.Repeats)
		}
		b.wantFull(before)
	})

	t.Run("records without keys of their own, their repeats and their versions are known as well", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 3, bytes: 1MB, age: 10s}", "version: v"))
		r := b.reader("one")
		record := func(id string, v int, last string) string {
			return fmt.Sprintf(`{"id":%q,"v":%d,"last":%q}`, id, v, last)
		}
		for _, body := range []string{
			record("a", 1, "A"), record("a", 1, "A"), record("a", 3, "C"), record("a", 2, "B"), record("a", 3, "C"), record("a", 3, "other"), `{"id":"a"}`, `{"id":"a"}`,
			record("b", 1, "B"), record("b", 2, "B"), record("b", 1, "B"), "{",
		} {
			b.single("", body)
			b.settle(r)
		}
		before := b.full()
		a := b.carryOut(r, b.readAgain(1, b.last()))
		if a.Accepted != 0 || a.Known != 12 {
			t.Errorf("%+v, want all 12 known", a)
		}
		b.wantFull(before)
	})

	t.Run("what the ledger does not hold is accepted into chunks that wait for their lane, or as letters", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, keyed))
		r := b.reader("one")
		for i := range 4 {
			b.frame("run", fmt.Sprintf(`{"event":"a%d","id":"e%d","last":"A"}`, i, i), fmt.Sprintf(`{"event":"b%d","id":"e%d","email":7}`, i, i), "{")
		}
		b.settle(r)
		b.wantFull(full{Accepted: 12, Rows: 4, Dead: 8})
		b.forget("seq IN (2, 3)")
		// Something unsealed, which the ledger must know before older records are accepted.
		b.single("", `{"event":"late","id":"e2","last":"late"}`)
		for b.unsealed(r) == 0 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		a := b.carryOut(r, b.readAgain(2, 4))
		if diff := cmp.Diff(again{Read: 4, Known: 3, Accepted: 6, Done: true}, a); diff != "" {
			t.Error(diff)
		}
		chunks := b.chunks()
		last := chunks[len(chunks)-1]
		if last.Kind != record.ChunkReplay || b.unsealed(r) != 0 {
			t.Errorf("the last chunk is a %s one, %d records are unsealed", last.Kind, b.unsealed(r))
		}
		for _, row := range last.Manifest.GetRows() {
			if e := row.GetRecords()[0]; e.GetGeneration() != 0 || len(e.GetLetterId()) != 0 || e.GetFailureId() != 0 {
				t.Errorf("entry %v", e)
			}
		}
		// The four of before, of which two rows are counted by a chunk that a restore would have taken as well, and what was read again.
		b.wantFull(full{Accepted: 15, Rows: 7, Dead: 8})
		if a := b.carryOut(r, b.readAgain(2, 4)); a.Known != 9 || a.Accepted != 0 {
			t.Errorf("read again once more: %+v", a)
		}
	})

	t.Run("what a person discarded opens the next generation, known or not what its key is now", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "unknownMembers: ignore"))
		r := b.reader("one")
		b.single("k1", `{"event":"x1","id":"a","last":7}`)
		b.single("", `{"event":"x2","id":"b","last":7}`)
		b.single("", `{"event":"x3","last":7}`)
		b.single("k4", contact("d", "D"))
		b.settle(r)
		b.wantFull(full{Accepted: 4, Rows: 1, Dead: 3})
		b.discard()
		a := b.carryOut(r, b.readAgain(1, 4))
		if a.Known != 1 || a.Accepted != 3 {
			t.Errorf("%+v, want the three discarded ones accepted", a)
		}
		if n := b.count("SELECT count(*)::int FROM extractor_pub.dead WHERE generation = 1 AND accepted"); n != 3 {
			t.Errorf("%d letters of the next generation, want 3", n)
		}
		b.wantFull(full{Accepted: 7, Rows: 1, Dead: 6})
		// Another definition: it maps them, and the keys stand elsewhere.
		b.exec("UPDATE ops.letters SET state = 'discarded'")
		order(b)
		b.exec("UPDATE ops.letters SET state = 'discarded'")
		b.apply(2, definition(strings.Replace(defaultMap, "{from: last, to: LastName, type: string}", "{from: last, to: Age__c, type: number}", 1), defaultChunk, keyed))
		a = b.carryOut(r, b.readAgain(1, 3))
		if a.Known != 0 || a.Accepted != 3 {
			t.Errorf("%+v, want the three accepted again", a)
		}
		b.wantFull(full{Accepted: 10, Rows: 3, Dead: 7})
		a = b.carryOut(r, b.readAgain(1, 4))
		if a.Known != 4 || a.Accepted != 0 {
			t.Errorf("%+v, want all known", a)
		}
	})

	t.Run("messages that are gone are counted and stop nothing", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		for i := range 10 {
			b.single("", contact(fmt.Sprint("e", i), "A"))
		}
		b.settle(r)
		b.must(bus.PurgeRecords(t.Context(), b.conn, testPipeline, 4))
		a := b.carryOut(r, b.readAgain(1, 8))
		if diff := cmp.Diff(again{Read: 8, Known: 5, Error: "3 of the messages are not in the stream any more", Done: true}, a); diff != "" {
			t.Error(diff)
		}
		a = b.carryOut(r, b.readAgain(1, 2))
		if diff := cmp.Diff(again{Read: 2, Error: "2 of the messages are not in the stream any more", Done: true}, a); diff != "" {
			t.Error(diff)
		}
		if a := b.carryOut(r, b.readAgain(9, 3)); a.Known != 0 || !a.Done {
			t.Errorf("an order for nothing: %+v", a)
		}
	})

	t.Run("an order waits, and says so, until the pipeline has come to its messages", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.single("", contact("a", "A"))
		b.settle(r)
		id := b.readAgain(1, 3)
		for range 5 {
			r.LookForOrders()
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		if diff := cmp.Diff(again{Read: 1, Known: 1, Error: "waits until the pipeline has read and sealed message 2"}, b.again(id)); diff != "" {
			t.Error(diff)
		}
		b.single("", contact("b", "B"))
		b.single("", contact("c", "C"))
		b.settle(r)
		b.advance(time.Minute)
		if diff := cmp.Diff(again{Read: 3, Known: 3, Done: true}, b.carryOut(r, id)); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("it is found without being told of, and reading goes on meanwhile", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, "chunk: {rows: 10, bytes: 1MB, age: 1s}", "lanes: 1"))
		r := b.reader("one")
		for i := range 30 {
			b.frame("", contacts(10, fmt.Sprint("n", i))...)
		}
		b.settle(r)
		id := b.readAgain(1, 30)
		r.orders.size = 1
		b.advance(2 * time.Minute)
		b.frame("", contacts(10, "meanwhile")...)
		for range 10 {
			_, err := r.Pass(t.Context())
			b.must(err)
			b.advance(time.Second)
		}
		if n := b.count("SELECT sum(records)::int FROM extractor_pub.chunk_runs"); n != 310 {
			t.Errorf("%d records are accepted while a part is read again, want 310", n)
		}
		if a := b.carryOut(r, id); a.Known != 300 {
			t.Errorf("%+v", a)
		}
	})

	t.Run("whoever takes the lease goes on where the one before stopped, and a late step changes nothing", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		first, second := b.reader("one"), b.reader("two")
		for i := range 6 {
			b.single("", contact(fmt.Sprint("e", i), "A"))
		}
		b.settle(first)
		b.forget("seq = 5")
		id := b.readAgain(1, 6)
		first.orders.size = 3
		first.LookForOrders()
		_, err := first.Pass(t.Context())
		b.must(err)
		if a := b.again(id); a.Read != 3 || a.Done {
			t.Fatalf("after one step: %+v", a)
		}
		b.exec("UPDATE extractor.readers SET lease_until = '-infinity'")
		stale, _, err := b.store.OpenReread(t.Context(), testPipeline)
		b.must(err)
		a := b.carryOut(second, id)
		if diff := cmp.Diff(again{Read: 6, Known: 5, Accepted: 1, Done: true}, a); diff != "" {
			t.Error(diff)
		}
		err = first.step(t.Context(), stale, store.Step{To: 6, Known: 3}, decide.Commit{At: b.clock()})
		if err == nil {
			t.Error("a step of whoever lost the lease was stored")
		}
		err = second.step(t.Context(), stale, store.Step{To: 6, Known: 3}, decide.Commit{At: b.clock()})
		if err == nil {
			t.Error("a step from a place that the order has left was stored")
		}
		if diff := cmp.Diff(a, b.again(id)); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("what was fetched before is judged by what is known after, and equal versions of unknown records are refused", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "version: v", "lanes: 1"))
		r := b.reader("one")
		b.single("k1", `{"id":"a","v":1,"last":"A"}`)
		b.single("k2", `{"id":"b","v":1,"last":"A"}`)
		b.settle(r)
		b.forget("seq = 1")
		b.single("k3", `{"id":"a","v":1,"last":"B"}`)
		b.settle(r)
		if a := b.carryOut(r, b.readAgain(1, 2)); a.Known != 1 || a.Accepted != 1 {
			t.Errorf("%+v", a)
		}
		if diff := cmp.Diff([]string{record.CodeVersionConflict}, b.codes()); diff != "" {
			t.Error(diff)
		}
	})
}
