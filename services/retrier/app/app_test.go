package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/retrier/app"
)

const definition = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
lanes: 1
chunk: {rows: 1000, bytes: 1MB, age: 1s}
`

type bundle struct {
	t     *testing.T
	admin *pgxpool.Pool
	conn  *bus.Conn
	dsn   string
	url   string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := testkit.Database(t)
	b := &bundle{t: t, admin: db.AdminPool(t), dsn: db.DSN("retrier"), url: testkit.NATS(t).URL()}
	conn, err := bus.Connect(b.url, bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b.conn = conn
	b.streams()
	b.exec(`INSERT INTO extractor.pipelines (name) VALUES ('contacts')`)
	b.exec(`INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ('contacts', 1, $1, '', 'test')`, definition)
	return b
}

func (b *bundle) streams() {
	b.t.Helper()
	for _, ensure := range []error{
		bus.EnsureFlow(b.t.Context(), b.conn, bus.Limits{}), bus.EnsureDLQ(b.t.Context(), b.conn, bus.Limits{}),
	} {
		if ensure != nil {
			b.t.Fatal(ensure)
		}
	}
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.admin.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

func (b *bundle) count(sql string) int {
	b.t.Helper()
	var n int
	if err := b.admin.QueryRow(b.t.Context(), sql).Scan(&n); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// start runs a retrier; stop must end it well and soon.
func (b *bundle) start(sweep time.Duration) (*app.App, func()) {
	b.t.Helper()
	a, err := app.New(b.t.Context(), app.Config{
		DSN: b.dsn, NATSURL: b.url, ShortRetries: true, Sweep: sweep, Gather: 10 * time.Millisecond, Listen: "127.0.0.1:0",
	}, service.Env{Logger: testkit.Logger(b.t), Registry: prometheus.NewRegistry()})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				b.t.Errorf("retrier ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			b.t.Error("retrier does not end")
		}
	}
	b.t.Cleanup(stop)
	return a, stop
}

// failed writes a reconciled chunk with one failed record.
func (b *bundle) failed(chunk uuid.UUID, key string, attempt int) {
	b.t.Helper()
	b.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
		VALUES ($1, 'contacts', 'main', '750', 'JobComplete', 1, 0, 1, 0, 0, 0, 'f', $2, 0, 'works')`, chunk, make([]byte, 18))
	b.exec(`INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded) VALUES ($1, 'contacts', '', 0, 0, 1, 0, 0, 0)`, chunk)
	b.exec(`INSERT INTO reconciler.failures
		(chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
		 attempt, outcome, class, code, message, fields, sf_id, disposition, header, cells, payload, attempts)
		VALUES ($1, 0, 0, 'contacts', 1, 0, '', $2, $3, 0, $2, $4, 1, 0, '', now(), $5, 'failed', 'contention', 'UNABLE_TO_LOCK_ROW', 'locked', '{}', '', 'retry',
		 '{External_Id__c}', ARRAY[$2], '{}', '[]')`, chunk, key, uuid.UUID(record.HashKey("contacts", key)), uuid.UUID(record.HashEntity("main/Contact/External_Id__c", key)), attempt)
}

