package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/extractor/app"
)

const contactsYAML = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: last, to: LastName, type: string}
chunk: {rows: 500, bytes: 1MB, age: 1s}
`

// rig is a ledger and a broker with every stream, and what it takes to run extractors on them.
type rig struct {
	testing.TB
	db    *testkit.DB
	admin *pgxpool.Pool
	conn  *bus.Conn
	url   string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	db, server := testkit.Database(t), testkit.NATS(t)
	conn, err := bus.Connect(server.URL(), bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	r := &rig{TB: t, db: db, admin: db.AdminPool(t), conn: conn, url: server.URL()}
	r.must(bus.EnsureFlow(t.Context(), conn, bus.Limits{MaxBytes: 16 << 20}))
	r.must(bus.EnsureDLQ(t.Context(), conn, bus.Limits{MaxBytes: 16 << 20}))
	r.must(bus.EnsureRecords(t.Context(), conn, "contacts", bus.Limits{MaxBytes: 64 << 20}))
	r.apply("contacts", 1, contactsYAML)
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) apply(name string, revision int, yaml string) {
	r.Helper()
	_, err := r.admin.Exec(r.Context(), `INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ($1, $2, $3, '\x', 'test')`,
		name, revision, yaml)
	r.must(err)
}

func (r *rig) config() app.Config {
	c := app.DefaultConfig()
	c.DSN, c.NATSURL, c.Sweep, c.Lease = r.db.DSN("extractor"), r.url, 200*time.Millisecond, 5*time.Second
	return c
}

// start runs an extractor; the answer stops it and waits until it has stopped.
func (r *rig) start(c app.Config) (*app.App, func()) {
	r.Helper()
	a, err := app.New(r.Context(), c, service.Env{Logger: testkit.Logger(r.TB), Registry: prometheus.NewRegistry()})
	r.must(err)
	ctx, cancel := context.WithCancel(r.Context())
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
				r.Errorf("the extractor ended with %v", err)
			}
		case <-time.After(c.StopTimeout + 5*time.Second):
			r.Error("the extractor did not stop in its time")
		}
	}
	r.Cleanup(stop)
	return a, stop
}

func (r *rig) frame(prefix string, n int) {
	r.Helper()
	m := nats.NewMsg(bus.RecordsSubject("contacts"))
	m.Header.Set(bus.HeaderContentType, bus.TypeNDJSON)
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, "{\"id\":\"%s-%d\",\"last\":\"L\"}\n", prefix, i)
	}
	m.Data = []byte(body.String())
	_, err := r.conn.JS.PublishMsg(r.Context(), m)
	r.must(err)
}

func (r *rig) count(sql string) int {
	r.Helper()
	var n int
	r.must(r.admin.QueryRow(r.Context(), sql).Scan(&n))
	return n
}

// eventually waits on what other goroutines do.
func (r *rig) eventually(what string, ok func() bool) {
	r.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			r.Fatalf("it never happened that %s", what)
		}
	}
}

const accepted = "SELECT (SELECT coalesce(sum(records), 0) FROM extractor_pub.chunk_runs)::int + (SELECT count(*) FROM extractor_pub.dead)::int"

func TestApp(t *testing.T) {
	t.Parallel()
	t.Run("records become chunks and letters, and the facts and letters are published", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.start(r.config())
		r.frame("n", 50)
		_, err := r.conn.JS.Publish(t.Context(), bus.RecordsSubject("contacts"), []byte("{"))
		r.must(err)
		r.eventually("all records are accepted", func() bool { return r.count(accepted) == 51 })
		r.eventually("the outbox is empty", func() bool { return r.count("SELECT count(*)::int FROM extractor.outbox") == 0 })
		msg, err := bus.GetMessage(t.Context(), r.conn, bus.StreamDLQ, 1)
		r.must(err)
		letter, err := bus.ParseDeadLetter(msg.Data)
		r.must(err)
		if letter.Code != "NOT_JSON" || letter.Origin.Sequence != 2 || string(letter.Payload) != "{" {
			t.Errorf("letter %+v", letter)
		}
		fact, err := bus.GetMessage(t.Context(), r.conn, bus.StreamFlow, 1)
		r.must(err)
		e, err := bus.ParseEnvelope(fact.Data)
		r.must(err)
		if e.GetChunkSealed().GetKind() != "fresh" || e.GetRevision() != 1 {
			t.Errorf("fact %v", e)
		}
	})

	t.Run("two instances share the pipelines, and when one stops the other reads on at once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		c := r.config()
		c.Lease = time.Minute // nobody waits for it to run out
		_, stopOne := r.start(c)
		r.frame("a", 10)
		r.eventually("the first instance reads", func() bool { return r.count(accepted) == 10 })
		_, stopTwo := r.start(c)
		r.frame("b", 10)
		stopOne()
		r.frame("c", 10)
		r.eventually("the second instance reads on", func() bool { return r.count(accepted) == 30 })
		stopTwo()
		_, stopThree := r.start(c)
		r.frame("d", 10)
		r.eventually("a third one reads on", func() bool { return r.count(accepted) == 40 })
		stopThree()
		if n := r.count("SELECT coalesce(sum(n), 0)::int FROM extractor_pub.repeats"); n != 0 {
			t.Errorf("%d repeats are counted, nothing was published twice", n)
		}
	})

	t.Run("deleting FLOW and DLQ in mid-run loses nothing", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.start(r.config())
		_, err := r.conn.JS.Publish(t.Context(), bus.RecordsSubject("contacts"), []byte("{"))
		r.must(err)
		r.eventually("the letter is published", func() bool {
			info, err := bus.Info(t.Context(), r.conn, bus.StreamDLQ)
			return err == nil && info.Messages == 1
		})
		r.eventually("it is known which stream the letter went to", func() bool { return r.count("SELECT count(*)::int FROM extractor.couriers") == 1 })
		r.must(r.conn.JS.DeleteStream(t.Context(), bus.StreamFlow))
		r.must(r.conn.JS.DeleteStream(t.Context(), bus.StreamDLQ))
		r.frame("n", 20)
		r.eventually("records are accepted all the same", func() bool { return r.count(accepted) == 21 })
		r.must(bus.EnsureFlow(t.Context(), r.conn, bus.Limits{}))
		r.must(bus.EnsureDLQ(t.Context(), r.conn, bus.Limits{}))
		r.eventually("letter and facts are published again", func() bool {
			flow, flowErr := bus.Info(t.Context(), r.conn, bus.StreamFlow)
			dlq, dlqErr := bus.Info(t.Context(), r.conn, bus.StreamDLQ)
			return flowErr == nil && dlqErr == nil && flow.Messages > 0 && dlq.Messages == 1
		})
	})

	t.Run("a new pipeline and a new revision are taken up when a fact tells of them", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		c := r.config()
		c.Sweep = time.Hour
		r.start(c)
		r.frame("a", 3)
		r.eventually("the first revision is in force", func() bool { return r.count(accepted) == 3 })
		r.must(bus.EnsureRecords(t.Context(), r.conn, "people", bus.Limits{MaxBytes: 16 << 20}))
		r.apply("people", 1, strings.Replace(contactsYAML, "name: contacts", "name: people", 1))
		r.apply("contacts", 2, strings.Replace(contactsYAML, "LastName", "FirstName", 1))
		r.must(bus.Publish(t.Context(), r.conn, bus.FlowMessage(bus.NewEnvelope("contacts", 2, &flowv1.DefinitionChanged{}))))
		_, err := r.conn.JS.Publish(t.Context(), bus.RecordsSubject("people"), []byte(`{"id":"p"}`))
		r.must(err)
		r.eventually("the new pipeline is read", func() bool { return r.count(accepted) == 4 })
		r.eventually("the new revision is in force", func() bool {
			return r.count("SELECT revision FROM extractor_pub.readers WHERE pipeline = 'contacts'") == 2
		})
	})

	t.Run("an order to read a part of the stream again is carried out when a fact tells of it", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		c := r.config()
		c.Sweep = time.Hour
		r.start(c)
		r.frame("a", 5)
		r.eventually("the records are accepted", func() bool { return r.count(accepted) == 5 })
		r.eventually("their places are decided", func() bool { return r.count("SELECT min(seq)::int FROM extractor_pub.checkpoints") == 1 })
		_, err := r.admin.Exec(t.Context(), "INSERT INTO ops.rereads (id, pipeline, from_seq, to_seq) VALUES (gen_random_uuid(), 'contacts', 1, 1)")
		r.must(err)
		r.must(bus.Publish(t.Context(), r.conn, bus.FlowMessage(bus.NewEnvelope("contacts", 1, &flowv1.ReplayOrdered{Rereads: 1}))))
		r.eventually("it is carried out", func() bool {
			return r.count("SELECT coalesce(sum(known), 0)::int FROM extractor_pub.rereads WHERE done_at IS NOT NULL") == 5
		})
	})

	t.Run("a sweep frees what is reconciled, and health and metrics answer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		c := r.config()
		c.Sweep, c.Listen = time.Hour, "127.0.0.1:0"
		a, _ := r.start(c)
		r.frame("a", 3)
		r.eventually("records are accepted", func() bool { return r.count(accepted) == 3 })
		_, err := r.admin.Exec(t.Context(), `INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed,
				missing, superseded, row_states, row_ids, created_rows, standing)
			SELECT chunk, pipeline, org, 'job', 'JobComplete', rows, rows, 0, 0, 0, 0,
				convert_to(repeat('l', rows), 'UTF8'), decode(repeat('00', 18 * rows), 'hex'), 0, 'works' FROM extractor.chunks`)
		r.must(err)
		r.must(a.Sweep(t.Context()))
		r.eventually("the rows are gone", func() bool { return r.count("SELECT count(*)::int FROM extractor.pieces") == 0 })
		r.eventually("it listens", func() bool { return a.Addr() != "" })
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			resp, err := http.Get("http://" + a.Addr() + path) //nolint:noctx // bounded by the test
			r.must(err)
			body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
			r.must(errors.Join(err, resp.Body.Close()))
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s answers %d: %s", path, resp.StatusCode, body)
			}
			if path == "/metrics" && !strings.Contains(string(body), `bulkhead_extractor_records_total{pipeline="contacts"} 3`) {
				t.Errorf("metrics do not count the records:\n%s", body)
			}
		}
	})

	t.Run("records that arrive while nobody runs are read at the next start, and a stream that is full refuses its publisher", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		stream, err := r.conn.JS.Stream(t.Context(), bus.RecordsStream("contacts"))
		r.must(err)
		small := stream.CachedInfo().Config
		small.MaxBytes = 64 << 10
		_, err = r.conn.JS.UpdateStream(t.Context(), small)
		r.must(err)
		stored := 0
		for {
			_, err := r.conn.JS.Publish(t.Context(), bus.RecordsSubject("contacts"), fmt.Appendf(nil, `{"id":"r%d","last":%q}`, stored, strings.Repeat("x", 4000)))
			var api *jetstream.APIError
			if errors.As(err, &api) {
				break
			}
			r.must(err)
			stored++
		}
		r.start(r.config())
		r.eventually("everything that was acknowledged is accepted", func() bool { return r.count(accepted) == stored })
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	t.Run("a configuration that cannot work is refused with everything that is wrong with it", func(t *testing.T) {
		t.Parallel()
		err := app.Config{Lease: time.Millisecond, OpenChunks: -1}.Check()
		if err == nil {
			t.Fatal("it was accepted")
		}
		for _, word := range []string{"dsn", "natsUrl", "lease", "sweep", "openChunks"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q is not in %q", word, err)
			}
		}
	})
	t.Run("the defaults need no more than the two addresses", func(t *testing.T) {
		t.Parallel()
		c := app.DefaultConfig()
		c.DSN, c.NATSURL = "postgres://x", "nats://x"
		if err := c.Check(); err != nil {
			t.Error(err)
		}
	})
}
