package extract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/store"
)

const (
	mapWithPhone = defaultMap + "\n  - {from: phone, to: Phone, type: string}"
	smallChunk   = "chunk: {rows: 5, bytes: 1MB, age: 10s}"
)

func TestDefinitionChanges(t *testing.T) {
	t.Parallel()
	t.Run("what was read is sealed under the old revision, what follows is judged by the new one", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.single("", contact("a", "A"))
		b.single("", `{"id":"b","phone":"1"}`)
		for b.unsealed(r) < 2 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		b.apply(2, definition(mapWithPhone, defaultChunk))
		b.single("", `{"id":"c","phone":"2"}`)
		b.settle(r)
		b.wantTally(tally{Rows: 2, Dead: 1})
		chunks := b.chunks()
		if len(chunks) != 2 || chunks[0].Revision != 1 || chunks[1].Revision != 2 {
			t.Fatalf("chunks %+v", chunks)
		}
		if diff := cmp.Diff([]string{"a,A,", "c,,,2"}, b.rows()); diff != "" {
			t.Error(diff)
		}
		if n := b.count("SELECT count(*)::int FROM extractor_pub.columns"); n != 4 {
			t.Errorf("%d columns have ordinals, want 4", n)
		}
	})

	t.Run("a reader that died with uneven marks finishes under the revision that routed them", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, smallChunk, "lanes: 2"))
		b.frame("", contacts(17, "n")...)
		dying := b.reader("one")
		for len(b.chunks()) < 2 {
			_, err := dying.Pass(t.Context())
			b.must(err)
		}
		var high record.Place
		for _, m := range b.marks() {
			if high.Less(m) {
				high = m
			}
		}
		b.apply(2, definition(mapWithPhone, smallChunk, "lanes: 3"))
		b.frame("", `{"id":"after","phone":"1"}`)
		r := b.reader("one")
		for i := 0; !b.decided(2); i++ {
			if i > 300 {
				t.Fatal("it does not end")
			}
			_, err := r.Pass(t.Context())
			b.must(err)
			b.advance(time.Second)
			b.landed()
		}
		b.wantTally(tally{Rows: 18})
		late := `SELECT count(*)::int FROM extractor.records r JOIN extractor.chunks c USING (chunk) WHERE c.revision = 2 AND (r.seq, r.idx) <= ($1, $2)`
		if n := b.count(late, int64(high.Seq), int64(high.Idx)); n != 0 {
			t.Errorf("%d records up to the highest mark, %v, were sealed under the new revision", n, high)
		}
		if n := b.count("SELECT sum(records)::int FROM extractor.chunks WHERE revision = 2"); n == 0 {
			t.Error("the new revision never came into force")
		}
	})

	t.Run("another number of lanes waits until nothing of the space can still be sent", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
		r := b.reader("one")
		b.frame("", contacts(10, "n")...)
		b.settle(r)
		b.apply(2, definition(defaultMap, defaultChunk, "lanes: 3"))
		b.single("", contact("later", "L"))
		for range 20 {
			_, err := r.Pass(t.Context())
			b.must(err)
			b.advance(11 * time.Second)
		}
		if n := b.count("SELECT revision FROM extractor.readers"); n != 1 {
			t.Fatalf("revision %d is in force while chunks of the space are open", n)
		}
		b.landed()
		b.exec(`INSERT INTO retrier.waiting (failure_id, unit_chunk, unit_row, pipeline, revision, lane, run, key_hash, entity_hash, generation,
			seq, idx, class, code, attempt, reason, due_at) VALUES (1, $1, 0, 'contacts', 1, 0, '', $1, $1, 0, 1, 0, 'transient', '', 1, '', now())`, uuid.New())
		for range 5 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		if n := b.count("SELECT revision FROM extractor.readers"); n != 1 {
			t.Fatalf("revision %d is in force while a record waits to be sent again", n)
		}
		b.exec("DELETE FROM retrier.waiting")
		b.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage,
			fingerprint, dead_at, state, taker) VALUES ($1, 'contacts', 1, '', 'k', $1, 0, '', 'data', 'X', '', '{}', 'reconcile', '', now(), 'replaying', 'retrier')`, uuid.New())
		for range 5 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		if n := b.count("SELECT revision FROM extractor.readers"); n != 1 {
			t.Fatalf("revision %d is in force while the retrier has a letter to send again", n)
		}
		b.exec("INSERT INTO retrier.letters_taken (letter_id) SELECT letter_id FROM ops.letters")
		b.exec(`INSERT INTO reconciler.resolutions (failure_id, letter_id, chunk, pipeline, run, key_hash, generation, decision, sf_id, reason, by)
			VALUES (9, $1, $1, 'contacts', '', $1, 0, 'not_landed', '', 'seen', 'test')`, uuid.New())
		for range 5 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		if n := b.count("SELECT revision FROM extractor.readers"); n != 1 {
			t.Fatalf("revision %d is in force while a record that was decided not to have landed is to be sent again", n)
		}
		b.exec("INSERT INTO retrier.resolutions_taken (failure_id) VALUES (9)")
		b.settle(r)
		b.wantTally(tally{Rows: 11})
		if n := len(b.marks()); n != 4 {
			t.Errorf("marks of %d lanes, want 3 and the lane none", n)
		}
		b.apply(3, definition(defaultMap, defaultChunk, "lanes: 1"))
		b.landed()
		b.single("", contact("last", "L"))
		b.settle(r)
		if n := len(b.marks()); n != 2 {
			t.Errorf("marks of %d lanes, want 1 and the lane none", n)
		}
	})
}

func (b *bench) unsealed(r *Reader) int {
	if r.held == nil || r.held.engine == nil {
		return 0
	}
	return r.held.engine.Unsealed()
}

// order orders the replay of every letter, as ops would.
func order(b *bench) {
	b.Helper()
	b.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields,
			stage, fingerprint, dead_at, state, taker)
		SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields,
			'extract', '', dead_at, 'replaying', 'extractor'
		FROM extractor.dead ON CONFLICT (letter_id) DO NOTHING`)
}

