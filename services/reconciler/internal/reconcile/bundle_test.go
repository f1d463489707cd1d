package reconcile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/reconciler/internal/reconcile"
	"bulkhead/services/reconciler/internal/store"
)

const (
	pipelineName = "accounts"
	space        = "main/Account/External_Id__c"
)

// header is the chunks' header; its columns have the ordinals 0 to 3 in the extractor's list.
var header = []string{"External_Id__c", "Name", "Phone", "Account.External_Id__c"}

// rec is one record of a row.
type rec struct {
	key, run, body string
	generation     int
	attempts       int
	failureID      int64
	letterID       uuid.UUID
	place          record.Place // set by publish; a resend gives that of its first try
}

// row is one row of a chunk: its cells in the order of header, and the records merged in it (nil: one, named after the external id).
type row struct {
	cells   []string
	records []rec
}

// account is a row that the simulated org takes.
func accountRow(id string) row { return row{cells: []string{id, "Name of " + id, "", ""}} }

func accountRows(prefix string, n int) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = accountRow(fmt.Sprintf("%s-%d", prefix, i))
	}
	return rows
}

// bundle is a reconciler with everything around it that it reads: ledger, broker, org, and a clock that the test moves.
type bundle struct {
	t       testing.TB
	admin   pg.DB
	store   *store.Store
	natsURL string
	conn    *bus.Conn
	sim     *simtest.Sim
	client  *salesforce.Client
	now     time.Time
	waits   record.Waits
	jobs    int  // scripted so far
	form    form // of the chunks that are sealed from now on
}

// form is what a chunk's definition says of it.
type form struct {
	operation, key, space string
	header                []string
	ambiguous             bool   // its records were sent before, to an unknown end
	version               []byte // of each record
}

// The forms of the tests.
var (
	upserts   = form{operation: "upsert", key: "External_Id__c", space: space, header: header}
	inserts   = form{operation: "insert", key: "External_Id__c", space: space, header: header}
	blind     = form{operation: "insert", space: "main/Account/content-accounts:exact", header: header}
	updates   = form{operation: "update", key: "Id", space: "main/Account/Id:exact", header: []string{"Id", "Name", "Phone"}}
	updatesBy = form{operation: "update", key: "External_Id__c", space: space, header: header}
	deletes   = form{operation: "delete", key: "Id", space: "main/Account/Id:exact", header: []string{"Id"}}
	deletesBy = form{operation: "delete", key: "External_Id__c", space: space, header: []string{"External_Id__c"}}
)

// again is a form of rows that were sent before, to an unknown end.
func (f form) again() form {
	f.ambiguous = true
	return f
}

func setup(t testing.TB, options ...simtest.Option) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	b := &bundle{
		t: t, admin: db.AdminPool(t), store: store.New(db.Pool(t, "reconciler")), natsURL: testkit.NATS(t).URL(), sim: simtest.Start(t, options...),
		now: time.Now().UTC().Truncate(time.Millisecond), waits: record.DefaultWaits(), form: upserts,
	}
	b.connect()
	b.client = b.clientOf(b.sim.URL, b.sim.ClientID, b.sim.Secret)
	b.makeRecords()
	b.exec(`INSERT INTO extractor.pipelines (name) VALUES ($1)`, pipelineName)
	for i, name := range header {
		b.exec(`INSERT INTO extractor.columns (pipeline_id, ordinal, name) SELECT id, $1, $2 FROM extractor.pipelines`, i, name)
	}
	return b
}

// makeRecords makes the stream of the pipeline, and has the extractor read it.
func (b *bundle) makeRecords() {
	b.t.Helper()
	if err := bus.EnsureRecords(b.t.Context(), b.conn, pipelineName, bus.Limits{}); err != nil {
		b.t.Fatal(err)
	}
	info, err := bus.Info(b.t.Context(), b.conn, bus.RecordsStream(pipelineName))
	if err != nil {
		b.t.Fatal(err)
	}
	b.exec(`INSERT INTO extractor.readers (pipeline, incarnation) VALUES ($1, $2)`, pipelineName, info.Incarnation)
}

