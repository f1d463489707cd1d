package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

const (
	testOrg   = "main"
	testSpace = "main/Account/External_Id__c"
	accounts  = "accounts"
)

var testHeader = []string{"External_Id__c", "Name", "Phone"}

// bench is a ledger, an org over HTTP and a runner between them, for one test.
type bench struct {
	t       *testing.T
	admin   *pgxpool.Pool
	store   *store.Store
	sim     *simtest.Sim
	client  *salesforce.Client
	config  Config
	reports bool
	pinned  string // what the org's document names
	defined map[store.Revision]*pipeline.Definition

	mu        sync.Mutex
	published []*flowv1.Envelope
	refuse    error // what Publish answers
	hook      func(what string)
}

func newBench(t *testing.T, options ...simtest.Option) *bench {
	t.Helper()
	database := testkit.Database(t)
	b := &bench{t: t, admin: database.AdminPool(t), sim: simtest.Start(t, options...), reports: true}
	b.store = store.New(b.tracedPool(database.DSN("submitter")))
	b.client = b.newClient()
	b.config = Config{
		Store: b.store, Orgs: benchOrgs{b}, Definition: b.definition, Publish: b.publish, Flow: benchFlow{b}, Logger: testkit.Logger(t), Owner: "one", Lease: time.Hour, Workers: 4,
		BindMaxAge: time.Hour, OrphanAge: 2 * time.Hour, Backoff: Backoff{Base: time.Nanosecond, Max: time.Nanosecond}, GateWait: time.Nanosecond,
	}
	b.exec(`INSERT INTO extractor.pipelines (name) VALUES ($1)`, accounts)
	for i, name := range testHeader {
		b.exec(`INSERT INTO extractor.columns (pipeline_id, ordinal, name) SELECT id, $2, $3 FROM extractor.pipelines WHERE name = $1`, accounts, i, name)
	}
	return b
}

func (b *bench) definition(_ context.Context, name string, revision int) (*pipeline.Definition, error) {
	if d := b.defined[store.Revision{Pipeline: name, Number: revision}]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("revision %d of %s cannot be read", revision, name)
}

