package extract

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

// bench is one test's ledger and broker with a pipeline `contacts`.
type bench struct {
	testing.TB
	admin   pg.DB
	pool    pg.DB // the extractor's own
	conn    *bus.Conn
	store   *store.Store
	catalog *catalog.Catalog
	bound   int
	lease   time.Duration

	mu  sync.Mutex
	now time.Time
}

const testPipeline = "contacts"

// definition is YAML of the pipeline under test; extra lines are added as they are.
func definition(extra ...string) string {
	return strings.Join(append([]string{
		"apiVersion: bulkhead/v1", "kind: Pipeline", "name: contacts", "org: main", "object: Contact", "operation: upsert",
		"externalId: External_Id__c",
	}, extra...), "\n") + "\n"
}

const (
	defaultMap   = "map:\n  - {from: id, to: External_Id__c, type: string, required: true}\n  - {from: last, to: LastName, type: string}\n  - {from: email, to: Email, type: string}"
	defaultChunk = "chunk: {rows: 1000, bytes: 1MB, age: 10s}"
)

func newBench(t testing.TB, yaml string) *bench {
	t.Helper()
	return newBenchOver(t, testkit.NATS(t).URL(), yaml)
}

// newBenchOver makes a bench over a broker.
func newBenchOver(t testing.TB, broker, yaml string) *bench {
	t.Helper()
	db := testkit.NewLedger(t)
	conn := connect(t, broker)
	pool := db.Pool(t, "extractor")
	b := &bench{
		TB: t, admin: db.AdminPool(t), pool: pool, conn: conn, store: store.New(pool), catalog: catalog.New(pool),
		bound: 64, lease: 10 * time.Second, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
	}
	b.must(bus.EnsureRecords(t.Context(), conn, testPipeline, bus.Limits{MaxBytes: 256 << 20}))
	b.must(bus.EnsureDLQ(t.Context(), conn, bus.Limits{MaxBytes: 64 << 20}))
	b.apply(1, yaml)
	return b
}

