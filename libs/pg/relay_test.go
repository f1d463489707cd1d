package pg_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
)

func containsAll(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// broker remembers what was published, and refuses what refuse says.
type broker struct {
	mu      sync.Mutex
	batches [][]record.Message
	refuse  func(msgs []record.Message) error
	arrived chan struct{}
}

func newBroker() *broker { return &broker{arrived: make(chan struct{}, 10000)} }

func (b *broker) publish(_ context.Context, msgs []record.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(msgs); err != nil {
			return err
		}
	}
	b.batches = append(b.batches, msgs)
	for range msgs {
		b.arrived <- struct{}{}
	}
	return nil
}

func (b *broker) ids() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, batch := range b.batches {
		for _, m := range batch {
			ids = append(ids, m.MsgID)
		}
	}
	return ids
}

// message is one with a body of n bytes.
func message(subject, id string, n int) record.Message {
	return record.Message{Subject: subject, MsgID: id, Body: make([]byte, n)}
}

func enqueue(t *testing.T, pool *pgxpool.Pool, msgs ...record.Message) {
	t.Helper()
	err := pg.InTx(t.Context(), pool, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
		return pg.Enqueue(ctx, tx, "retrier", msgs...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func drain(t *testing.T, r *pg.Relay) {
	t.Helper()
	for {
		n, err := r.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func TestEnqueue(t *testing.T) {
	t.Parallel()
	t.Run("stores nothing of a transaction that is rolled back", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		b := newBroker()
		_ = pg.InTx(t.Context(), pool, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
			if err := pg.Enqueue(ctx, tx, "retrier", message("flow.a.b", "1", 1)); err != nil {
				t.Error(err)
			}
			return errors.New("no")
		})
		drain(t, pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{}))
		if len(b.ids()) != 0 {
			t.Fatal("published")
		}
	})
	t.Run("keeps subject, id, headers, body and order as they are", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		want := []record.Message{
			{Subject: "flow.contacts.chunk_sealed", MsgID: "z", Headers: map[string]string{"Bulkhead-Class": `"data"`, "traceparent": "é"}, Body: []byte{0, 255, '\n'}},
			{Subject: "flow.contacts.chunk_sealed", MsgID: "a", Body: []byte{}},
			{Subject: "flow.accounts.job_bound", MsgID: "", Body: []byte("x")},
		}
		enqueue(t, pool, want...)
		b := newBroker()
		drain(t, pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{}))
		if len(b.batches) != 1 || fmt.Sprint(b.batches[0]) != fmt.Sprint(want) {
			t.Fatalf("got %v", b.batches)
		}
	})
	t.Run("refuses a message without a subject and a schema that is none", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		for _, c := range []struct{ schema, subject string }{{"retrier", ""}, {`x"; DROP`, "flow.a.b"}} {
			err := pg.InTx(t.Context(), pool, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
				return pg.Enqueue(ctx, tx, c.schema, record.Message{Subject: c.subject})
			})
			if err == nil {
				t.Errorf("%q on %q was accepted", c.subject, c.schema)
			}
		}
	})
}