func (b *bench) newClient() *salesforce.Client {
	b.t.Helper()
	client, err := salesforce.New(salesforce.Config{
		LoginURL: b.sim.URL, ClientID: b.sim.ClientID, ClientSecret: func() (string, error) { return b.sim.Secret, nil }, AllowInsecureLoopback: true,
		Retry: salesforce.Retry{Tries: 2, Base: time.Millisecond, Max: 2 * time.Millisecond},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return client
}

// tracedPool is a pool whose every statement passes the bench's hook, before and after.
func (b *bench) tracedPool(dsn string) *pgxpool.Pool {
	b.t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		b.t.Fatal(err)
	}
	config.MaxConns = 8
	config.ConnConfig.Tracer = tracer{b}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(b.t.Context(), config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(pool.Close)
	return pool
}

type tracer struct{ b *bench }

func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.b.at("before " + firstLine(data.SQL))
	return ctx
}

func (t tracer) TraceQueryEnd(_ context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	t.b.at("after a statement")
}

func firstLine(s string) string { return strings.SplitN(s, "\n", 2)[0] }

// at is a place where a test may make something happen.
func (b *bench) at(what string) {
	b.mu.Lock()
	hook := b.hook
	b.mu.Unlock()
	if hook != nil {
		hook(what)
	}
}

func (b *bench) setHook(f func(string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = f
}

func (b *bench) publish(_ context.Context, m record.Message) error {
	b.at("before publish")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	e, err := bus.ParseEnvelope(m.Body)
	if err != nil {
		return err
	}
	b.published = append(b.published, e)
	return nil
}

// benchFlow is FLOW as far as the bench published on it: the sequence of a message is its place in the list.
type benchFlow struct{ b *bench }

var flowMade = time.Date(2026, 1, 1, 0, 0, 0, 123456789, time.UTC)

func (f benchFlow) Info(context.Context) (bus.StreamInfo, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	return bus.StreamInfo{Incarnation: flowMade, First: 1, Last: uint64(len(f.b.published))}, nil
}

func (f benchFlow) NextBound(_ context.Context, first uint64) (bus.Msg, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	for seq := max(first, 1); seq <= uint64(len(f.b.published)); seq++ {
		if e := f.b.published[seq-1]; e.GetJobBound() != nil {
			return bus.Msg{Seq: seq, Data: bus.FlowMessage(e).Body, Time: e.GetAt().AsTime()}, nil
		}
	}
	return bus.Msg{}, bus.ErrNoMessage
}

func (f benchFlow) LastRecord(context.Context, string) (uint64, error) { return 1000, nil }

// announced says whether job_bound of the chunk and job was acknowledged.
func (b *bench) announced(chunk uuid.UUID, job string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.published {
		if f := e.GetJobBound(); f.GetChunk() == chunk.String() && f.GetJobId() == job {
			return true
		}
	}
	return false
}

type benchOrgs struct{ b *bench }

func (o benchOrgs) Org(_ context.Context, name string) (Org, error) {
	if name != testOrg {
		return nil, fmt.Errorf("no org %q", name)
	}
	return hookedOrg{o.b, o.b.client}, nil
}

func (o benchOrgs) PinnedID(context.Context, string) (string, error) { return o.b.pinned, nil }

func (o benchOrgs) ReportsOrphans(context.Context, string) (bool, error) { return o.b.reports, nil }

// hookedOrg passes the bench's hook before and after each call.
type hookedOrg struct {
	b *bench
	*salesforce.Client
}

func (o hookedOrg) CreateJob(ctx context.Context, spec salesforce.JobSpec) (salesforce.JobInfo, error) {
	o.b.at("before create")
	defer o.b.at("after create")
	return o.Client.CreateJob(ctx, spec)
}

func (o hookedOrg) Upload(ctx context.Context, job string, size int64, body func() (io.ReadCloser, error)) error {
	o.b.at("before upload")
	defer o.b.at("after upload")
	return o.Client.Upload(ctx, job, size, body)
}

func (o hookedOrg) CloseJob(ctx context.Context, job string) (salesforce.JobInfo, error) {
	o.b.at("before close")
	defer o.b.at("after close")
	return o.Client.CloseJob(ctx, job)
}

func (o hookedOrg) Job(ctx context.Context, job string) (salesforce.JobInfo, error) {
	o.b.at("before look")
	defer o.b.at("after look")
	return o.Client.Job(ctx, job)
}

func (o hookedOrg) Lookup(ctx context.Context, object, field string, values []string, more ...string) ([]salesforce.Found, error) {
	o.b.at("before lookup")
	defer o.b.at("after lookup")
	return o.Client.Lookup(ctx, object, field, values, more...)
}

func (o hookedOrg) Collect(ctx context.Context, call salesforce.Collection, sendBy, answerBy time.Time) ([]salesforce.CollectionItem, error) {
	o.b.at("before collect")
	defer o.b.at("after collect")
	return o.Client.Collect(ctx, call, sendBy, answerBy)
}

func (o hookedOrg) AbortJob(ctx context.Context, job string) (salesforce.JobInfo, error) {
	o.b.at("before abort")
	defer o.b.at("after abort")
	return o.Client.AbortJob(ctx, job)
}

func (b *bench) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.admin.Exec(context.WithoutCancel(b.t.Context()), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

func ask[T any](b *bench, sql string, args ...any) T {
	b.t.Helper()
	var v T
	if err := b.admin.QueryRow(context.WithoutCancel(b.t.Context()), sql, args...).Scan(&v); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// row is one row to be sealed. Each entry is a record of it.
type row struct {
	cells   []string
	records []*flowv1.ManifestEntry
}

// one is a row of a single record at a place, which names the columns of its cells that are not empty.
func oneRow(seq uint64, cells ...string) row {
	var named record.Bitmap
	for i, c := range cells {
		if c != "" {
			named.Set(i)
		}
	}
	key := fmt.Sprintf("key-%d", seq)
	hash := record.HashKey(accounts, key)
	return row{cells: cells, records: []*flowv1.ManifestEntry{{Key: key, KeyHash: hash[:], Seq: seq, Columns: named}}}
}

// accountRows are n rows of entities that begin with a prefix.
func accountRows(prefix string, n int) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = oneRow(uint64(i+1), fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("Name \"%d\", Ltd", i), "+31 20 555")
	}
	return rows
}

// sealed is a chunk in its sealer's tables.
type sealed struct {
	id  uuid.UUID
	csv string
}

// seal puts a chunk where its sealer would: fresh and replay with the extractor, resend with the retrier.
func (b *bench) seal(kind string, lane int, rows ...row) sealed {
	b.t.Helper()
	return b.sealFor(accounts, kind, lane, rows...)
}

func (b *bench) sealFor(name, kind string, lane int, rows ...row) sealed {
	b.t.Helper()
	return b.sealAs(upserts, name, kind, lane, rows...)
}

// shape is what a definition says of its chunks.
type shape struct {
	object, operation, key, space string
	header                        []string
}

var upserts = shape{"Account", "upsert", "External_Id__c", testSpace, testHeader}

func (b *bench) sealAs(s shape, name, kind string, lane int, rows ...row) sealed {
	b.t.Helper()
	schema := "extractor"
	if kind == record.ChunkResend {
		schema = "retrier"
	}
	c := sealed{id: uuid.New()}
	csv := rowfile.AppendRow(nil, s.header)
	w := rowfile.NewWriter(s.header)
	manifest := &flowv1.Manifest{Runs: []string{"run-1"}}
	records, carriesVersions := 0, false
	addPiece := func(p *rowfile.Piece) {
		if p != nil {
			b.exec(`INSERT INTO `+schema+`.pieces (chunk, n, rows, data) VALUES ($1, $2, $3, $4)`, c.id, p.N, p.Rows, p.Data)
		}
	}
	for i, r := range rows {
		csv = rowfile.AppendRow(csv, r.cells)
		p, err := w.Add(r.cells)
		if err != nil {
			b.t.Fatal(err)
		}
		addPiece(p)
		if i%100 == 99 { // several pieces even for small chunks
			addPiece(w.Close())
		}
		manifest.Rows = append(manifest.Rows, &flowv1.ManifestRow{Records: r.records})
		records += len(r.records)
		carriesVersions = carriesVersions || r.records[0].GetVersion() != nil
	}
	addPiece(w.Close())
	c.csv = string(csv)
	said := map[string]any{
		"chunk": c.id, "pipeline": name, "revision": 1, "kind": kind, "org": testOrg, "object": s.object, "operation": s.operation,
		"external_id_field": s.key, "space": s.space, "lane": lane, "header": s.header, "rows": len(rows), "records": records,
		"bytes": len(csv), "manifest": rowfile.EncodeManifest(manifest), "first_seq": 1,
	}
	if schema == "extractor" {
		said["versioned"] = carriesVersions
	}
	b.insert(schema, "chunks", said)
	return c
}

// accept puts records into the extractor's index, as part of a chunk.
func (b *bench) accept(chunk uuid.UUID, rows ...row) {
	b.t.Helper()
	b.acceptFor(accounts, chunk, rows...)
}

func (b *bench) acceptFor(name string, chunk uuid.UUID, rows ...row) {
	b.t.Helper()
	for i, r := range rows {
		for _, e := range r.records {
			b.insert("extractor", "records", map[string]any{
				"pipeline_id": ask[int](b, `SELECT id FROM extractor.pipelines WHERE name = $1`, name), "idx": e.Idx, "row": i, "seq": e.Seq,
				"key_hash": uuid.UUID(e.KeyHash), "entity_hash": uuid.UUID(record.HashEntity(testSpace, record.FoldKey(r.cells[0]))), "chunk": chunk, "columns": e.Columns,
				"version": e.Version,
			})
		}
	}
}

func (b *bench) note(chunks ...sealed) {
	b.t.Helper()
	for _, c := range chunks {
		if _, err := b.store.Note(b.t.Context(), c.id); err != nil {
			b.t.Fatal(err)
		}
	}
}

// turns lets a runner claim and work until there is nothing to claim, at most limit rounds, and says how many submissions it worked on.
func (b *bench) turns(r *Runner, limit int) int {
	b.t.Helper()
	n := 0
	for range limit {
		works, err := r.Claim(b.t.Context(), 16)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(works) == 0 {
			break
		}
		for _, w := range works {
			n++
			r.Drive(b.t.Context(), w)
		}
	}
	return n
}

// untilSubmitted works until the chunk is handed over.
func (b *bench) untilSubmitted(r *Runner, c sealed) {
	b.t.Helper()
	for range 60 {
		if b.stage(c) == StageSubmitted {
			return
		}
		b.turns(r, 1)
	}
	b.t.Fatalf("chunk is %s, want submitted: %s %s", b.stage(c), b.text(c, "last_error"), b.text(c, "waiting_for"))
}

func (b *bench) stage(c sealed) Stage {
	b.t.Helper()
	return Stage(b.text(c, "state"))
}

func (b *bench) text(c sealed, column string) string {
	b.t.Helper()
	return ask[string](b, `SELECT `+column+` FROM submitter.submissions WHERE chunk = $1`, c.id)
}

// reconcile writes the outcome that the reconciler would, with all rows landed, and tells of it.
func (b *bench) reconcile(c sealed) {
	b.t.Helper()
	b.outcome(c, strings.Repeat("l", strings.Count(c.csv, "\n")-1))
	b.end(c)
}

// outcome writes the outcome row of a chunk, a letter a row.
func (b *bench) outcome(c sealed, states string) {
	b.t.Helper()
	b.insert("reconciler", "outcomes", map[string]any{
		"chunk": c.id, "pipeline": accounts, "org": testOrg, "job_state": "JobComplete", "rows": len(states), "row_states": []byte(states),
		"landed": strings.Count(states, "l"), "failed": strings.Count(states, "f"), "unprocessed": strings.Count(states, "u"), "superseded": strings.Count(states, "s"),
	})
	// The sealers drop the rows of what is reconciled.
	b.exec(`UPDATE extractor.chunks SET reconciled_at = now() WHERE chunk = $1`, c.id)
	b.exec(`UPDATE retrier.chunks SET reconciled_at = now() WHERE chunk = $1`, c.id)
}

// insert puts a row into a table of another service. Columns that are not given and must be are filled with an empty value, and the
// table's checks are taken away: what that service keeps and checks for itself is no matter here, its view is.
func (b *bench) insert(schema, table string, values map[string]any) {
	b.t.Helper()
	b.exec(fmt.Sprintf(`DO $$ DECLARE c record; BEGIN
		FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = '%[1]s.%[2]s'::regclass AND contype = 'c' AND conislocal LOOP
			EXECUTE format('ALTER TABLE %[1]s.%[2]s DROP CONSTRAINT %%I', c.conname);
		END LOOP; END $$`, schema, table))
	rows, err := b.admin.Query(b.t.Context(), `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = $1 AND table_name = $2 AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'`, schema, table)
	if err != nil {
		b.t.Fatal(err)
	}
	empty := map[string]any{
		"text": "", "integer": 0, "bigint": 0, "smallint": 0, "bytea": []byte{}, "boolean": false, "timestamp with time zone": time.Now(),
		"uuid": uuid.Nil, "ARRAY": []string{}, "jsonb": []byte("{}"),
	}
	var name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error {
		if _, given := values[name]; !given {
			values[name] = empty[kind]
		}
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	var names, places []string
	var args []any
	for n, v := range values {
		names, args = append(names, n), append(args, v)
		places = append(places, fmt.Sprintf("$%d", len(args)))
	}
	b.exec(fmt.Sprintf("INSERT INTO %s.%s (%s) VALUES (%s)", schema, table, strings.Join(names, ", "), strings.Join(places, ", ")), args...)
}

func (b *bench) end(c sealed) []store.Ended {
	b.t.Helper()
	ended, err := b.store.End(b.t.Context(), c.id)
	if err != nil {
		b.t.Fatal(err)
	}
	return ended
}

func (b *bench) holder(lane int) uuid.NullUUID {
	b.t.Helper()
	return ask[uuid.NullUUID](b, `SELECT holder FROM submitter.lanes WHERE space = $1 AND lane = $2`, testSpace, lane)
}

// closedJobs are the jobs whose close had its effect.
func (b *bench) closedJobs() []simtest.Job {
	b.t.Helper()
	var out []simtest.Job
	for _, j := range b.sim.Jobs() {
		if j.Closed {
			out = append(out, j)
		}
	}
	return out
}

// landedOnce checks what must hold when chunks were handed over, whatever happened before: each has exactly one job that was ever closed, the one
// that the ledger says, announced before, holding exactly what was sealed; and each row landed once.
func (b *bench) landedOnce(chunks ...sealed) {
	b.t.Helper()
	closed := b.closedJobs()
	if len(closed) != len(chunks) {
		b.t.Fatalf("%d jobs were closed for %d chunks: %+v", len(closed), len(chunks), closed)
	}
	for _, c := range chunks {
		job := b.text(c, "job_id")
		if got := b.stage(c); got != StageSubmitted {
			b.t.Errorf("chunk is %s, want submitted", got)
		}
		found := false
		for _, j := range closed {
			if j.ID == job {
				found = true
				b.sim.AwaitJob(j.ID, "finished")
				if got := string(b.sim.UploadOf(j.ID)); got != c.csv {
					b.t.Errorf("job %s holds %q, want %q", j.ID, cut(got), cut(c.csv))
				}
			}
		}
		if !found {
			b.t.Errorf("the ledger's job %s is not among the closed ones", job)
		}
		if !b.announced(c.id, job) {
			b.t.Errorf("job_bound of %s was never acknowledged", job)
		}
		if n := ask[int](b, `SELECT count(*) FROM submitter.outbox WHERE subject = 'flow.accounts.job_submitted' AND position($1::bytea in body) > 0`, []byte(job)); n != 1 {
			b.t.Errorf("job_submitted of %s stands %d times in the outbox, want once", job, n)
		}
		if n := ask[int](b, `SELECT count(*) FROM submitter.jobs WHERE chunk = $1 AND state = 'bound'`, c.id); n != 1 {
			b.t.Errorf("%d bound jobs of the chunk in the ledger, want 1", n)
		}
	}
	for _, r := range b.sim.Records("Account", true) {
		if len(r.Versions) != 1 {
			b.t.Errorf("record %s has %d versions, want 1", r.Fields["External_Id__c"], len(r.Versions))
		}
	}
}

func cut(s string) string { return s[:min(len(s), 200)] }

// interrupter ends a context, or does anything else, at the nth place that is reached.
type interrupter struct {
	mu   sync.Mutex
	n    int
	seen int
	what string
	do   func()
}

func (i *interrupter) at(what string) {
	i.mu.Lock()
	i.seen++
	hit := i.seen == i.n
	if hit {
		i.what = what
	}
	i.mu.Unlock()
	if hit {
		i.do()
	}
}

var errNoBroker = errors.New("no broker")

func testLogger(t *testing.T) *slog.Logger { return testkit.Logger(t) }

// noOrgs knows no org.
type noOrgs struct{}

func (noOrgs) Org(context.Context, string) (Org, error) { return nil, errors.New("no such org") }

func (noOrgs) PinnedID(context.Context, string) (string, error) { return "", nil }

func (noOrgs) ReportsOrphans(context.Context, string) (bool, error) {
	return true, errors.New("no such org")
}

// quoted are the texts in single quotes.
func quoted(s string) []string {
	var out []string
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part)
		}
	}
	return out
}
