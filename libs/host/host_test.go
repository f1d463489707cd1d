package host_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/host"
	"bulkhead/libs/memory/courier"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func env(t *testing.T) service.Env {
	return service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()}
}

// config is a host on a real ledger with the extractor's schema, and a real broker with the stream FLOW.
func config(t *testing.T) (host.Config, *bus.Conn) {
	t.Helper()
	url := testkit.NATS(t).URL()
	conn, err := bus.Connect(url, bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := bus.EnsureFlow(t.Context(), conn, bus.Limits{MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	db := testkit.Database(t)
	for _, m := range testkit.AllMigrations(t) {
		if m.Service == "extractor" {
			return host.Config{Name: "extractor", DSN: db.DSN("extractor"), NATSURL: url, Listen: "127.0.0.1:0", Migrations: m}, conn
		}
	}
	t.Fatal("the extractor has no migrations")
	return host.Config{}, nil
}

func TestHost(t *testing.T) {
	t.Run("relays what is committed, even at the very end, and drains before it closes", func(t *testing.T) {
		c, conn := config(t)
		h, err := host.Open(t.Context(), c, env(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		heard := make(chan string, 1)
		var drained atomic.Bool
		done := make(chan error, 1)
		go func() {
			done <- h.Run(ctx, host.Work{
				Facts:   []string{bus.FactChunkSealed},
				Handler: func(_ context.Context, e *flowv1.Envelope) error { heard <- e.GetChunkSealed().GetChunk(); return nil },
				Drain: func(ctx context.Context) error {
					drained.Store(true)
					return announce(ctx, h, "last")
				},
			})
		}()
		if err := announce(ctx, h, "first"); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != "first" {
			t.Errorf("heard %q", got)
		}
		stop()
		if err := <-done; err != nil || !drained.Load() {
			t.Errorf("stopped with %v, drained %v", err, drained.Load())
		}
		info, err := bus.Info(t.Context(), conn, bus.StreamFlow)
		if err != nil || info.Last != 2 {
			t.Errorf("FLOW ends at %d (%v): what the drain committed must be out before the end", info.Last, err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Errorf("a second close: %v", err)
		}
	})
	t.Run("serves health and is ready with ledger and broker", func(t *testing.T) {
		c, _ := config(t)
		h, err := host.Open(t.Context(), c, env(t))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(t.Context())
		resp, err := http.Get("http://" + h.Addr() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("readyz answers %s", resp.Status)
		}
	})
	t.Run("waits for a broker that is not there until its context ends, and says so", func(t *testing.T) {
		c, _ := config(t)
		c.NATSURL = "nats://127.0.0.1:1"
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := host.Open(ctx, c, env(t)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a taken address is refused by name and leaves nothing open", func(t *testing.T) {
		c, _ := config(t)
		other, err := service.Serve(t.Context(), "127.0.0.1:0", http.NotFoundHandler())
		if err != nil {
			t.Fatal(err)
		}
		defer other.Stop(context.WithoutCancel(t.Context()))
		c.Listen = other.Addr()
		if _, err := host.Open(t.Context(), c, env(t)); err == nil || !strings.Contains(err.Error(), other.Addr()) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a schema that is not there is waited for", func(t *testing.T) {
		c, _ := config(t)
		c.Migrations = pg.Migrations{Service: "extractor", FS: fstest.MapFS{"migrations/99999_later.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}}}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := host.Open(ctx, c, env(t)); err == nil {
			t.Error("opened over an older schema")
		}
	})
}

func TestFooting(t *testing.T) {
	t.Run("a service works on what it is given, and leaves it open", func(t *testing.T) {
		c, _ := config(t)
		given, err := host.Open(t.Context(), c, env(t))
		if err != nil {
			t.Fatal(err)
		}
		defer given.Close(t.Context())
		broker := courier.Open()
		conn := broker.As("extractor").Conn()
		if err := bus.EnsureFlow(t.Context(), conn, bus.Limits{}); err != nil {
			t.Fatal(err)
		}
		h, err := host.Open(t.Context(), host.Config{Name: "extractor", Migrations: c.Migrations, Footing: &host.Footing{DB: given.DB, Bus: conn}}, env(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		heard, done := make(chan string, 1), make(chan error, 1)
		go func() {
			done <- h.Run(ctx, host.Work{
				Facts:   []string{bus.FactChunkSealed},
				Handler: func(_ context.Context, e *flowv1.Envelope) error { heard <- e.GetChunkSealed().GetChunk(); return nil },
			})
		}()
		if err := announce(ctx, h, "first"); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != "first" {
			t.Errorf("heard %q", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := given.DB.Ping(t.Context()); err != nil || !conn.Connected() {
			t.Errorf("ledger: %v, broker connected: %v", err, conn.Connected())
		}
	})
	t.Run("half a footing is refused before anything is opened", func(t *testing.T) {
		if _, err := host.Open(t.Context(), host.Config{Name: "x", Footing: &host.Footing{}}, env(t)); err == nil || !strings.Contains(err.Error(), "footing") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without a footing every address that is missing or wrong is named", func(t *testing.T) {
		var none *host.Footing
		if err := none.Check("", ""); err == nil || !strings.Contains(err.Error(), "BULKHEAD_DSN") || !strings.Contains(err.Error(), "BULKHEAD_NATS") {
			t.Errorf("got %v", err)
		}
		if err := none.Check("postgres://h/d", "http://h"); err == nil || !strings.Contains(err.Error(), "natsUrl") {
			t.Errorf("got %v", err)
		}
		if err := none.Check("postgres://h/d", "nats://h"); err != nil || none.OrgClient() != nil {
			t.Errorf("got %v", err)
		}
	})
}

// announce commits one fact to the outbox.
func announce(ctx context.Context, h *host.Host, chunk string) error {
	return pg.InTx(ctx, h.DB, "test", func(ctx context.Context, tx pgx.Tx) error {
		msgs := []record.Message{bus.FlowMessage(bus.NewEnvelope("p", 1, &flowv1.ChunkSealed{Chunk: chunk}))}
		return pg.Enqueue(ctx, tx, "extractor", msgs...)
	})
}
