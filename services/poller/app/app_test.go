package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/poller/app"
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
	t.Setenv("POLLER_TEST_SECRET", s.sim.Secret)
	s.exec(`INSERT INTO ops.orgs (name, yaml, applied_by) VALUES ('main', $1, 'tester')`, fmt.Sprintf(
		"kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretEnv: POLLER_TEST_SECRET\napiVersion: \"66.0\"\nallowInsecureLoopback: true\n",
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
		DSN: s.db.DSN("poller"), NATSURL: s.url, Waits: record.ShortWaits(), ShortRetries: true, Lease: 2 * time.Second, Sweep: time.Hour,
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

// submitted makes a job that the org has finished and that the submitter knows as submitted; with tell its fact is published.
func (s *stage) submitted(tell bool) uuid.UUID {
	s.t.Helper()
	c, err := salesforce.New(salesforce.Config{
		LoginURL: s.sim.URL, ClientID: s.sim.ClientID, ClientSecret: func() (string, error) { return s.sim.Secret, nil }, AllowInsecureLoopback: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	job, err := c.CreateJob(s.t.Context(), salesforce.JobSpec{Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c"})
	if err == nil {
		_, err = c.AbortJob(s.t.Context(), job.ID)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	chunk := uuid.New()
	s.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id, upload_rows, submitted_at)
		VALUES ($1, 'accounts', 1, 'fresh', 'main', 'main/Account/External_Id__c', 0, 1, 'submitted', $2, 0, now())`, chunk, job.ID)
	if tell {
		s.publish(&flowv1.JobSubmitted{Chunk: chunk.String(), JobId: job.ID, Org: "main"})
	}
	return chunk
}

func (s *stage) publish(fact bus.Fact) {
	s.t.Helper()
	if err := bus.Publish(s.t.Context(), s.conn, bus.FlowMessage(bus.NewEnvelope("accounts", 1, fact))); err != nil {
		s.t.Fatal(err)
	}
}

// await waits for a job_finished fact about each of the chunks.
func (s *stage) await(chunks ...uuid.UUID) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	open := map[string]bool{}
	for _, c := range chunks {
		open[c.String()] = true
	}
	consumer, err := s.conn.JS.OrderedConsumer(ctx, bus.StreamFlow, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"flow.*.job_finished"}})
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
		delete(open, e.GetJobFinished().GetChunk())
	}
}

func TestApp(t *testing.T) {
	t.Run("a fact in, a fact out", func(t *testing.T) {
		s := setup(t)
		s.flow()
		s.start()
		s.await(s.submitted(true), s.submitted(true))
	})
	t.Run("what no fact told of is found by the sweep", func(t *testing.T) {
		s := setup(t)
		s.flow()
		chunk := s.submitted(false)
		s.start() // sweeps when it starts
		s.await(chunk)
		later := s.submitted(false)
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
		first := s.submitted(false)
		s.flow()
		s.await(first)
		if err := s.conn.JS.DeleteStream(t.Context(), bus.StreamFlow); err != nil {
			t.Fatal(err)
		}
		second := s.submitted(false)
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
			chunks = append(chunks, s.submitted(true))
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
			"BULKHEAD_NATS": {DSN: s.db.DSN("poller")},
			"lease":         {DSN: s.db.DSN("poller"), NATSURL: s.url, Lease: time.Millisecond},
			"settle.wait":   {DSN: s.db.DSN("poller"), NATSURL: s.url, Waits: record.Waits{Settle: -1}},
			"concurrency":   {DSN: s.db.DSN("poller"), NATSURL: s.url, Concurrency: -1},
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
		_, err := app.New(ctx, app.Config{DSN: s.db.DSN("poller"), NATSURL: "nats://127.0.0.1:1"}, service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
		if err == nil {
			t.Fatal("started without a broker")
		}
	})
}