func TestReplays(t *testing.T) {
	t.Parallel()
	replayer := func(b *bench) *Replayer { return &Replayer{Deps: b.deps("replayer")} }

	t.Run("that an earlier try may have had an effect goes with the record, whoever refused it since", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.single("k2", `{"id":"b","phone":"2"}`)
		b.settle(b.reader("one"))
		b.exec(`INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx,
			columns, accepted_at, attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts, ambiguous)
			SELECT gen_random_uuid(), 0, 0, 'contacts', 1, 0, '', key, key_hash, 0, 'a', key_hash, 1, 0, '', now(), 1, 'missing', 'transient', 'MISSING', '', '{}', '', 'retry',
				NULL, '{}', '{}', '', '[]', true FROM extractor.dead WHERE key = 'k1'`)
		b.apply(2, definition(mapWithPhone, defaultChunk))
		order(b)
		_, err := replayer(b).Pass(t.Context())
		b.must(err)
		got := map[string]bool{}
		for _, c := range b.chunks() {
			for _, row := range c.Manifest.GetRows() {
				for _, r := range row.GetRecords() {
					got[r.GetKey()] = r.GetAmbiguous()
				}
			}
		}
		if diff := cmp.Diff(map[string]bool{"k1": true, "k2": false}, got); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("letters refused before Salesforce are mapped again by the revision in force, same key, next generation", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.single("k2", `{"id":"b","phone":7}`)
		b.settle(b.reader("one"))
		b.wantTally(tally{Dead: 2})
		b.apply(2, definition(mapWithPhone, defaultChunk))
		b.advance(time.Minute)
		order(b)
		n, err := replayer(b).Pass(t.Context())
		b.must(err)
		if n != 2 {
			t.Fatalf("%d letters taken, want 2", n)
		}
		if diff := cmp.Diff([]string{"a,,,1"}, b.rows()); diff != "" {
			t.Error(diff)
		}
		c := b.chunks()[0]
		entry := c.Manifest.GetRows()[0].GetRecords()[0]
		if c.Kind != record.ChunkReplay || c.Revision != 2 || entry.GetKey() != "k1" || entry.GetGeneration() != 1 || entry.GetSeq() != 1 || entry.GetAttempts() != 0 {
			t.Errorf("chunk %s of revision %d carries %v", c.Kind, c.Revision, entry)
		}
		if id := record.LetterID(testPipeline, "k1", 0); string(entry.GetLetterId()) != string(id[:]) {
			t.Errorf("the manifest does not name the letter")
		}
		if n := b.count("SELECT count(*)::int FROM extractor.dead WHERE generation = 1 AND key = 'k2' AND accepted_at < dead_at"); n != 1 {
			t.Errorf("%d letters of the next generation, want that of k2", n)
		}
		if n := b.count("SELECT count(*)::int FROM extractor_pub.letters_taken"); n != 2 {
			t.Errorf("%d letters are noted as taken", n)
		}
		n, err = replayer(b).Pass(t.Context())
		b.must(err)
		if n != 0 {
			t.Errorf("%d letters taken a second time", n)
		}
		b.wantTally(tally{Dead: 2})
	})

	t.Run("a message that could not be taken apart is refused again for that, and never read as a record without its headers", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		for header, value := range map[string]string{bus.HeaderCount: "2", bus.HeaderContentEncoding: "gzip", bus.HeaderContentType: bus.TypeProtobuf} {
			m := nats.NewMsg(bus.RecordsSubject(testPipeline))
			m.Data = []byte(contact("a", "what is left of a frame"))
			m.Header.Set(bus.HeaderContentType, bus.TypeNDJSON)
			m.Header.Set(header, value)
			_, err := b.conn.JS.PublishMsg(t.Context(), m)
			b.must(err)
		}
		b.settle(b.reader("one"))
		b.wantTally(tally{Dead: 3})
		for range 2 { // the second time it is the replay's letter that is sent again
			order(b)
			_, err := replayer(b).Pass(t.Context())
			b.must(err)
		}
		if rows := b.rows(); len(rows) > 0 {
			t.Errorf("sent %q, want nothing", rows)
		}
		if n := b.count(`SELECT count(*)::int FROM extractor.dead d JOIN extractor.dead f ON f.key = d.key AND f.generation = 0
			WHERE d.code = 'FRAME_UNREADABLE' AND d.message = f.message AND d.payload = f.payload`); n != 9 {
			t.Errorf("%d letters of three generations say what the first said, want 9", n)
		}
	})

	t.Run("a letter that Salesforce refused under an older revision is mapped again from the reconciler's payload", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("k1", contact("a", "A"))
		b.settle(b.reader("one"))
		b.apply(2, definition(mapWithPhone, defaultChunk))
		letter, exhausted := uuid.New(), uuid.New()
		failure := `INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx,
			columns, accepted_at, attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts)
			VALUES ($1, 0, 0, 'contacts', 1, 0, 'r', $2, $1, 0, 'a', $1, 1, 0, '\x01', now(), 1, 'failed', 'data', 'X', '', '{}', '', $3, $4, '{}', '{}', $5, '[]') RETURNING id`
		var first, second int
		b.must(b.admin.QueryRow(t.Context(), failure, uuid.New(), "k1", "dead", letter, []byte(contact("a", "A"))).Scan(&first))
		b.must(b.admin.QueryRow(t.Context(), failure, uuid.New(), "k9", "retry", nil, []byte(contact("z", "Z"))).Scan(&second))
		b.exec(`INSERT INTO retrier.dead (letter_id, failure_id, pipeline, run, key, key_hash, generation, class, code, message)
			VALUES ($1, $2, 'contacts', 'r', 'k9', $1, 0, 'transient', '', '')`, exhausted, second)
		ordered := `INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state, taker)
			VALUES ($1, 'contacts', 1, 'r', $2, $1, 0, '', 'data', 'X', '', '{}', $3, '', now(), 'replaying', $4)`
		b.exec(ordered, letter, "k1", "reconcile", "extractor")
		b.exec(ordered, exhausted, "k9", "retry", "extractor")
		b.exec(ordered, uuid.New(), "k10", "reconcile", "retrier")
		b.exec(`DELETE FROM extractor.pieces`)
		n, err := replayer(b).Pass(t.Context())
		b.must(err)
		if n != 2 {
			t.Fatalf("%d letters taken, want the two that are the extractor's", n)
		}
		if diff := cmp.Diff([]string{"a,A,,", "z,Z,,"}, slices.Sorted(slices.Values(b.rows()))); diff != "" {
			t.Error(diff)
		}
		for _, row := range b.chunks()[1].Manifest.GetRows() {
			e := row.GetRecords()[0]
			want := first
			if e.GetKey() == "k9" {
				want = second
			}
			if e.GetFailureId() != int64(want) {
				t.Errorf("entry of %s names failure %d, want %d", e.GetKey(), e.GetFailureId(), want)
			}
		}
	})

	t.Run("a revision with another number of lanes has to be in force before letters are routed by it", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
		r := b.reader("one")
		b.single("", `{"id":"a","phone":"1"}`)
		b.single("", contact("b", "B"))
		b.settle(r)
		b.apply(2, definition(mapWithPhone, defaultChunk, "lanes: 3"))
		order(b)
		n, err := replayer(b).Pass(t.Context())
		b.must(err)
		if n != 0 {
			t.Fatal("a letter was routed to a lane of a numbering that is not in force")
		}
		b.landed()
		b.single("", contact("c", "C"))
		b.settle(r)
		n, err = replayer(b).Pass(t.Context())
		b.must(err)
		if n != 1 {
			t.Errorf("%d letters taken once it is in force, want 1", n)
		}
	})

	t.Run("a letter waits until every lane is decided up to its place", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		// The older version is read and not sealed yet when the newer one, whose entity cannot be read, is dead already.
		b.single("", contact("a", "older"))
		b.single("k", `{"id":7,"last":"newer"}`)
		for b.unsealed(r) < 2 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		b.must(r.commit(t.Context(), nil))
		b.wantTally(tally{Dead: 1})
		order(b)
		later := 0
		p := replayer(b)
		p.Later = func() { later++ }
		n, err := p.Pass(t.Context())
		b.must(err)
		if n != 0 || later != 1 {
			t.Fatalf("%d letters taken before an older record is sealed, and %d times said that some are left; want 0 and 1", n, later)
		}
		b.settle(r)
		n, err = p.Pass(t.Context())
		b.must(err)
		if n != 1 || later != 1 {
			t.Errorf("%d letters taken, and %d times said that some are left; want 1 and 1", n, later)
		}
	})

	t.Run("letters are taken in bounded portions, and one that is larger than that alone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		for i := range 4 {
			b.single("", fmt.Sprintf(`{"id":"a%d","phone":"1"}`, i))
		}
		b.settle(b.reader("one"))
		b.exec(`UPDATE extractor.dead SET payload = convert_to('{"id":"a' || seq || '"}' || repeat(' ', CASE seq WHEN 2 THEN 40 ELSE 1 END << 20), 'UTF8')`)
		order(b)
		p := replayer(b)
		for _, want := range []int{1, 1, 2, 0} {
			n, err := p.Pass(t.Context())
			b.must(err)
			if n != want {
				t.Fatalf("%d letters taken, want %d", n, want)
			}
		}
	})

	t.Run("a letter is not routed by a revision that is in force no more", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("", `{"id":"a","phone":"1"}`)
		b.settle(b.reader("one"))
		order(b)
		_, err := b.store.TakeReplays(t.Context(), store.Target{Pipeline: testPipeline}, 7, 10, nil)
		if !errors.Is(err, pg.ErrLost) {
			t.Errorf("error %v, want %v", err, pg.ErrLost)
		}
	})

	t.Run("two instances at once take each letter once", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		for i := range 40 {
			b.single("", fmt.Sprintf(`{"id":"e%d","phone":"1"}`, i))
		}
		b.settle(b.reader("one"))
		b.apply(2, definition(mapWithPhone, defaultChunk))
		order(b)
		errs := make(chan error, 4)
		for range 4 {
			go func() {
				_, err := replayer(b).Pass(t.Context())
				errs <- err
			}()
		}
		for range 4 {
			b.must(<-errs)
		}
		if n := b.count("SELECT sum(records)::int FROM extractor.chunk_runs WHERE kind = 'replay'"); n != 40 {
			t.Errorf("%d replayed records are in chunks, want 40", n)
		}
	})
}