func TestRelayPass(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (*testkit.DB, *pgxpool.Pool, *broker) {
		db, pool := notes(t)
		return db, pool, newBroker()
	}
	t.Run("keeps what the broker did not acknowledge, and publishes it later", func(t *testing.T) {
		t.Parallel()
		_, pool, b := setup(t)
		enqueue(t, pool, message("flow.a.b", "1", 1))
		b.refuse = func([]record.Message) error { return errors.New("away") }
		r := pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{MaxBackoff: time.Nanosecond * 2})
		if n, err := r.Pass(t.Context()); n != 0 || err == nil || count(t, pool, "retrier.outbox") != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		b.refuse = nil
		drain(t, r)
		if got := b.ids(); !slices.Equal(got, []string{"1"}) || count(t, pool, "retrier.outbox") != 0 {
			t.Fatalf("published %v", got)
		}
	})
	t.Run("goes on with one family while another one's stream is full", func(t *testing.T) {
		t.Parallel()
		_, pool, b := setup(t)
		for i := range 20 {
			enqueue(t, pool, message("dlq.a.data", fmt.Sprint("d", i), 1), message("flow.a.b", fmt.Sprint("f", i), 1))
		}
		b.refuse = func(msgs []record.Message) error {
			if strings.HasPrefix(msgs[0].Subject, "dlq.") {
				return errors.New("maximum bytes exceeded")
			}
			return nil
		}
		r := pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{Batch: 5, Logger: testkit.Logger(t)})
		for range 4 {
			_, _ = r.Pass(t.Context())
		}
		if got := b.ids(); len(got) != 20 || slices.ContainsFunc(got, func(id string) bool { return id[0] != 'f' }) {
			t.Fatalf("published %v", got)
		}
		if count(t, pool, "retrier.outbox") != 20 {
			t.Fatal("letters are gone")
		}
	})
	t.Run("gets past a message that can never be published", func(t *testing.T) {
		t.Parallel()
		_, pool, b := setup(t)
		enqueue(t, pool, message("flow.a.b", "1", 1), message("flow.a.b", "poison", 1), message("flow.a.b", "3", 1))
		b.refuse = func(msgs []record.Message) error {
			if slices.ContainsFunc(msgs, func(m record.Message) bool { return m.MsgID == "poison" }) {
				return errors.New("maximum payload exceeded")
			}
			return nil
		}
		n, err := pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{}).Pass(t.Context())
		if n != 2 || err == nil || !strings.Contains(err.Error(), "maximum payload") || !slices.Equal(b.ids(), []string{"1", "3"}) {
			t.Fatalf("%d, %v, %v", n, err, b.ids())
		}
	})
	t.Run("bounds a batch by messages and by bytes, and never keeps a large one back", func(t *testing.T) {
		t.Parallel()
		_, pool, b := setup(t)
		for i, size := range []int{10, 10, 10, 500, 90, 10, 10} {
			enqueue(t, pool, message("flow.a.b", fmt.Sprint(i), size))
		}
		drain(t, pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{Batch: 2, BatchBytes: 100}))
		var sizes []int
		for _, batch := range b.batches {
			sizes = append(sizes, len(batch))
		}
		if !slices.Equal(sizes, []int{2, 1, 1, 2, 1}) {
			t.Fatalf("batches of %v", sizes)
		}
	})
	t.Run("shares the work between two instances without publishing twice", func(t *testing.T) {
		t.Parallel()
		_, pool, b := setup(t)
		var msgs []record.Message
		for i := range 500 {
			msgs = append(msgs, message("flow.a.b", fmt.Sprint(i), 1))
		}
		enqueue(t, pool, msgs...)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				r := pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{Batch: 20})
				for count(t, pool, "retrier.outbox") > 0 {
					if _, err := r.Pass(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		ids := b.ids()
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 500 || len(b.ids()) != 500 {
			t.Fatalf("%d published", len(b.ids()))
		}
	})
	t.Run("ends a publish that hangs", func(t *testing.T) {
		t.Parallel()
		_, pool, _ := setup(t)
		enqueue(t, pool, message("flow.a.b", "1", 1))
		hang := func(ctx context.Context, _ []record.Message) error { <-ctx.Done(); return ctx.Err() }
		_, err := pg.NewRelay(pool, "retrier", hang, pg.RelayOptions{PublishTimeout: 20 * time.Millisecond}).Pass(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || count(t, pool, "retrier.outbox") != 1 {
			t.Fatal(err)
		}
	})
}

func TestRelayRun(t *testing.T) {
	t.Parallel()
	// run starts a relay that never sweeps by itself, so that only a notification can wake it.
	run := func(t *testing.T, pool *pgxpool.Pool, b *broker, every time.Duration) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		r := pg.NewRelay(pool, "retrier", b.publish, pg.RelayOptions{Every: every, MaxBackoff: 100 * time.Millisecond, Logger: testkit.Logger(t)})
		go func() { done <- r.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run returned %v", err)
			}
		}
	}
	await := func(t *testing.T, b *broker) {
		t.Helper()
		select {
		case <-b.arrived:
		case <-time.After(20 * time.Second):
			t.Fatal("not published")
		}
	}
	t.Run("is woken by a commit", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		b := newBroker()
		defer run(t, pool, b, time.Hour)()
		for i := range 3 {
			enqueue(t, pool, message("flow.a.b", fmt.Sprint(i), 1))
			await(t, b)
		}
	})
	t.Run("listens again after its connections were cut", func(t *testing.T) {
		t.Parallel()
		db, pool := notes(t)
		b := newBroker()
		defer run(t, pool, b, time.Hour)()
		enqueue(t, pool, message("flow.a.b", "1", 1))
		await(t, b)
		if _, err := db.AdminPool(t).Exec(t.Context(), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND usename = 'bulkhead_retrier'", db.Name); err != nil {
			t.Fatal(err)
		}
		err := errors.New("none yet")
		for try := 0; err != nil && try < 20; try++ { // pooled connections are found to be dead one by one
			err = pg.InTx(t.Context(), pool, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
				return pg.Enqueue(ctx, tx, "retrier", message("flow.a.b", "2", 1))
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		await(t, b)
	})
	t.Run("sweeps what no notification told of", func(t *testing.T) {
		t.Parallel()
		_, pool := notes(t)
		b := newBroker()
		defer run(t, pool, b, 20*time.Millisecond)()
		if _, err := pool.Exec(t.Context(), "INSERT INTO retrier.outbox (subject, msg_id, body) VALUES ('flow.a.b', 'x', '')"); err != nil {
			t.Fatal(err)
		}
		await(t, b)
	})
}
