package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/submitter/app"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

const secretEnv = "BULKHEAD_TEST_SUBMITTER_SECRET"

// world is everything around the service.
type world struct {
	t     *testing.T
	admin *pgxpool.Pool
	sim   *simtest.Sim
	conn  *bus.Conn
	cfg   app.Config
}

func newWorld(t *testing.T) *world {
	t.Helper()
	database, broker, sim := testkit.Database(t), testkit.NATS(t), simtest.Start(t)
	conn, err := bus.Connect(broker.URL(), bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := bus.EnsureFlow(t.Context(), conn, bus.Limits{}); err != nil {
		t.Fatal(err)
	}
	t.Setenv(secretEnv, sim.Secret)
	w := &world{t: t, admin: database.AdminPool(t), sim: sim, conn: conn, cfg: app.DefaultConfig()}
	w.cfg.DSN, w.cfg.NATSURL, w.cfg.ShortRetries, w.cfg.Lease = database.DSN("submitter"), broker.URL(), true, 2*time.Second
	w.exec(`INSERT INTO ops.orgs (name, yaml, applied_by) VALUES ('main', $1, 'test')`, fmt.Sprintf(`kind: Org
name: main
loginUrl: %s
auth: client_credentials
clientId: %s
clientSecretEnv: %s
apiVersion: "66.0"
allowInsecureLoopback: true
`, sim.URL, sim.ClientID, secretEnv))
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.admin.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// seal puts a fresh chunk of n accounts into the extractor's tables.
func (w *world) seal(lane, n int) uuid.UUID {
	w.t.Helper()
	header := []string{"External_Id__c", "Name"}
	file := rowfile.NewWriter(header)
	id := uuid.New()
	manifest := &flowv1.Manifest{Runs: []string{""}}
	for i := range n {
		hash := record.HashKey("accounts", fmt.Sprint(id, i))
		if _, err := file.Add([]string{fmt.Sprintf("%s-%d", id, i), "Name"}); err != nil {
			w.t.Fatal(err)
		}
		manifest.Rows = append(manifest.Rows, &flowv1.ManifestRow{Records: []*flowv1.ManifestEntry{{Key: fmt.Sprint(i), KeyHash: hash[:], Seq: uint64(i + 1)}}})
	}
	piece := file.Close()
	w.exec(`INSERT INTO extractor.pieces (chunk, n, rows, data) VALUES ($1, $2, $3, $4)`, id, piece.N, piece.Rows, piece.Data)
	w.exec(`INSERT INTO extractor.chunks (chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, bytes, manifest, first_seq)
		VALUES ($1, 'accounts', 1, 'fresh', 'main', 'Account', 'upsert', 'External_Id__c', 'main/Account/External_Id__c', $2, $3, $4, $4, $5, $6, 1)`,
		id, lane, header, n, file.Bytes(), rowfile.EncodeManifest(manifest))
	return id
}

func (w *world) tell(chunk uuid.UUID) {
	w.t.Helper()
	e := bus.NewEnvelope("accounts", 1, &flowv1.ChunkSealed{Chunk: chunk.String()})
	if err := bus.Publish(w.t.Context(), w.conn, bus.FlowMessage(e)); err != nil {
		w.t.Fatal(err)
	}
}

// start runs an instance; stop ends it and says what Run returned.
func (w *world) start() (a *app.App, stop func() error) {
	w.t.Helper()
	env := service.Env{Logger: testkit.Logger(w.t), Registry: prometheus.NewRegistry()}
	a, err := app.New(w.t.Context(), w.cfg, env)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("did not stop")
		}
	}
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Errorf("stop: %v", err)
		}
	})
	return a, stop
}

// awaitSubmitted reads FLOW until job_submitted of all these chunks has come.
func (w *world) awaitSubmitted(chunks ...uuid.UUID) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	open := map[string]bool{}
	for _, c := range chunks {
		open[c.String()] = true
	}
	bound := map[string]bool{}
	reader, err := bus.OpenReader(ctx, w.conn, bus.ReaderConfig{Stream: bus.StreamFlow})
	if err != nil {
		w.t.Fatal(err)
	}
	defer reader.Close(ctx)
	for len(open) > 0 {
		msgs, err := reader.Fetch(ctx, 100, 1<<20, time.Second)
		if err != nil {
			w.t.Fatalf("waiting for job_submitted of %d chunks: %v", len(open), err)
		}
		for _, m := range msgs {
			e, err := bus.ParseEnvelope(m.Data)
			if err != nil {
				w.t.Fatal(err)
			}
			if f := e.GetJobBound(); f != nil {
				bound[f.GetJobId()] = true
			}
			if f := e.GetJobSubmitted(); f != nil {
				if !bound[f.GetJobId()] {
					w.t.Errorf("job_submitted of %s comes before its job_bound", f.GetJobId())
				}
				delete(open, f.GetChunk())
			}
		}
	}
}

