package letters_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

type bundle struct {
	*fixture.Ledger

	t     *testing.T
	ops   pg.DB // as ops holds it
	store *store.Store
	conn  *bus.Conn // nil without a broker
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	ops := db.Pool(t, "ops")
	b := &bundle{t: t, Ledger: fixture.New(t, db.AdminPool(t)), ops: ops, store: store.New(ops)}
	b.Define()
	return b
}

func (b *bundle) withBroker() *bundle {
	b.t.Helper()
	conn, err := bus.Connect(testkit.NATS(b.t).URL(), bus.ConnectOptions{Name: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(conn.Close)
	b.conn = conn
	b.makeDLQ()
	return b
}

func (b *bundle) makeDLQ() {
	b.t.Helper()
	if err := bus.EnsureDLQ(b.t.Context(), b.conn, bus.Limits{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) index(owner string) *letters.Index {
	b.t.Helper()
	x := letters.New(letters.Config{Store: b.store, Conn: b.conn, Owner: owner, Lease: 15 * time.Second, Wait: 50 * time.Millisecond, Logger: testkit.Logger(b.t)})
	b.t.Cleanup(func() { x.Close(context.Background()) })
	return x
}

// dead puts n refused records into the ledger and the index; their keys are d0, d1, ...
func (b *bundle) dead(n int) []string {
	b.t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, b.Refuse(fmt.Sprintf("d%d", i), "", "NOT_JSON", 0).String())
	}
	if _, err := b.index("sweep").Sweep(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return ids
}

func (b *bundle) publish(key string, generation int) uint64 {
	b.t.Helper()
	m, err := bus.DeadLetterMessage(bus.DeadLetter{
		ID: fixture.LetterID(key, generation).String(), Pipeline: "contacts", Revision: 1, Key: key, Generation: generation, Class: "data", Code: "INVALID_EMAIL_ADDRESS",
		Message: `invalid email address: "` + key + `"`, Stage: record.StageReconcile, Payload: []byte(`{}`), DeadAt: fixture.Noon,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := bus.Publish(b.t.Context(), b.conn, m); err != nil {
		b.t.Fatal(err)
	}
	info, err := bus.Info(b.t.Context(), b.conn, bus.StreamDLQ)
	if err != nil {
		b.t.Fatal(err)
	}
	return info.Last
}

// read reads until nothing comes.
func (b *bundle) read(x *letters.Index) int {
	b.t.Helper()
	total := 0
	for range 20 {
		n, err := x.Read(b.t.Context())
		if err != nil {
			b.t.Logf("read: %v", err) // a stream that was made again is told once, the next read begins anew
			continue
		}
		total += n
		if n == 0 {
			break
		}
	}
	return total
}

func (b *bundle) messages() int {
	b.t.Helper()
	info, err := bus.Info(b.t.Context(), b.conn, bus.StreamDLQ)
	if err != nil {
		b.t.Fatal(err)
	}
	return int(info.Messages)
}

func count(n int64) *int64 { return &n }

func TestOrder(t *testing.T) {
	t.Run("fifty parallel orders for one letter have one effect", func(t *testing.T) {
		b := setup(t)
		ids := b.dead(1)
		x := b.index("a")
		var (
			wg    sync.WaitGroup
			moved atomic.Int64
		)
		for i := range 50 {
			wg.Go(func() {
				done, err := x.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: ids, Key: fmt.Sprint("key", i), By: "kim"})
				if err != nil {
					t.Error(err)
				}
				moved.Add(int64(done.Moved))
			})
		}
		wg.Wait()
		if moved.Load() != 1 {
			t.Errorf("%d letters moved", moved.Load())
		}
		if n := b.Count(`SELECT count(*) FROM ops.outbox WHERE subject = 'flow.contacts.replay_ordered'`); n != 1 {
			t.Errorf("%d facts", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops_pub.replays WHERE taker = 'extractor'`); n != 1 {
			t.Errorf("%d replays", n)
		}
	})
	t.Run("fifty parallel orders with one idempotency key are one action and give one answer", func(t *testing.T) {
		b := setup(t)
		ids := b.dead(3)
		x := b.index("a")
		var (
			wg       sync.WaitGroup
			mu       sync.Mutex
			answers  = map[string]int{}
			repeated int
		)
		for range 50 {
			wg.Go(func() {
				done, err := x.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: ids, Key: "one", By: "kim"})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				answers[fmt.Sprint(done.ActionID, done.Moved, done.Skipped)]++
				if done.Repeated {
					repeated++
				}
			})
		}
		wg.Wait()
		if len(answers) != 1 || repeated != 49 {
			t.Errorf("answers %v, %d repeated", answers, repeated)
		}
		if n := b.Count(`SELECT count(*) FROM ops.actions WHERE letters = 3`); n != 1 {
			t.Errorf("%d actions", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.audit WHERE action = 'replay' AND by = 'kim'`); n != 1 {
			t.Errorf("%d audit entries", n)
		}
	})
	t.Run("a key that was used for another order is refused", func(t *testing.T) {
		b := setup(t)
		ids := b.dead(2)
		x := b.index("a")
		if _, err := x.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: ids[:1], Key: "k"}); err != nil {
			t.Fatal(err)
		}
		_, err := x.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: ids, Key: "k"})
		if _, ok := errors.AsType[*letters.RefusedError](err); !ok {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a refused order has no effect and frees its key", func(t *testing.T) {
		b := setup(t)
		b.dead(2)
		x := b.index("a")
		order := letters.Order{Kind: store.ActionReplay, HasFilter: true, Filter: store.Filter{Class: "data"}, Expected: count(5), Key: "k"}
		_, err := x.Order(t.Context(), order)
		if _, ok := errors.AsType[*letters.RefusedError](err); !ok {
			t.Fatalf("error %v", err)
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters WHERE state = 'open'`); n != 2 {
			t.Errorf("%d open", n)
		}
		order.Expected = count(2)
		if done, err := x.Order(t.Context(), order); err != nil || done.Moved != 2 || done.Repeated {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("letters of an older revision go to the extractor, those of the current one to the retrier", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c", "", "a", "b")
		b.Outcome(chunk, "", "ff", fixture.Transfers{Dead: 2})
		b.Fail(chunk, fixture.Failure{Key: "a", Row: 0, Class: "data", Code: "X", Disposition: "dead"})
		b.Fail(chunk, fixture.Failure{Key: "b", Row: 1, Class: "data", Code: "X", Disposition: "dead"})
		x := b.index("a")
		if _, err := x.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"retrier", "extractor"} {
			if _, err := x.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: []string{fixture.LetterID([]string{"a", "b"}[i], 0).String()}, Key: want}); err != nil {
				t.Fatal(err)
			}
			if n := b.Count(`SELECT count(*) FROM ops_pub.replays WHERE taker = $1`, want); n != 1 {
				t.Errorf("%d for the %s", n, want)
			}
			b.Exec(`INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ('contacts', 2, 'x', '', 'test') ON CONFLICT DO NOTHING`)
		}
	})
	t.Run("a letter whose payload is lost is sent as it was by the retrier, under a newer revision too", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c", "", "kept", "lost", "versioned", "exhausted")
		b.Outcome(chunk, "", "ffff", fixture.Transfers{Dead: 3, Retrying: 1})
		for row, key := range []string{"kept", "lost", "versioned"} {
			b.Fail(chunk, fixture.Failure{Key: key, Row: row, Class: "data", Code: "X", Disposition: "dead"})
		}
		b.Exhaust(chunk, b.Fail(chunk, fixture.Failure{Key: "exhausted", Row: 3, Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Disposition: "retry"}), "exhausted", "", 0)
		b.Refuse("refused", "", "NOT_JSON", 0)
		b.Exec(`UPDATE reconciler.failures SET payload = '' WHERE key <> 'kept'`)
		b.Exec(`UPDATE extractor.records SET version = 'v1' WHERE key_hash = $1`, fixture.KeyHash("versioned"))
		b.Exec(`INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ('contacts', 2, 'x', '', 'test')`)
		x := b.index("a")
		if n, err := x.Sweep(t.Context()); n != 5 || err != nil {
			t.Fatalf("%d letters: %v", n, err)
		}
		want := map[string]string{"kept": "extractor", "lost": "retrier", "versioned": "retrier", "exhausted": "retrier", "refused": "extractor"}
		for key, taker := range want {
			done, err := x.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: []string{fixture.LetterID(key, 0).String()}, Key: key})
			if err != nil || done.Moved != 1 {
				t.Fatalf("%s: %+v, %v", key, done, err)
			}
			if n := b.Count(`SELECT count(*) FROM ops_pub.replays WHERE letter_id = $1 AND taker = $2`, fixture.LetterID(key, 0), taker); n != 1 {
				t.Errorf("%s is not the %s's", key, taker)
			}
		}
	})
	t.Run("orders that cannot be understood, are refused or match nothing say which", func(t *testing.T) {
		b := setup(t)
		var ids []string
		for i := range 101 {
			ids = append(ids, b.Refuse(fmt.Sprint(i), "", "NOT_JSON", 0).String())
		}
		x := b.index("a")
		if _, err := x.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		const invalid, refused, nothing = "invalid", "refused", "nothing"
		for _, c := range []struct {
			name, want string
			order      letters.Order
		}{
			{"no key", invalid, letters.Order{Kind: store.ActionReplay, IDs: ids[:1]}},
			{"a discard without a reason", invalid, letters.Order{Kind: store.ActionDiscard, IDs: ids[:1], Key: "k"}},
			{"ids and filter", invalid, letters.Order{Kind: store.ActionReplay, IDs: ids[:1], HasFilter: true, Expected: count(1), Key: "k"}},
			{"neither", invalid, letters.Order{Kind: store.ActionReplay, Key: "k"}},
			{"a filter without the number that was seen", invalid, letters.Order{Kind: store.ActionReplay, HasFilter: true, Key: "k"}},
			{"no UUID", invalid, letters.Order{Kind: store.ActionReplay, IDs: []string{"7"}, Key: "k"}},
			{"unknown letters", nothing, letters.Order{Kind: store.ActionReplay, IDs: []string{uuid.NewString()}, Key: "k"}},
			{"a filter that matches nothing", nothing, letters.Order{Kind: store.ActionReplay, HasFilter: true, Filter: store.Filter{Code: "NONE"}, Expected: count(0), Key: "k"}},
			{"more than 100 without a reason", refused, letters.Order{Kind: store.ActionReplay, IDs: ids, Key: "k"}},
			{"another number than was seen", refused, letters.Order{Kind: store.ActionReplay, HasFilter: true, Expected: count(100), Reason: "r", Key: "k"}},
		} {
			_, err := x.Order(t.Context(), c.order)
			got := "none"
			if _, ok := errors.AsType[*letters.InvalidError](err); ok {
				got = invalid
			} else if _, ok := errors.AsType[*letters.RefusedError](err); ok {
				got = refused
			} else if _, ok := errors.AsType[*letters.NothingError](err); ok {
				got = nothing
			}
			if got != c.want {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters WHERE state <> 'open'`); n != 0 {
			t.Errorf("%d letters moved", n)
		}
	})
	t.Run("a discarded letter cannot be replayed, nor a replaying one discarded", func(t *testing.T) {
		b := setup(t)
		ids := b.dead(2)
		x := b.index("a")
		for _, o := range []letters.Order{
			{Kind: store.ActionDiscard, IDs: ids[:1], Key: "1", Reason: "r"},
			{Kind: store.ActionReplay, IDs: ids, Key: "2"},
			{Kind: store.ActionDiscard, IDs: ids, Key: "3", Reason: "r"},
		} {
			if _, err := x.Order(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters WHERE (key = 'd0' AND state = 'discarded') OR (key = 'd1' AND state = 'replaying')`); n != 2 {
			t.Errorf("%d letters as they should be", n)
		}
	})
}

func TestReader(t *testing.T) {
	t.Run("notes letters once, however often they stand in the stream, and leaves what is no letter", func(t *testing.T) {
		b := setup(t).withBroker()
		b.publish("a", 0)
		b.publish("b", 0)
		if err := bus.Publish(t.Context(), b.conn, bus.Message{Subject: "dlq.contacts.data", Body: []byte("junk")}); err != nil {
			t.Fatal(err)
		}
		x := b.index("one")
		if n := b.read(x); n != 3 {
			t.Errorf("%d messages read", n)
		}
		b.Exec(`SELECT pg_sleep(0.15)`) // past the broker's window for repeated ids
		b.publish("a", 0)
		b.read(x)
		if n := b.Count(`SELECT count(*) FROM ops.letters`); n != 2 {
			t.Errorf("%d letters", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages WHERE letter_id = $1`, fixture.LetterID("a", 0)); n != 2 {
			t.Errorf("%d messages of one letter", n)
		}
		if n := b.messages(); n != 4 {
			t.Errorf("%d messages in the stream", n)
		}
	})
	t.Run("goes past messages that claim to be letters and cannot be", func(t *testing.T) {
		b := setup(t).withBroker()
		long := strings.Repeat("x", 3000)
		for _, l := range []bus.DeadLetter{
			{Key: "k1", Code: long},
			{Key: "k2", Code: "nul\x00"},
			{Key: "k3", Generation: 70000},
			{Key: "k4", Generation: -1},
			{Key: "k5", Revision: 1 << 40},
			{Key: "k6", Fields: []string{long}},
			{Key: "nul\x00key" + long, Code: "X", Message: "a\x00b\xff" + long, Entity: "\x00"}, // odd, and a letter
		} {
			l.ID, l.Pipeline, l.Class, l.Stage = fixture.LetterID(l.Key, l.Generation).String(), "contacts", "data", "reconcile"
			body, err := l.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if err := bus.Publish(t.Context(), b.conn, bus.Message{Subject: "dlq.contacts.data", Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		b.publish("good", 0)
		if n := b.read(b.index("one")); n != 8 {
			t.Errorf("%d messages read", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters`); n != 2 {
			t.Errorf("%d letters", n)
		}
	})
	t.Run("goes past letters whose time of death no ledger can hold, and keeps every other in UTC", func(t *testing.T) {
		b := setup(t).withBroker()
		for key, at := range map[string]string{
			"year 0":                "0000-01-01T00:00:00Z",
			"year 0 in UTC":         "0001-01-01T00:30:00+01:00",
			"year 10000 in UTC":     "9999-12-31T23:30:00-01:00",
			"first":                 "0001-01-01T00:00:00Z",
			"last":                  "9999-12-31T23:59:59.9999999Z",
			"an offset of its own":  "2026-03-01T12:00:00+23:59",
			"another of the others": "2026-03-01T12:00:00-23:59",
		} {
			body := fmt.Sprintf(`{"id":%q,"pipeline":"contacts","key":%q,"class":"data","stage":"reconcile","dead_at":%q}`, fixture.LetterID(key, 0), key, at)
			if err := bus.Publish(t.Context(), b.conn, bus.Message{Subject: "dlq.contacts.data", Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
		b.publish("good", 0)
		x := b.index("one")
		if n, err := x.Read(t.Context()); n != 8 || err != nil {
			t.Errorf("%d messages read: %v", n, err)
		}
		for key, want := range map[string]time.Time{
			"first":                 time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
			"last":                  time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
			"an offset of its own":  time.Date(2026, 2, 28, 12, 1, 0, 0, time.UTC),
			"another of the others": time.Date(2026, 3, 2, 11, 59, 0, 0, time.UTC),
			"good":                  fixture.Noon,
		} {
			if n := b.Count(`SELECT count(*) FROM ops.letters WHERE letter_id = $1 AND dead_at = $2`, fixture.LetterID(key, 0), want); n != 1 {
				t.Errorf("%s is not there as dead at %s", key, want)
			}
		}
		if n := b.Count(`SELECT count(*) FROM ops.letters`); n != 5 {
			t.Errorf("%d letters", n)
		}
	})
	t.Run("one instance reads at a time, and another goes on where it stopped", func(t *testing.T) {
		b := setup(t).withBroker()
		b.publish("a", 0)
		one, two := b.index("one"), b.index("two")
		if n := b.read(one); n != 1 {
			t.Fatalf("%d read", n)
		}
		b.publish("b", 0)
		if n := b.read(two); n != 0 {
			t.Errorf("the second instance read %d while the first holds the lease", n)
		}
		b.Exec(`UPDATE ops.checkpoints SET lease_until = '-infinity'`)
		three := b.index("three")
		if n := b.read(three); n != 1 {
			t.Errorf("the next one read %d", n)
		}
	})
	t.Run("a stream that was deleted and made again is read from its start, and no letter is lost or doubled", func(t *testing.T) {
		b := setup(t).withBroker()
		b.publish("a", 0)
		b.publish("b", 0)
		x := b.index("one")
		b.read(x)
		if err := b.conn.JS.DeleteStream(t.Context(), bus.StreamDLQ); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Read(t.Context()); err == nil {
			t.Log("the read ended quietly")
		}
		b.makeDLQ()
		b.publish("b", 0)
		b.publish("c", 0)
		b.read(x)
		if n := b.Count(`SELECT count(*) FROM ops.letters WHERE state = 'open'`); n != 3 {
			t.Errorf("%d letters", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages`); n != 2 {
			t.Errorf("%d places noted, the stream holds 2 messages", n)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Run("adds what no message told of, of each decider, once", func(t *testing.T) {
		b := setup(t)
		b.Refuse("x", "r", "NOT_JSON", 0)
		chunk := b.Chunk("c", "r", "a", "b")
		b.Outcome(chunk, "r", "ff", fixture.Transfers{Dead: 1, Retrying: 1})
		b.Fail(chunk, fixture.Failure{Key: "a", Run: "r", Class: "data", Code: "X", Text: "bad", Disposition: "dead"})
		b.Exhaust(chunk, b.Fail(chunk, fixture.Failure{Key: "b", Run: "r", Row: 1, Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Disposition: "retry"}), "b", "r", 0)
		x := b.index("a")
		for _, want := range []int{3, 0} {
			if n, err := x.Sweep(t.Context()); n != want || err != nil {
				t.Fatalf("%d letters: %v", n, err)
			}
		}
		for _, stage := range []string{record.StageExtract, record.StageReconcile, record.StageRetry} {
			if n := b.Count(`SELECT count(*) FROM ops.letters WHERE stage = $1 AND run = 'r' AND fingerprint <> ''`, stage); n != 1 {
				t.Errorf("%d letters of stage %s", n, stage)
			}
		}
	})
}

func TestClose(t *testing.T) {
	order := func(t *testing.T, x *letters.Index, kind string, id uuid.UUID) {
		t.Helper()
		if _, err := x.Order(t.Context(), letters.Order{Kind: kind, IDs: []string{id.String()}, Key: kind + id.String(), Reason: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	pass := func(t *testing.T, x *letters.Index) {
		t.Helper()
		if _, err := x.CloseKnown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := x.DeleteClosed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	state := func(t *testing.T, b *bundle, id uuid.UUID, want string, messages int) {
		t.Helper()
		if n := b.Count(`SELECT count(*) FROM ops.letters WHERE letter_id = $1 AND state = $2`, id, want); n != 1 {
			t.Errorf("the letter is not %s", want)
		}
		if n := b.messages(); n != messages {
			t.Errorf("%d messages in the stream, want %d", n, messages)
		}
	}
	t.Run("a replayed letter is closed, and its messages deleted, only when the record has landed", func(t *testing.T) {
		b := setup(t).withBroker()
		chunk := b.Chunk("c", "", "a")
		b.Outcome(chunk, "", "f", fixture.Transfers{Dead: 1})
		failure := b.Fail(chunk, fixture.Failure{Key: "a", Class: "data", Code: "X", Disposition: "dead"})
		b.publish("a", 0)
		b.Exec(`SELECT pg_sleep(0.15)`)
		b.publish("a", 0) // a relay that died between publish and delete
		x := b.index("one")
		b.read(x)
		id := fixture.LetterID("a", 0)
		pass(t, x)
		state(t, b, id, "open", 2)
		order(t, x, store.ActionReplay, id)
		pass(t, x)
		state(t, b, id, "replaying", 2)
		b.TakenByRetrier(id)
		b.Wait(chunk, failure, "a", "", "", 1)
		pass(t, x)
		state(t, b, id, "replaying", 2)
		resend := b.Resend("c2", "", 1, "a")
		pass(t, x)
		state(t, b, id, "replaying", 2)
		b.Outcome(resend, "", "l", fixture.Transfers{Landed: 1})
		pass(t, x)
		state(t, b, id, "landed", 0)
	})
	t.Run("a record that died again keeps its message until the new letter stands in the stream", func(t *testing.T) {
		b := setup(t).withBroker()
		b.Refuse("x", "", "NOT_JSON", 0)
		b.publish("x", 0)
		x := b.index("one")
		b.read(x)
		id := fixture.LetterID("x", 0)
		order(t, x, store.ActionReplay, id)
		b.Refuse("x", "", "NOT_JSON", 1)
		pass(t, x)
		state(t, b, id, "died_again", 1)
		b.publish("x", 1)
		b.read(x)
		pass(t, x)
		state(t, b, id, "died_again", 1)
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages WHERE letter_id = $1`, fixture.LetterID("x", 1)); n != 1 {
			t.Errorf("the new letter's message is not the one that stayed")
		}
	})
	t.Run("a message that comes when two later deaths of its record have come and gone is not left over", func(t *testing.T) {
		b := setup(t).withBroker()
		b.Refuse("x", "", "NOT_JSON", 0)
		x := b.index("one")
		if _, err := x.Sweep(t.Context()); err != nil { // the index has it before its message comes
			t.Fatal(err)
		}
		for generation := 1; generation <= 2; generation++ {
			order(t, x, store.ActionReplay, fixture.LetterID("x", generation-1))
			b.Refuse("x", "", "NOT_JSON", generation)
			b.publish("x", generation)
			b.read(x)
			pass(t, x)
		}
		state(t, b, fixture.LetterID("x", 1), "died_again", 1) // its own message is gone: that of the next one stands there
		b.publish("x", 0)
		b.read(x)
		pass(t, x)
		state(t, b, fixture.LetterID("x", 0), "died_again", 1)
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages WHERE letter_id = $1`, fixture.LetterID("x", 2)); n != 1 {
			t.Errorf("the newest letter's message is not the one that stayed")
		}
	})
	t.Run("a superseded replay is closed as superseded", func(t *testing.T) {
		b := setup(t).withBroker()
		b.Refuse("x", "", "NOT_JSON", 0)
		b.publish("x", 0)
		x := b.index("one")
		b.read(x)
		id := fixture.LetterID("x", 0)
		order(t, x, store.ActionReplay, id)
		b.Outcome(b.Replay("c", "", 1, "x"), "", "s", fixture.Transfers{Superseded: 1})
		pass(t, x)
		state(t, b, id, "superseded", 0)
	})
	t.Run("a discarded letter's message goes at once", func(t *testing.T) {
		b := setup(t).withBroker()
		b.Refuse("x", "", "NOT_JSON", 0)
		b.publish("x", 0)
		x := b.index("one")
		b.read(x)
		order(t, x, store.ActionDiscard, fixture.LetterID("x", 0))
		pass(t, x)
		state(t, b, fixture.LetterID("x", 0), "discarded", 0)
	})
	// stopped is a broker at whose deletions, or at the look before one, the whole stream is made again and holds another letter.
	stopped := func(b *bundle, beforeLook bool) *bundle {
		b.conn.Broker = &remaking{Broker: b.conn.Broker, beforeLook: beforeLook, remake: func() {
			if err := b.conn.JS.DeleteStream(b.t.Context(), bus.StreamDLQ); err != nil {
				b.t.Error(err)
			}
			b.makeDLQ()
			b.publish("y", 0) // at the sequence that x had
		}}
		return b
	}
	since := func(b *bundle) (made, asked time.Time) {
		b.t.Helper()
		info, err := bus.Info(b.t.Context(), b.conn, bus.StreamDLQ)
		if err != nil {
			b.t.Fatal(err)
		}
		if asked, err = bus.LettersSince(b.t.Context(), b.conn); err != nil {
			b.t.Fatal(err)
		}
		return info.Incarnation, asked
	}
	closed := func(b *bundle) *letters.Index {
		b.t.Helper()
		b.Refuse("x", "", "NOT_JSON", 0)
		b.Refuse("y", "", "NOT_JSON", 0)
		b.publish("x", 0)
		x := b.index("one")
		b.read(x)
		order(b.t, x, store.ActionDiscard, fixture.LetterID("x", 0))
		return x
	}
	t.Run("a stream that is made again behind the look-up of a message loses none", func(t *testing.T) {
		b := setup(t).withBroker()
		x := closed(b)
		stopped(b, true)
		pass(t, x)
		if n := b.messages(); n != 1 {
			t.Errorf("%d messages: the other letter was deleted", n)
		}
		if made, asked := since(b); !asked.Equal(made) {
			t.Error("letters are asked for again though none is missing")
		}
	})
	t.Run("a message of a stream that was made again in the moment of the deletion is missed, and the letters are asked for again", func(t *testing.T) {
		b := setup(t).withBroker()
		x := closed(b)
		stopped(b, false)
		pass(t, x)
		if n := b.messages(); n != 0 {
			t.Fatalf("%d messages, want the other letter to be hit: this test is of no use", n)
		}
		made, asked := since(b)
		if !asked.After(made) {
			t.Error("nobody asks for the letter that is missing")
		}
		pass(t, x)
		if _, again := since(b); !again.Equal(asked) {
			t.Error("letters are asked for again and again")
		}
		b.makeDLQ() // as every start of ops does
		if _, again := since(b); !again.Equal(asked) {
			t.Error("bringing the stream to its settings forgets that letters were asked for")
		}
	})
	t.Run("a deletion without an answer is looked behind by the next pass", func(t *testing.T) {
		b := setup(t).withBroker()
		x := closed(b)
		stopped(b, false)
		broker, ok := b.conn.Broker.(*remaking)
		if !ok {
			t.Fatal("no such broker")
		}
		broker.deaf = true
		if _, err := x.DeleteClosed(t.Context()); err == nil {
			t.Fatal("no error of a broker that does not answer")
		}
		broker.deaf = false
		pass(t, x)
		if made, asked := since(b); !asked.After(made) {
			t.Error("nobody asks for the letter that is missing")
		}
	})
	t.Run("places of a stream that is gone delete nothing in the one made again", func(t *testing.T) {
		b := setup(t).withBroker()
		b.Refuse("x", "", "NOT_JSON", 0)
		b.Refuse("y", "", "NOT_JSON", 0)
		b.publish("x", 0)
		x := b.index("one")
		b.read(x)
		order(t, x, store.ActionDiscard, fixture.LetterID("x", 0))
		if err := b.conn.JS.DeleteStream(t.Context(), bus.StreamDLQ); err != nil {
			t.Fatal(err)
		}
		pass(t, x) // with no stream at all
		b.makeDLQ()
		b.publish("y", 0) // at the sequence that x had
		pass(t, x)
		if n := b.messages(); n != 1 {
			t.Fatalf("%d messages: the other letter was deleted", n)
		}
		b.read(x)
		pass(t, x)
		if n := b.messages(); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// remaking is a broker that makes the stream of dead letters anew, once, right before a message of it is deleted.
type remaking struct {
	bus.Broker

	remake     func()
	beforeLook bool // rather before the stream is looked at, once the message was read
	read, done bool
	deaf       bool // it does not answer once the message is deleted
}

func (r *remaking) Range(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(bus.Msg)) (uint64, error) {
	r.read = true
	return r.Broker.Range(ctx, stream, first, last, maxBytes, each)
}

func (r *remaking) Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	if r.deaf && r.done {
		return nil, context.DeadlineExceeded
	}
	if r.beforeLook && r.read && !r.done {
		r.done = true
		r.remake()
	}
	return r.Broker.Stream(ctx, name)
}

func (r *remaking) DeleteMessage(ctx context.Context, stream string, seq uint64) error {
	if !r.done {
		r.done = true
		deaf := r.deaf
		r.deaf = false
		r.remake()
		r.deaf = deaf
	}
	err := r.Broker.DeleteMessage(ctx, stream, seq)
	if r.deaf {
		return context.DeadlineExceeded
	}
	return err
}
