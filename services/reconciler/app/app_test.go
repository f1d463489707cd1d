package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/reconciler/app"
)

// stage is what surrounds the program: ledger, broker and org, with the org's definition applied.
type stage struct {
	t     testing.TB
	db    *testkit.DB
	admin *pgxpool.Pool
	conn  *bus.Conn
	url   string
	sim   *simtest.Sim
}

func setup(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, db: testkit.Database(t), sim: simtest.Start(t), url: testkit.NATS(t).URL()}
	s.admin = s.db.AdminPool(t)
	conn, err := bus.Connect(s.url, bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	s.conn = conn
	t.Setenv("RECONCILER_TEST_SECRET", s.sim.Secret)
	s.exec(`INSERT INTO ops.orgs (name, yaml, applied_by) VALUES ('main', $1, 'tester')`, fmt.Sprintf(
		"kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretEnv: RECONCILER_TEST_SECRET\napiVersion: \"66.0\"\nallowInsecureLoopback: true\n",
		s.sim.URL, s.sim.ClientID))
	return s
}

func (s *stage) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) flow() {
	s.t.Helper()
	if err := bus.EnsureFlow(s.t.Context(), s.conn, bus.Limits{}); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the program until the test ends, or until stop is called, which checks that it ends in time and without an error.
func (s *stage) start(change ...func(*app.Config)) (*app.App, func()) {
	s.t.Helper()
	config := app.Config{
		DSN: s.db.DSN("reconciler"), NATSURL: s.url, Waits: record.ShortWaits(), ShortRetries: true, Lease: 2 * time.Second, Sweep: time.Hour,
	}
	for _, f := range change {
		f(&config)
	}
	a, err := app.New(s.t.Context(), config, service.Env{Logger: testkit.Logger(s.t), Registry: prometheus.NewRegistry()})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("stopped with %v", err)
			}
		case <-time.After(15 * time.Second):
			s.t.Error("did not stop within 15 s")
		}
	}
	s.t.Cleanup(stop)
	return a, stop
}