func (b *bundle) tell(chunk uuid.UUID) {
	b.t.Helper()
	fact := &flowv1.ChunkReconciled{Chunk: chunk.String(), Failed: 1}
	if err := bus.Publish(b.t.Context(), b.conn, bus.FlowMessage(bus.NewEnvelope("contacts", 1, fact))); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) eventually(what string, is func() bool) {
	b.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			b.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestApp(t *testing.T) {
	const never = time.Hour
	t.Run("a fact leads to a resend without any sweep, and the next fact frees its lane", func(t *testing.T) {
		b := setup(t)
		b.start(never)
		first := uuid.New()
		b.failed(first, "a", 1)
		b.tell(first)
		b.eventually("a resend is sealed", func() bool { return b.count(`SELECT count(*) FROM retrier.chunks WHERE reconciled_at IS NULL`) == 1 })
		b.eventually("its fact is published", func() bool { return b.count(`SELECT count(*) FROM retrier.outbox`) == 0 })
		var resend uuid.UUID
		if err := b.admin.QueryRow(t.Context(), `SELECT chunk FROM retrier.chunks`).Scan(&resend); err != nil {
			t.Fatal(err)
		}
		b.failed(resend, "a", 2)
		b.tell(resend)
		b.tell(resend) // told twice
		b.eventually("it is sent again", func() bool { return b.count(`SELECT count(*) FROM retrier.chunks`) == 2 })
	})
	t.Run("a decision on an unresolved record leads to a resend without any sweep", func(t *testing.T) {
		b := setup(t)
		b.start(never)
		chunk := uuid.New()
		b.failed(chunk, "a", 1)
		b.exec(`UPDATE reconciler.outcome_runs SET retrying = 0, unresolved = 1`)
		b.exec(`UPDATE reconciler.failures SET disposition = 'unresolved', outcome = 'missing', letter_id = $1`, uuid.New())
		b.exec(`INSERT INTO reconciler.resolutions (failure_id, letter_id, chunk, pipeline, run, key_hash, generation, decision, sf_id, reason, by)
			SELECT id, letter_id, chunk, pipeline, run, key_hash, generation, 'not_landed', '', 'seen', 'kim' FROM reconciler.failures`)
		fact := &flowv1.RowsResolved{Chunks: []string{chunk.String()}, NotLanded: 1}
		if err := bus.Publish(t.Context(), b.conn, bus.FlowMessage(bus.NewEnvelope("contacts", 1, fact))); err != nil {
			t.Fatal(err)
		}
		b.eventually("a resend is sealed", func() bool { return b.count(`SELECT count(*) FROM retrier.chunks`) == 1 })
	})
	t.Run("without any fact the sweep finds the work, and an exhausted record's letter reaches the DLQ stream, also one that was made again", func(t *testing.T) {
		b := setup(t)
		b.failed(uuid.New(), "a", 8)
		_, stop := b.start(30 * time.Millisecond)
		letters := func() int {
			info, err := bus.Info(t.Context(), b.conn, bus.StreamDLQ)
			if err != nil {
				return -1
			}
			return int(info.Messages)
		}
		b.eventually("the letter is in the stream", func() bool { return letters() == 1 })
		b.eventually("the stream is known", func() bool { return b.count(`SELECT count(*) FROM retrier.dlq`) == 1 })
		if err := b.conn.JS.DeleteStream(t.Context(), bus.StreamDLQ); err != nil {
			t.Fatal(err)
		}
		b.streams()
		b.eventually("the letter is there again", func() bool { return letters() == 1 })
		stop()
	})
	t.Run("a sweep on demand does everything once", func(t *testing.T) {
		b := setup(t)
		a, _ := b.start(never)
		b.failed(uuid.New(), "a", 1)
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.eventually("the failure is taken", func() bool { return b.count(`SELECT count(*) FROM retrier.taken`) == 1 })
	})
	t.Run("a configuration that cannot work is refused before anything is opened", func(t *testing.T) {
		for i, c := range []app.Config{
			{},
			{DSN: "postgres://x"},
			{DSN: "postgres://x", NATSURL: "nats://x", Sweep: -1},
		} {
			if _, err := app.New(t.Context(), c, service.Env{}); err == nil || !strings.Contains(err.Error(), "retrier configuration") {
				t.Errorf("configuration %d: %v", i, err)
			}
		}
	})
	t.Run("the metrics count waiting records by class", func(t *testing.T) {
		b := setup(t)
		registry := prometheus.NewRegistry()
		a, err := app.New(t.Context(), app.Config{DSN: b.dsn, NATSURL: b.url, Sweep: never}, service.Env{Logger: testkit.Logger(t), Registry: registry})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer func() {
			cancel()
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		b.failed(uuid.New(), "a", 1)
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "bulkhead_retrier_waiting_records" {
				if got := fmt.Sprint(f.GetMetric()[0].GetGauge().GetValue()); got != "1" {
					t.Errorf("%s waiting", got)
				}
				return
			}
		}
		t.Error("no such metric")
	})
}