func (w *world) landedOnce(chunks int) {
	w.t.Helper()
	closed := 0
	for _, j := range w.sim.Jobs() {
		if j.Closed {
			closed++
			w.sim.AwaitJob(j.ID, "finished")
		}
	}
	if closed != chunks {
		w.t.Errorf("%d jobs were closed for %d chunks", closed, chunks)
	}
	for _, r := range w.sim.Records("Account", true) {
		if len(r.Versions) != 1 {
			w.t.Errorf("record %s landed %d times", r.Fields["External_Id__c"], len(r.Versions))
		}
	}
}

func TestAFactBecomesAJobAndAFact(t *testing.T) {
	w := newWorld(t)
	_, stop := w.start()
	c := w.seal(0, 50)
	w.tell(c)
	w.awaitSubmitted(c)
	w.landedOnce(1)
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestWhatNoFactToldOfIsFoundBySweep(t *testing.T) {
	w := newWorld(t)
	c := w.seal(0, 5)
	a, _ := w.start()
	if err := a.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.awaitSubmitted(c)
	w.landedOnce(1)
}

func TestTwoInstancesAndRollingRestartsSendEachChunkOnce(t *testing.T) {
	w := newWorld(t)
	w.sim.Set(map[string]any{"rows_per_second": 0})
	var chunks []uuid.UUID
	for lane := range 30 {
		chunks = append(chunks, w.seal(lane, 20))
	}
	_, stopOne := w.start()
	w.start()
	for i, c := range chunks {
		w.tell(c)
		if i%10 == 5 { // one goes in the middle of its work, another comes
			if err := stopOne(); err != nil {
				t.Errorf("stop: %v", err)
			}
			_, stopOne = w.start()
		}
	}
	w.awaitSubmitted(chunks...)
	w.landedOnce(len(chunks))
}

func TestFlowMayBeDeletedInTheMiddle(t *testing.T) {
	w := newWorld(t)
	a, _ := w.start()
	first := w.seal(0, 5)
	w.tell(first)
	w.awaitSubmitted(first)
	if err := w.conn.JS.DeleteStream(t.Context(), bus.StreamFlow); err != nil {
		t.Fatal(err)
	}
	second := w.seal(1, 5)
	if err := a.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Without FLOW job_bound cannot be acknowledged, so nothing is closed.
	w.sim.AwaitCall(0, simtest.Upload, true)
	if err := bus.EnsureFlow(t.Context(), w.conn, bus.Limits{}); err != nil {
		t.Fatal(err)
	}
	w.awaitSubmitted(second)
	w.landedOnce(2)
}

func TestHealthIsServed(t *testing.T) {
	w := newWorld(t)
	w.cfg.Listen = "127.0.0.1:0"
	// The address is in the log only; that a taken one is refused says that it listens.
	other, err := service.Serve(t.Context(), "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop(context.WithoutCancel(t.Context()))
	w.cfg.Listen = other.Addr()
	_, err = app.New(t.Context(), w.cfg, service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
	if err == nil || !strings.Contains(err.Error(), other.Addr()) {
		t.Errorf("New on a taken address answers %v, want an error that names it", err)
	}
}

func TestAConfigurationThatCannotWorkIsRefusedWhole(t *testing.T) {
	cfg := app.Config{Waits: record.Waits{Settle: -1}, Workers: 1000, BulkThreshold: -1}
	_, err := app.New(t.Context(), cfg, service.NewEnv("submitter", io.Discard, nil))
	for _, want := range []string{"dsn", "natsUrl", "lease", "workers", "sweep", "wait", "bulkThreshold", "collectionMargin"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	good := app.DefaultConfig()
	good.DSN, good.NATSURL = "postgres://x", "nats://x"
	if err := good.Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}