func TestFreer(t *testing.T) {
	t.Parallel()
	t.Run("rows go when the outcome is known and nothing is unresolved", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
		b.frame("", contacts(20, "n")...)
		b.settle(b.reader("one"))
		f := &Freer{Deps: b.deps("freer")}
		n, err := f.Pass(t.Context())
		b.must(err)
		if n != 0 {
			t.Fatalf("%d chunks freed before any outcome", n)
		}
		b.landed()
		held := b.chunks()[0].ID
		b.exec(`INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded)
			VALUES ($1, 'contacts', '', 0, 0, 0, 0, 1, 0)`, held)
		n, err = f.Pass(t.Context())
		b.must(err)
		if n != 1 {
			t.Fatalf("%d chunks freed, want the one without unresolved rows", n)
		}
		if n := b.count("SELECT count(*)::int FROM extractor.pieces WHERE chunk <> $1", held); n != 0 {
			t.Errorf("%d pieces are left", n)
		}
		if n := b.count("SELECT count(*)::int FROM extractor.pieces WHERE chunk = $1", held); n == 0 {
			t.Error("the rows of a chunk with unresolved ones are gone")
		}
		b.exec(`INSERT INTO reconciler.resolutions (failure_id, letter_id, chunk, pipeline, run, key_hash, generation, decision, sf_id, reason, by)
			VALUES (1, gen_random_uuid(), $1, 'contacts', '', gen_random_uuid(), 0, 'landed', '003000000000001AAA', 'seen', 'test')`, held)
		n, err = f.Pass(t.Context())
		b.must(err)
		if n != 1 || b.count("SELECT count(*)::int FROM extractor.pieces") != 0 {
			t.Errorf("%d chunks freed once everything is decided, want the last one", n)
		}
	})
}

