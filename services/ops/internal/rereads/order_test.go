package rereads_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/rereads"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/streams"
)

type bundle struct {
	*fixture.Ledger

	orders *rereads.Orders
	conn   *bus.Conn
	times  map[uint64]time.Time
}

// setup is a stream with the messages 3 to 12, of which those up to decided are decided in every lane.
func setup(t *testing.T, decided int) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	b := &bundle{Ledger: fixture.New(t, db.AdminPool(t)), times: map[uint64]time.Time{}}
	b.Define()
	var err error
	if b.conn, err = bus.Connect(testkit.NATS(t).URL(), bus.ConnectOptions{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.conn.Close)
	st := store.New(db.Pool(t, "ops"))
	asker := streams.New(streams.Config{Store: st, Conn: b.conn, Logger: testkit.Logger(t)})
	if err := asker.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if err := bus.Publish(t.Context(), b.conn, bus.Message{Subject: "records.contacts", Body: fmt.Appendf(nil, `{"id":"%d"}`, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.PurgeRecords(t.Context(), b.conn, "contacts", 3); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(3); seq <= 12; seq++ {
		m, err := bus.GetMessage(t.Context(), b.conn, "RECORDS_contacts", seq)
		if err != nil {
			t.Fatal(err)
		}
		b.times[seq] = m.Time
	}
	b.Exec(`INSERT INTO extractor.checkpoints (pipeline, lane, seq, idx) VALUES ('contacts', -1, $1, 4), ('contacts', 0, 12, 2147483647)`, decided+1)
	b.orders = rereads.New(st, asker, testkit.Logger(t))
	return b
}

func order(change func(*rereads.Order)) rereads.Order {
	o := rereads.Order{Pipeline: "contacts", From: 5, Reason: "the database was restored", Key: "k1", By: "kim"}
	if change != nil {
		change(&o)
	}
	return o
}

func TestOrder(t *testing.T) {
	t.Run("an order reads up to where every lane has decided, is told once and audited", func(t *testing.T) {
		b := setup(t, 10)
		got, repeated, err := b.orders.Order(t.Context(), order(nil))
		if err != nil || repeated || got.From != 5 || got.To != 10 || got.Read != 4 || got.Done {
			t.Fatalf("%+v, %v, %v", got, repeated, err)
		}
		for what, want := range map[string]int{
			`SELECT count(*) FROM ops_pub.rereads WHERE pipeline = 'contacts' AND from_seq = 5 AND to_seq = 10`:                                           1,
			`SELECT count(*) FROM ops.outbox WHERE subject = 'flow.contacts.replay_ordered'`:                                                              1,
			`SELECT count(*) FROM ops.audit WHERE action = 'reread' AND by = 'kim' AND reason = 'the database was restored' AND detail->>'to_seq' = '10'`: 1,
		} {
			if n := b.Count(what); n != want {
				t.Errorf("%s: %d", what, n)
			}
		}
	})
	t.Run("since is the first message stored at or after a time", func(t *testing.T) {
		b := setup(t, 10)
		got, _, err := b.orders.Order(t.Context(), order(func(o *rereads.Order) { o.From, o.Since = 0, b.times[7] }))
		if err != nil || b.times[got.From].Before(b.times[7]) || (got.From > 3 && !b.times[got.From-1].Before(b.times[7])) {
			t.Errorf("%+v, %v", got, err)
		}
		old, _, err := b.orders.Order(t.Context(), order(func(o *rereads.Order) { o.From, o.Since, o.Key = 0, time.Unix(0, 0), "k2" }))
		if err != nil || old.From != 3 {
			t.Errorf("%+v, %v", old, err)
		}
	})
	t.Run("the same key orders once, whoever repeats it, and shows how far it has come", func(t *testing.T) {
		b := setup(t, 10)
		var (
			wg  sync.WaitGroup
			mu  sync.Mutex
			ids = map[string]bool{}
		)
		for range 8 {
			wg.Go(func() {
				got, _, err := b.orders.Order(t.Context(), order(nil))
				mu.Lock()
				defer mu.Unlock()
				ids[got.ID.String()] = true
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := b.Count(`SELECT count(*) FROM ops.rereads`); n != 1 || len(ids) != 1 {
			t.Fatalf("%d orders, %d ids", n, len(ids))
		}
		b.Exec(`INSERT INTO extractor.rereads (id, pipeline, read_seq, known, accepted, error, done_at) SELECT id, pipeline, 10, 5, 1, 'message 6 is gone', now() FROM ops.rereads`)
		b.Exec(`UPDATE extractor.checkpoints SET seq = 3`) // and what holds now is not asked again
		got, repeated, err := b.orders.Order(t.Context(), order(nil))
		if err != nil || !repeated || got.Read != 10 || got.Known != 5 || got.Accepted != 1 || !got.Done || got.Error == "" {
			t.Errorf("%+v, %v, %v", got, repeated, err)
		}
		_, _, err = b.orders.Order(t.Context(), order(func(o *rereads.Order) { o.From = 6 }))
		if _, ok := errors.AsType[*letters.RefusedError](err); !ok {
			t.Errorf("another order with the key: %v", err)
		}
	})
	t.Run("what is not in the stream or not decided yet is refused, naming what is", func(t *testing.T) {
		b := setup(t, 10)
		for name, c := range map[string]struct {
			change func(*rereads.Order)
			words  []string
		}{
			"below the first":      {func(o *rereads.Order) { o.From = 2 }, []string{"3 to 12", "2 is not among them"}},
			"above the last":       {func(o *rereads.Order) { o.From = 13 }, []string{"3 to 12"}},
			"up to above the last": {func(o *rereads.Order) { o.To = 13 }, []string{"3 to 12", "13 is not among them"}},
			"not decided":          {func(o *rereads.Order) { o.From = 11 }, []string{"decided up to message 10"}},
			"up to what is not":    {func(o *rereads.Order) { o.To = 11 }, []string{"decided up to message 10"}},
			"since after the last": {func(o *rereads.Order) { o.From, o.Since = 0, time.Now().Add(time.Hour) }, []string{"the last one is 12"}},
			"no stream":            {func(o *rereads.Order) { o.Pipeline = "other" }, []string{"RECORDS_other is not there"}},
		} {
			_, _, err := b.orders.Order(t.Context(), order(c.change))
			e, ok := errors.AsType[*letters.RefusedError](err)
			if !ok {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for _, w := range c.words {
				if !strings.Contains(e.Reason, w) {
					t.Errorf("%s: %q does not say %q", name, e.Reason, w)
				}
			}
		}
		if n := b.Count(`SELECT count(*) FROM ops.actions`); n != 0 {
			t.Errorf("%d actions", n)
		}
	})
	t.Run("a last message before the first one since a time is refused with both numbers", func(t *testing.T) {
		b := setup(t, 10)
		since, first := b.times[7], uint64(7)
		for first > 3 && !b.times[first-1].Before(since) {
			first--
		}
		_, _, err := b.orders.Order(t.Context(), order(func(o *rereads.Order) { o.From, o.Since, o.To = 0, since, first-1 }))
		e, ok := errors.AsType[*letters.InvalidError](err)
		if !ok || !strings.Contains(e.Problem, fmt.Sprintf("to_seq %d ", first-1)) || !strings.Contains(e.Problem, fmt.Sprintf("message %d,", first)) {
			t.Errorf("%v", err)
		}
		if n := b.Count(`SELECT count(*) FROM ops.rereads`); n != 0 {
			t.Errorf("%d orders are stored", n)
		}
		got, _, err := b.orders.Order(t.Context(), order(func(o *rereads.Order) { o.From, o.Since, o.To = 0, since, first }))
		if err != nil || got.From != first || got.To != first {
			t.Errorf("one message: %+v, %v", got, err)
		}
	})
	t.Run("nothing can be read again of a pipeline that has decided nothing", func(t *testing.T) {
		b := setup(t, 10)
		b.Exec(`DELETE FROM extractor.checkpoints`)
		_, _, err := b.orders.Order(t.Context(), order(nil))
		if _, ok := errors.AsType[*letters.RefusedError](err); !ok {
			t.Errorf("%v", err)
		}
	})
	t.Run("orders that cannot be understood say why", func(t *testing.T) {
		b := setup(t, 10)
		for name, change := range map[string]func(*rereads.Order){
			"no key":         func(o *rereads.Order) { o.Key = "" },
			"no reason":      func(o *rereads.Order) { o.Reason = " " },
			"neither":        func(o *rereads.Order) { o.From = 0 },
			"both":           func(o *rereads.Order) { o.Since = time.Now() },
			"backwards":      func(o *rereads.Order) { o.To = 4 },
			"too many words": func(o *rereads.Order) { o.Reason = strings.Repeat("x", 2000) },
		} {
			_, _, err := b.orders.Order(context.Background(), order(change))
			if e, ok := errors.AsType[*letters.InvalidError](err); !ok || e.Problem == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