func connect(t testing.TB, broker string) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(broker, bus.ConnectOptions{Name: "test", Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) exec(sql string, args ...any) {
	b.Helper()
	_, err := b.admin.Exec(b.Context(), sql, args...)
	b.must(err)
}

// apply stores a revision, as ops would.
func (b *bench) apply(revision int, yaml string) {
	b.Helper()
	b.exec(`INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ($1, $2, $3, '\x', 'test')`, testPipeline, revision, yaml)
	b.catalog.Invalidate()
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bench) deps(owner string) Deps {
	return Deps{
		Store: b.store, Catalog: b.catalog, Owner: owner, Lease: b.lease, OpenChunks: b.bound, Wait: 5 * time.Millisecond,
		Recheck: time.Minute, Remember: 1 << 20, Now: b.clock, Logger: testkit.Logger(b.TB), Metrics: NewMetrics(prometheus.NewRegistry()),
		Open: func(ctx context.Context, c bus.ReaderConfig) (Stream, error) {
			r, err := bus.OpenReader(ctx, b.conn, c)
			if err != nil {
				return nil, err
			}
			return r, nil
		},
		Info: func(ctx context.Context, stream string) (bus.StreamInfo, error) { return bus.Info(ctx, b.conn, stream) },
		Get: func(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error) {
			return bus.GetMany(ctx, b.conn, stream, seqs)
		},
		Holes: func(ctx context.Context, stream string, after uint64) ([]bus.Range, bool, error) {
			return bus.Holes(ctx, b.conn, stream, after)
		},
		Next: func(ctx context.Context, stream string, seq uint64) (bus.Msg, error) {
			return bus.NextStored(ctx, b.conn, stream, seq)
		},
	}
}

func (b *bench) reader(owner string) *Reader { return NewReader(b.deps(owner), testPipeline) }

// single publishes one record, with a message id unless it is empty. An id that the broker remembers is published until it forgets.
func (b *bench) single(id, body string) uint64 {
	b.Helper()
	for {
		m := nats.NewMsg(bus.RecordsSubject(testPipeline))
		m.Data = []byte(body)
		if id != "" {
			m.Header.Set(jetstream.MsgIDHeader, id)
		}
		ack, err := b.conn.JS.PublishMsg(b.Context(), m)
		b.must(err)
		if !ack.Duplicate {
			return ack.Sequence
		}
	}
}

func (b *bench) frame(run string, bodies ...string) uint64 {
	b.Helper()
	m := nats.NewMsg(bus.RecordsSubject(testPipeline))
	m.Data = []byte(strings.Join(bodies, "\n") + "\n")
	m.Header.Set(bus.HeaderContentType, bus.TypeNDJSON)
	if run != "" {
		m.Header.Set(bus.HeaderRun, run)
	}
	ack, err := b.conn.JS.PublishMsg(b.Context(), m)
	b.must(err)
	return ack.Sequence
}

func (b *bench) last() uint64 {
	info, err := bus.Info(b.Context(), b.conn, bus.RecordsStream(testPipeline))
	b.must(err)
	return info.Last
}

// settle runs passes until everything published is decided.
func (b *bench) settle(r *Reader) {
	b.Helper()
	last := b.last()
	for range 500 {
		_, err := r.Pass(b.Context())
		b.must(err)
		if b.decided(last) {
			return
		}
		if r.held != nil && r.held.engine != nil && r.held.engine.Reading().Seq >= last {
			b.advance(11 * time.Second)
		}
	}
	b.Fatalf("marks stand at %v, the stream ends at %d", b.marks(), last)
}

func (b *bench) marks() map[int]record.Place {
	m, err := b.store.Marks(b.Context(), testPipeline)
	b.must(err)
	return m
}

func (b *bench) decided(last uint64) bool {
	m := b.marks()
	for _, p := range m {
		if p.Less(record.Place{Seq: last, Idx: decide.EndOfFrame}) {
			return false
		}
	}
	return len(m) > 0
}

func (b *bench) count(sql string, args ...any) int {
	b.Helper()
	var n *int
	b.must(b.admin.QueryRow(b.Context(), sql, args...).Scan(&n))
	if n == nil {
		return 0
	}
	return *n
}

// tally is what the views say.
type tally struct{ Rows, Dead, Repeats int }

func (b *bench) tally() tally {
	b.Helper()
	return tally{
		Rows:    b.count("SELECT sum(records)::int FROM extractor_pub.chunk_runs WHERE kind = 'fresh'"),
		Dead:    b.count("SELECT count(*)::int FROM extractor_pub.dead WHERE generation = 0"),
		Repeats: b.count("SELECT sum(n)::int FROM extractor_pub.repeats"),
	}
}

func (b *bench) wantTally(want tally) {
	b.Helper()
	if got := b.tally(); got != want {
		b.Fatalf("the ledger holds %+v, want %+v", got, want)
	}
	if n := b.count("SELECT count(*)::int FROM extractor.records WHERE chunk IS NOT NULL AND generation = 0"); n != want.Rows {
		b.Fatalf("%d records stand in chunks, %d are counted", n, want.Rows)
	}
}

// chunk is a sealed chunk as the other services see it.
type chunk struct {
	ID       uuid.UUID
	Kind     string
	Lane     int
	Revision int
	Rows     [][]string
	Manifest *flowv1.Manifest
}

func (b *bench) chunks() []chunk {
	b.Helper()
	rows, err := b.admin.Query(b.Context(), "SELECT chunk, kind, lane, revision, header, manifest FROM extractor_pub.chunks ORDER BY seal_no")
	b.must(err)
	var headers [][]string
	out, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (chunk, error) {
		var c chunk
		var manifest []byte
		var header []string
		if err := r.Scan(&c.ID, &c.Kind, &c.Lane, &c.Revision, &header, &manifest); err != nil {
			return c, err
		}
		headers = append(headers, header)
		var err error
		c.Manifest, err = rowfile.DecodeManifest(manifest)
		return c, err
	})
	b.must(err)
	for i := range out {
		rows, err := b.admin.Query(b.Context(), "SELECT data FROM extractor_pub.pieces WHERE chunk = $1 ORDER BY n", out[i].ID)
		b.must(err)
		pieces, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		b.must(err)
		rr := rowfile.Rows(headers[i], rowfile.Pieces(pieces...))
		for {
			cells, err := rr.Next()
			if err != nil {
				break
			}
			out[i].Rows = append(out[i].Rows, slices.Clone(cells))
		}
	}
	return out
}

// rows are the rows of all chunks in their order, cells joined.
func (b *bench) rows() []string {
	var out []string
	for _, c := range b.chunks() {
		for _, r := range c.Rows {
			out = append(out, strings.Join(r, ","))
		}
	}
	return out
}

// landed writes an outcome for every chunk that has none, as the reconciler would.
func (b *bench) landed() {
	b.Helper()
	b.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded,
			row_states, row_ids, created_rows, standing)
		SELECT chunk, pipeline, org, 'job', 'JobComplete', rows, rows, 0, 0, 0, 0,
			convert_to(repeat('l', rows), 'UTF8'), decode(repeat('00', 18 * rows), 'hex'), 0, 'works'
		FROM extractor.chunks ON CONFLICT DO NOTHING`)
}

// letters reads the outbox's dead letters.
func (b *bench) letters() []bus.DeadLetter {
	b.Helper()
	rows, err := b.admin.Query(b.Context(), "SELECT body FROM extractor.outbox WHERE subject LIKE 'dlq.%' ORDER BY id")
	b.must(err)
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	b.must(err)
	out := make([]bus.DeadLetter, len(bodies))
	for i := range bodies {
		out[i], err = bus.ParseDeadLetter(bodies[i])
		b.must(err)
	}
	return out
}

func (b *bench) codes() []string {
	var out []string
	for _, l := range b.letters() {
		out = append(out, l.Code)
	}
	slices.Sort(out)
	return out
}

func contact(id, last string) string {
	out, _ := json.Marshal(map[string]string{"id": id, "last": last})
	return string(out)
}

func contacts(n int, prefix string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = contact(fmt.Sprintf("%s-%d", prefix, i), "Name")
	}
	return out
}