func TestRepublisher(t *testing.T) {
	t.Parallel()
	t.Run("a stream of dead letters that was made again gets the open letters again, and no others", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		for i := range 5 {
			b.single("", fmt.Sprintf(`{"id":"e%d","phone":"1"}`, i))
		}
		b.settle(b.reader("one"))
		p := &Republisher{Deps: b.deps("p"), Since: func(ctx context.Context) (time.Time, error) {
			return bus.LettersSince(ctx, b.conn)
		}}
		pass := func() {
			t.Helper()
			_, err := p.Pass(t.Context())
			b.must(err)
		}
		pass()
		b.exec("DELETE FROM extractor.outbox")
		b.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state)
			SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, 'extract', '', dead_at,
				CASE row_number() OVER (ORDER BY seq) WHEN 1 THEN 'discarded' WHEN 2 THEN 'replaying' WHEN 3 THEN 'landed' ELSE 'open' END
			FROM extractor.dead WHERE entity <> 'e4'`)
		pass()
		if n := len(b.letters()); n != 0 {
			t.Fatalf("%d letters published again into the same stream", n)
		}
		b.must(b.conn.JS.DeleteStream(t.Context(), bus.StreamDLQ))
		pass()
		b.must(bus.EnsureDLQ(t.Context(), b.conn, bus.Limits{}))
		pass()
		pass()
		if n := len(b.letters()); n != 3 {
			t.Errorf("%d letters published again, want the open one, the replaying one and the one that ops never saw", n)
		}
		b.exec("DELETE FROM extractor.outbox")
		b.must(bus.AskForLetters(t.Context(), b.conn))
		pass()
		pass()
		if n := len(b.letters()); n != 3 {
			t.Errorf("%d letters published again when they were asked for, want the same 3", n)
		}
	})
	t.Run("letters of a stream that came and went before anybody looked at it are published again", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		b.single("", `{"id":"e","phone":"1"}`)
		b.settle(b.reader("one"))
		b.exec("DELETE FROM extractor.outbox") // as published into the stream that is gone
		p := &Republisher{Deps: b.deps("p"), Since: func(context.Context) (time.Time, error) { return time.Now(), nil }}
		_, err := p.Pass(t.Context())
		b.must(err)
		if n := len(b.letters()); n != 1 {
			t.Errorf("%d letters published again, want the one", n)
		}
	})
}

func TestStreamLoss(t *testing.T) {
	t.Parallel()
	stopped := func(b *bench) string {
		st, _, err := b.store.Status(b.Context(), testPipeline)
		b.must(err)
		return st.StoppedCode
	}
	pass := func(b *bench, r *Reader) {
		b.Helper()
		_, err := r.Pass(b.Context())
		b.must(err)
	}

	t.Run("a stream made again stops its pipeline, also for the next reader, until it begins behind what was read", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.frame("", contacts(5, "n")...)
		b.single("", contact("x", "X"))
		b.settle(r)
		stream := bus.RecordsStream(testPipeline)
		b.must(b.conn.JS.DeleteStream(t.Context(), stream))
		b.must(bus.EnsureRecords(t.Context(), b.conn, testPipeline, bus.Limits{}))
		for range 3 {
			b.single("", contact("lost", "L"))
		}
		r = b.freshReader(r)
		pass(b, r)
		if stopped(b) != StoppedRecreated {
			t.Fatalf("stopped by %q, want %s", stopped(b), StoppedRecreated)
		}
		b.must(r.Close(t.Context()))
		r = b.reader("two")
		for range 3 {
			pass(b, r)
		}
		b.wantTally(tally{Rows: 6})
		cfg, err := b.conn.JS.Stream(t.Context(), stream)
		b.must(err)
		again := cfg.CachedInfo().Config
		again.FirstSeq = 3
		b.must(b.conn.JS.DeleteStream(t.Context(), stream))
		_, err = b.conn.JS.CreateStream(t.Context(), again)
		b.must(err)
		r1, err := Resume(t.Context(), b.store, b.conn, testPipeline)
		b.must(err)
		if n := r1.Again.Messages(); n != 0 {
			t.Errorf("%d messages were stored again, though they stand behind all that was read", n)
		}
		b.advance(time.Minute)
		b.single("", contact("new", "N"))
		b.settle(r)
		b.wantTally(tally{Rows: 7})
		if stopped(b) != "" {
			t.Errorf("still stopped by %q", stopped(b))
		}
	})

	t.Run("messages that go before they were read stop the pipeline, and resuming gives up only them", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.single("", contact("a", "A"))
		b.settle(r)
		b.must(r.Close(t.Context()))
		for i := range 4 {
			b.single("", contact(fmt.Sprintf("n%d", i), "N"))
		}
		b.must(bus.PurgeRecords(t.Context(), b.conn, testPipeline, 4))
		r = b.reader("two")
		pass(b, r)
		pass(b, r)
		if stopped(b) != StoppedShortened {
			t.Fatalf("stopped by %q, want %s", stopped(b), StoppedShortened)
		}
		_, err := Resume(t.Context(), b.store, b.conn, testPipeline)
		b.must(err)
		b.advance(time.Minute)
		b.settle(r)
		b.wantTally(tally{Rows: 3})
		if _, err := Resume(t.Context(), b.store, b.conn, testPipeline); err == nil {
			t.Error("resumed though nothing is stopped")
		}
	})

	t.Run("a purge below the marks is no loss", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 3"))
		r := b.reader("one")
		for i := range 5 {
			b.single("", contact(fmt.Sprintf("n%d", i), "N"))
		}
		b.settle(r)
		b.must(bus.PurgeRecords(t.Context(), b.conn, testPipeline, 6))
		b.single("", contact("x", "X"))
		b.settle(b.freshReader(r))
		b.wantTally(tally{Rows: 6})
	})

	t.Run("a stream that is not there yet, or not any more, is waited for", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		stream := bus.RecordsStream(testPipeline)
		b.must(b.conn.JS.DeleteStream(t.Context(), stream))
		r := b.reader("one")
		for range 3 {
			if n, err := r.Pass(t.Context()); n != 0 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		b.must(bus.EnsureRecords(t.Context(), b.conn, testPipeline, bus.Limits{}))
		b.single("", contact("a", "A"))
		b.settle(r)
		b.wantTally(tally{Rows: 1})
	})

	t.Run("a pipeline that is not stopped is not resumed", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		if _, err := Resume(t.Context(), b.store, b.conn, "nobody"); err == nil || !isNotStopped(err) {
			t.Errorf("err = %v, want %v", err, store.ErrNotStopped)
		}
	})
}