// finished makes a chunk of one row whose job the org has finished, as all services before know it; with tell its fact is published.
func (s *stage) finished(tell bool) uuid.UUID {
	s.t.Helper()
	c, err := salesforce.New(salesforce.Config{
		LoginURL: s.sim.URL, ClientID: s.sim.ClientID, ClientSecret: func() (string, error) { return s.sim.Secret, nil }, AllowInsecureLoopback: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	chunk := uuid.New()
	header, cells := []string{"External_Id__c", "Name"}, []string{chunk.String(), "Acme"}
	csv := rowfile.AppendRow(rowfile.AppendRow(nil, header), cells)
	job, err := c.CreateJob(s.t.Context(), salesforce.JobSpec{Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c"})
	if err == nil {
		err = c.Upload(s.t.Context(), job.ID, int64(len(csv)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(csv)), nil })
	}
	if err == nil {
		_, err = c.CloseJob(s.t.Context(), job.ID)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.sim.AwaitJob(job.ID, "finished")
	hash := record.HashKey("accounts", "k")
	w := rowfile.NewWriter(header)
	if _, err := w.Add(cells); err != nil {
		s.t.Fatal(err)
	}
	manifest := rowfile.EncodeManifest(&flowv1.Manifest{
		Runs: []string{""}, Rows: []*flowv1.ManifestRow{{Records: []*flowv1.ManifestEntry{{Key: "k", KeyHash: hash[:]}}}},
	})
	s.exec(`INSERT INTO extractor.chunks (chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, bytes, manifest, first_seq)
		VALUES ($1, 'accounts', 1, 'fresh', 'main', 'Account', 'upsert', 'External_Id__c', 'main/Account/External_Id__c', 0, $2, 1, 1, 1, $3, 1)`, chunk, header, manifest)
	s.exec(`INSERT INTO extractor.pieces (chunk, n, rows, data) VALUES ($1, 0, 1, $2)`, chunk, w.Close().Data)
	s.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id, upload_rows, submitted_at)
		VALUES ($1, 'accounts', 1, 'fresh', 'main', 'main/Account/External_Id__c', 0, 1, 'submitted', $2, 1, now())`, chunk, job.ID)
	s.exec(`INSERT INTO poller.watches (chunk, pipeline, org, job_id, rows, state, submitted_at, next_look_at, job_state, processed, failed, finished_at)
		VALUES ($1, 'accounts', 'main', $2, 1, 'finished', now(), now(), 'JobComplete', 1, 0, now())`, chunk, job.ID)
	if tell {
		s.publish(&flowv1.JobFinished{Chunk: chunk.String(), JobId: job.ID, JobState: "JobComplete"})
	}
	return chunk
}

func (s *stage) publish(fact bus.Fact) {
	s.t.Helper()
	if err := bus.Publish(s.t.Context(), s.conn, bus.FlowMessage(bus.NewEnvelope("accounts", 1, fact))); err != nil {
		s.t.Fatal(err)
	}
}

// await waits for a chunk_reconciled fact about each of the chunks.
func (s *stage) await(chunks ...uuid.UUID) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	open := map[string]bool{}
	for _, c := range chunks {
		open[c.String()] = true
	}
	consumer, err := s.conn.JS.OrderedConsumer(ctx, bus.StreamFlow, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"flow.*.chunk_reconciled"}})
	if err != nil {
		s.t.Fatal(err)
	}
	for len(open) > 0 {
		msg, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			s.t.Fatalf("%v while %d chunks are open", err, len(open))
		}
		e, err := bus.ParseEnvelope(msg.Data())
		if err != nil {
			s.t.Fatal(err)
		}
		delete(open, e.GetChunkReconciled().GetChunk())
	}
}

// unresolved makes a failure of which nobody knows whether it landed, and what a person decided of it.
func (s *stage) unresolved(decision string) uuid.UUID {
	s.t.Helper()
	letter := uuid.New()
	s.exec(`INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns,
			accepted_at, attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts)
		VALUES ($1, 0, 0, 'accounts', 1, 0, '', 'k', $1, 0, 'k', $1, 1, 0, '', now(), 1, 'missing', 'unresolved', 'MISSING', '', '{}', '', 'unresolved', $1,
			'{}', '{}', '', '[]')`, letter)
	s.exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $1, $2, '', 'seen', 'alex')`, letter, decision)
	return letter
}

func TestApp(t *testing.T) {
	t.Run("a decision is taken over when a fact tells of it, and told on", func(t *testing.T) {
		s := setup(t)
		s.flow()
		s.start()
		s.await(s.finished(true)) // the loops have had their first look
		letter := s.unresolved("not_landed")
		s.publish(&flowv1.ReplayOrdered{ActionId: letter.String(), Decisions: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		consumer, err := s.conn.JS.OrderedConsumer(ctx, bus.StreamFlow, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"flow.accounts.rows_resolved"}})
		if err != nil {
			t.Fatal(err)
		}
		msg, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		e, err := bus.ParseEnvelope(msg.Data())
		if fact := e.GetRowsResolved(); err != nil || fact.GetNotLanded() != 1 || len(fact.GetChunks()) != 1 || fact.GetChunks()[0] != letter.String() {
			t.Fatalf("%v, %v", e, err)
		}
	})
	t.Run("a fact in, a fact out", func(t *testing.T) {
		s := setup(t)
		s.flow()
		s.start()
		s.await(s.finished(true), s.finished(true))
	})
	t.Run("a file that comes slowly keeps no other chunk waiting", func(t *testing.T) {
		s := setup(t)
		s.flow()
		slow := s.finished(false)
		job := ""
		if err := s.admin.QueryRow(t.Context(), `SELECT job_id FROM poller.watches WHERE chunk = $1`, slow).Scan(&job); err != nil {
			t.Fatal(err)
		}
		s.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: simtest.Successful, Job: job}, Times: simtest.Times(0),
			Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(20 * time.Second)},
		})
		s.start()
		s.publish(&flowv1.JobFinished{Chunk: slow.String(), JobId: job, JobState: "JobComplete"})
		s.await(s.finished(true), s.finished(true), s.finished(true))
		n := 0
		if err := s.admin.QueryRow(t.Context(), `SELECT count(*) FROM reconciler.outcomes WHERE chunk = $1`, slow).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d outcomes of the slow chunk (%v): it was to keep the others waiting", n, err)
		}
	})
	t.Run("what no fact told of is found by the sweep", func(t *testing.T) {
		s := setup(t)
		s.flow()
		chunk := s.finished(false)
		s.start() // sweeps when it starts
		s.await(chunk)
		later := s.finished(false)
		a, stop := s.start()
		defer stop()
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.await(later)
	})
	t.Run("it starts without FLOW, and goes on when FLOW was deleted and made again", func(t *testing.T) {
		s := setup(t)
		s.start(func(c *app.Config) { c.Sweep = 200 * time.Millisecond })
		first := s.finished(false)
		s.flow()
		s.await(first)
		if err := s.conn.JS.DeleteStream(t.Context(), bus.StreamFlow); err != nil {
			t.Fatal(err)
		}
		second := s.finished(false)
		s.flow()
		s.await(second)
	})
	t.Run("two instances share the work, and one may stop at any time", func(t *testing.T) {
		s := setup(t)
		s.flow()
		_, stop := s.start()
		s.start()
		var chunks []uuid.UUID
		for i := range 12 {
			chunks = append(chunks, s.finished(true))
			if i == 5 {
				stop()
			}
		}
		s.await(chunks...)
	})
	t.Run("a configuration that cannot work is refused in words", func(t *testing.T) {
		s := setup(t)
		for want, config := range map[string]app.Config{
			"BULKHEAD_DSN":  {NATSURL: s.url},
			"BULKHEAD_NATS": {DSN: s.db.DSN("reconciler")},
			"lease":         {DSN: s.db.DSN("reconciler"), NATSURL: s.url, Lease: time.Millisecond},
			"settle.wait":   {DSN: s.db.DSN("reconciler"), NATSURL: s.url, Waits: record.Waits{Settle: -1}},
			"concurrency":   {DSN: s.db.DSN("reconciler"), NATSURL: s.url, Concurrency: -1},
		} {
			_, err := app.New(t.Context(), config, service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want something about %s", err, want)
			}
		}
	})
	t.Run("a start that is given up leaves nothing open", func(t *testing.T) {
		s := setup(t)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := app.New(ctx, app.Config{DSN: s.db.DSN("reconciler"), NATSURL: "nats://127.0.0.1:1"}, service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
		if err == nil {
			t.Fatal("started without a broker")
		}
	})
}