func (b *bundle) clientOf(url, id, secret string) *salesforce.Client {
	b.t.Helper()
	c, err := salesforce.New(salesforce.Config{
		LoginURL: url, ClientID: id, ClientSecret: func() (string, error) { return secret, nil }, AllowInsecureLoopback: true,
		Retry: salesforce.Retry{Tries: 1},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// reconciler returns one on the bundle's parts.
func (b *bundle) reconciler(change ...func(*reconcile.Config)) *reconcile.Reconciler {
	c := reconcile.Config{
		Store: b.store, Streams: streams{b.conn}, Owner: "one", Waits: b.waits, Clock: func(context.Context) (time.Time, error) { return b.now, nil }, Now: func() time.Time { return b.now },
		Random: func() float64 { return 0.5 }, Logger: testkit.Logger(b.t),
		Org: func(context.Context, string) (reconcile.Org, error) { return b.client, nil },
	}
	for _, f := range change {
		f(&c)
	}
	return reconcile.New(c)
}

type streams struct{ conn *bus.Conn }

func (s streams) Info(ctx context.Context, stream string) (bus.StreamInfo, error) {
	return bus.Info(ctx, s.conn, stream)
}

func (s streams) LettersSince(ctx context.Context) (time.Time, error) {
	return bus.LettersSince(ctx, s.conn)
}

func (s streams) GetMany(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error) {
	return bus.GetMany(ctx, s.conn, stream, seqs)
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.admin.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

func one[T any](b *bundle, sql string, args ...any) T {
	b.t.Helper()
	var v T
	if err := b.admin.QueryRow(b.t.Context(), sql, args...).Scan(&v); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// sealed is a chunk as a test made it.
type sealed struct {
	b      *bundle
	id     uuid.UUID
	kind   string
	rows   []row
	pieces [][]byte
	jobID  string
	form   form
	rowIDs []string // of rows that were named by another field: their ids; "" = not sent
}

// seal publishes the records of fresh rows in one frame and stores the chunk as its service would.
func (b *bundle) seal(kind string, rows []row) *sealed {
	b.t.Helper()
	c := &sealed{b: b, id: uuid.New(), kind: kind, rows: rows, form: b.form}
	for i := range rows {
		if rows[i].records == nil {
			rows[i].records = []rec{{key: rows[i].cells[0]}}
		}
		for j := range rows[i].records {
			if r := &rows[i].records[j]; r.body == "" {
				r.body = fmt.Sprintf(`{"id": %q, "n":%d}`, rows[i].cells[0], j)
			}
		}
	}
	if kind == record.ChunkFresh {
		b.publish(rows)
	}
	manifest := &flowv1.Manifest{}
	w := rowfile.NewWriter(b.form.header)
	runs := map[string]int{}
	records := 0
	for _, r := range rows {
		piece, err := w.Add(r.cells)
		if err != nil {
			b.t.Fatal(err)
		}
		if piece != nil {
			c.pieces = append(c.pieces, piece.Data)
		}
		mr := &flowv1.ManifestRow{}
		for _, e := range r.records {
			run := slices.Index(manifest.GetRuns(), e.run)
			if run < 0 {
				run = len(manifest.GetRuns())
				manifest.Runs = append(manifest.Runs, e.run)
			}
			runs[e.run]++
			records++
			hash := record.HashKey(pipelineName, e.key)
			entry := &flowv1.ManifestEntry{
				Key: e.key, KeyHash: hash[:], Seq: e.place.Seq, Idx: e.place.Idx, Run: uint32(run), Columns: []byte{7},
				Generation: uint32(e.generation), Attempts: uint32(e.attempts), FailureId: e.failureID, AcceptedAt: b.now.UnixMicro(),
				Ambiguous: b.form.ambiguous, Version: b.form.version,
			}
			if e.letterID != uuid.Nil {
				entry.LetterId = e.letterID[:]
			}
			mr.Records = append(mr.Records, entry)
		}
		manifest.Rows = append(manifest.Rows, mr)
	}
	if piece := w.Close(); piece != nil {
		c.pieces = append(c.pieces, piece.Data)
	}
	schema := "extractor"
	if kind == record.ChunkResend {
		schema = "retrier"
	}
	b.exec(`INSERT INTO `+schema+`.chunks (chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records,
			bytes, manifest, first_seq, traceparent)
		VALUES ($1, $2, 3, $3, 'main', 'Account', $10, $11, $4, 1, $5, $6, $7, $8, $9, 1, 'tp')`,
		c.id, pipelineName, kind, b.form.space, b.form.header, len(rows), records, w.Bytes(), rowfile.EncodeManifest(manifest), b.form.operation, b.form.key)
	for run, n := range runs {
		b.exec(`INSERT INTO `+schema+`.chunk_runs (chunk, pipeline, run, kind, records) VALUES ($1, $2, $3, $4, $5)`, c.id, pipelineName, run, kind, n)
	}
	for i, p := range c.pieces {
		b.exec(`INSERT INTO `+schema+`.pieces (chunk, n, rows, data) VALUES ($1, $2, 0, $3)`, c.id, i, p)
	}
	return c
}

// publish puts the rows' records into RECORDS as frames and notes their places.
func (b *bundle) publish(rows []row) {
	b.t.Helper()
	var frame bytes.Buffer
	var inside []*rec
	flush := func() {
		if len(inside) == 0 {
			return
		}
		err := bus.Publish(b.t.Context(), b.conn, bus.Message{
			Subject: bus.RecordsSubject(pipelineName), Headers: map[string]string{bus.HeaderContentType: bus.TypeNDJSON}, Body: frame.Bytes(),
		})
		if err != nil {
			b.t.Fatal(err)
		}
		info, err := bus.Info(b.t.Context(), b.conn, bus.RecordsStream(pipelineName))
		if err != nil {
			b.t.Fatal(err)
		}
		for i, r := range inside {
			r.place = record.Place{Seq: info.Last, Idx: uint32(i)}
		}
		frame.Reset()
		inside = nil
	}
	for i := range rows {
		for j := range rows[i].records {
			r := &rows[i].records[j]
			frame.WriteString(r.body + "\n")
			if inside = append(inside, r); len(inside) == 100 {
				flush()
			}
		}
	}
	flush()
}

// send runs the chunk's job on the simulated org to its end, without the rows left out, and puts what submitter and poller would know of it
// into their ledgers.
func (c *sealed) send(leftOut ...int) *sealed {
	c.b.t.Helper()
	c.jobID = c.job(leftOut...)
	state := c.b.sim.AwaitJob(c.jobID, "finished")
	info, err := c.b.client.Job(c.b.t.Context(), c.jobID)
	if err != nil {
		c.b.t.Fatalf("job %s, %s: %v", c.jobID, state.State, err)
	}
	c.submitted(len(c.rows) - len(leftOut))
	c.watched("finished", info.State, info.Processed, info.Failed, info.ErrorMessage)
	return c
}

// job creates, uploads and closes.
func (c *sealed) job(leftOut ...int) string {
	c.b.t.Helper()
	ctx := c.b.t.Context()
	head, byID := c.form.header, len(c.rowIDs) > 0
	if byID {
		head = append([]string{"Id"}, head[1:]...)
	}
	csv := rowfile.AppendRow(nil, head)
	for i, r := range c.rows {
		cells := r.cells
		if byID {
			cells = append([]string{c.rowIDs[i]}, cells[1:]...)
		}
		if !slices.Contains(leftOut, i) && (!byID || cells[0] != "") {
			csv = rowfile.AppendRow(csv, cells)
		}
	}
	// Accounts have no such relationship: the column is there for rows of other objects and goes out when nothing is in it.
	if len(head) == len(header) && !bytes.Contains(csv, []byte("parent-")) {
		csv = bytes.ReplaceAll(csv, []byte(",\n"), []byte("\n"))
		csv = bytes.Replace(csv, []byte(",Account.External_Id__c\n"), []byte("\n"), 1)
	}
	spec := salesforce.JobSpec{Object: "Account", Operation: c.form.operation}
	if c.form.operation == "upsert" {
		spec.ExternalIDField = c.form.key
	}
	job, err := c.b.client.CreateJob(ctx, spec)
	if err == nil {
		err = c.b.client.Upload(ctx, job.ID, int64(len(csv)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(csv)), nil })
	}
	if err == nil {
		_, err = c.b.client.CloseJob(ctx, job.ID)
	}
	if err != nil {
		c.b.t.Fatal(err)
	}
	return job.ID
}

func (c *sealed) submitted(rows int) {
	c.b.t.Helper()
	c.b.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id, upload_rows, submitted_at)
		VALUES ($1, $2, 3, $3, 'main', $4, 1, 1, 'submitted', $5, $6, now())`, c.id, pipelineName, c.kind, c.form.space, c.jobID, rows)
}

func (c *sealed) watched(state, jobState string, processed, failed int64, message string) {
	c.b.t.Helper()
	c.b.exec(`INSERT INTO poller.watches (chunk, pipeline, org, job_id, rows, state, submitted_at, next_look_at, job_state, processed, failed, error_message, finished_at)
		VALUES ($1, $2, 'main', $3, $4, $5, now(), now(), $6, $7, $8, $9, now())`,
		c.id, pipelineName, c.jobID, len(c.rows), state, jobState, processed, failed, message)
}

func (c *sealed) superseded(rows ...int) {
	c.b.t.Helper()
	for _, r := range rows {
		for i, e := range c.rows[r].records {
			c.b.exec(`INSERT INTO submitter.superseded (chunk, row, record, pipeline, run, key_hash, generation, successor_key_hash, successor_seq, successor_idx)
				VALUES ($1, $2, $3, $4, $5, $6, 0, $6, 99, 0)`, c.id, r, i, pipelineName, e.run, uuid.UUID(record.HashKey(pipelineName, e.key)))
		}
	}
}

func (b *bundle) note(r *reconcile.Reconciler) {
	b.t.Helper()
	if _, err := r.Note(b.t.Context(), uuid.NullUUID{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) pass(r *reconcile.Reconciler) int {
	b.t.Helper()
	n, err := r.Pass(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// run notes and passes, moving the clock to whatever is due next, until nothing is left to read or the clock has gone on for as long as
// given. It returns how many reads it took.
func (b *bundle) run(r *reconcile.Reconciler, most time.Duration) (reads int) {
	b.t.Helper()
	b.note(r)
	for end := b.now.Add(most); ; {
		for n := b.pass(r); n > 0; n = b.pass(r) {
			reads += n
		}
		wait, something, err := r.NextDue(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if !something || b.now.Add(wait).After(end) {
			return reads
		}
		b.now = b.now.Add(wait + time.Millisecond)
	}
}

// outcome is what the ledger says of a chunk.
type outcome struct {
	Rows, Landed, Failed, Unprocessed, Missing, Superseded, Created int
	States, Standing                                                string
	IDs                                                             []byte
}

func (c *sealed) outcome() outcome {
	c.b.t.Helper()
	var o outcome
	var states []byte
	err := c.b.admin.QueryRow(c.b.t.Context(), `SELECT rows, landed, failed, unprocessed, missing, superseded, created_rows, row_states, row_ids, standing
		FROM reconciler_pub.outcomes WHERE chunk = $1`, c.id).Scan(&o.Rows, &o.Landed, &o.Failed, &o.Unprocessed, &o.Missing, &o.Superseded,
		&o.Created, &states, &o.IDs, &o.Standing)
	if err != nil {
		c.b.t.Fatalf("outcome of the chunk, whose work is %v: %v", c.work(), err)
	}
	o.States = string(states)
	// Whatever else a test looks at: what leaves "in flight" is all that was in it.
	sent := one[int](c.b, `SELECT sum(records)::int FROM (SELECT chunk, records FROM extractor.chunk_runs UNION ALL SELECT chunk, records FROM retrier.chunk_runs) r WHERE chunk = $1`, c.id)
	left := one[int](c.b, `SELECT sum(landed + dead + retrying + waiting_for_parent + unresolved + superseded)::int FROM reconciler_pub.outcome_runs WHERE chunk = $1`, c.id)
	if sent != left {
		c.b.t.Fatalf("%d records were in flight, %d left", sent, left)
	}
	return o
}

func (c *sealed) hasOutcome() bool {
	c.b.t.Helper()
	return one[bool](c.b, `SELECT EXISTS (SELECT FROM reconciler.outcomes WHERE chunk = $1)`, c.id)
}

// work is the state of the chunk's work, and what it says of itself.
func (c *sealed) work() map[string]any {
	c.b.t.Helper()
	return one[map[string]any](c.b, `SELECT coalesce((SELECT to_jsonb(w) - 'last_digest' FROM reconciler.work w WHERE chunk = $1), '{}')`, c.id)
}

// transfers are one run's row, as JSON numbers by term.
func (c *sealed) transfers(run string) map[string]any {
	c.b.t.Helper()
	return one[map[string]any](c.b, `SELECT to_jsonb(r) - 'chunk' - 'pipeline' - 'run' FROM reconciler_pub.outcome_runs r WHERE chunk = $1 AND run = $2`, c.id, run)
}

// failure is a failure of the ledger.
type failure struct {
	ID                                                                int64
	Row, Record, Attempt, Generation                                  int
	Key, Run, Entity, Outcome, Class, Code, Message, Disposition, Pay string
	Fields, Header, Cells                                             []string
	LetterID                                                          uuid.NullUUID
	Attempts                                                          []bus.LetterAttempt
	Ambiguous                                                         bool
	Version                                                           []byte
	SfID                                                              string
}

func (c *sealed) failures() []failure {
	c.b.t.Helper()
	rows, err := c.b.admin.Query(c.b.t.Context(), `SELECT id, row, record, attempt, generation, key, run, entity, outcome, class, code, message, disposition,
		convert_from(payload, 'UTF8'), fields, header, cells, letter_id, attempts, ambiguous, version, sf_id FROM reconciler_pub.failures WHERE chunk = $1 ORDER BY row, record`, c.id)
	if err != nil {
		c.b.t.Fatal(err)
	}
	defer rows.Close()
	var out []failure
	for rows.Next() {
		var f failure
		var attempts []byte
		if err := rows.Scan(&f.ID, &f.Row, &f.Record, &f.Attempt, &f.Generation, &f.Key, &f.Run, &f.Entity, &f.Outcome, &f.Class, &f.Code, &f.Message,
			&f.Disposition, &f.Pay, &f.Fields, &f.Header, &f.Cells, &f.LetterID, &attempts, &f.Ambiguous, &f.Version, &f.SfID); err != nil {
			c.b.t.Fatal(err)
		}
		if err := json.Unmarshal(attempts, &f.Attempts); err != nil {
			c.b.t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// letters are the dead letters in the outbox.
func (b *bundle) letters() []bus.DeadLetter {
	b.t.Helper()
	var out []bus.DeadLetter
	for _, m := range b.outbox("dlq.") {
		l, err := bus.ParseDeadLetter(m)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// facts are the chunk_reconciled facts in the outbox.
func (b *bundle) facts() []*flowv1.Envelope {
	b.t.Helper()
	var out []*flowv1.Envelope
	for _, m := range b.outbox("flow.") {
		e, err := bus.ParseEnvelope(m)
		if err != nil || e.GetChunkReconciled() == nil {
			b.t.Fatalf("%v: %v", e, err)
		}
		out = append(out, e)
	}
	return out
}

func (b *bundle) outbox(prefix string) [][]byte {
	b.t.Helper()
	rows, err := b.admin.Query(b.t.Context(), `SELECT subject, body FROM reconciler.outbox ORDER BY id`)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var subject string
		var body []byte
		if err := rows.Scan(&subject, &body); err != nil {
			b.t.Fatal(err)
		}
		if strings.HasPrefix(subject, prefix) {
			out = append(out, body)
		}
	}
	return out
}

// pauses are the pauses that were made, "class code" each.
func (b *bundle) pauses() []string {
	b.t.Helper()
	return one[[]string](b, `SELECT coalesce(array_agg(class || ' ' || code ORDER BY since), '{}') FROM reconciler_pub.pauses`)
}

// lift lifts all pauses, as an operator does.
func (b *bundle) lift() {
	b.t.Helper()
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) SELECT id, 'tester', 'test' FROM reconciler.pauses ON CONFLICT DO NOTHING`)
}

// rowFault makes rows with these keys fail.
func (b *bundle) rowFault(text string, keys ...string) string {
	b.t.Helper()
	return b.sim.AddFault(simtest.Fault{
		Times: simtest.Times(0), Where: &simtest.Where{Keys: keys}, Effect: simtest.Effect{Kind: simtest.RowError, Error: text},
	})
}

// remake makes the stream of the pipeline again, with other messages under the same numbers.
func (b *bundle) remake() {
	b.t.Helper()
	if err := bus.EnsureRecords(b.t.Context(), b.conn, pipelineName, bus.Limits{}); err != nil {
		b.t.Fatal(err)
	}
	b.fill()
}

// fill publishes messages of several other records each.
func (b *bundle) fill() {
	b.t.Helper()
	for range 10 {
		if err := bus.Publish(b.t.Context(), b.conn, bus.Message{
			Subject: bus.RecordsSubject(pipelineName), Headers: map[string]string{bus.HeaderContentType: bus.TypeNDJSON}, Body: []byte(strings.Repeat(`{"another":"record"}`+"\n", 4)),
		}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// fragile makes the stream again, as one of which single messages can be taken.
func (b *bundle) fragile() jetstream.Stream {
	b.t.Helper()
	s, err := b.conn.JS.Stream(b.t.Context(), bus.RecordsStream(pipelineName))
	if err != nil {
		b.t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.DenyDelete = false
	if err := b.conn.JS.DeleteStream(b.t.Context(), c.Name); err != nil {
		b.t.Fatal(err)
	}
	if s, err = b.conn.JS.CreateStream(b.t.Context(), c); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// connect opens a connection to the broker, the first or another one.
func (b *bundle) connect() {
	b.t.Helper()
	conn, err := bus.Connect(b.natsURL, bus.ConnectOptions{Name: "test", Logger: testkit.Logger(b.t)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(conn.Close)
	b.conn = conn
}

// noChunk asks for all chunks.

func id18(id string) (string, error) { return salesforce.ID18(id) }
