package retry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/retrier/internal/store"
)

// ledger is a database in which the other services' rows are written by the test.
type ledger struct {
	t     testing.TB
	admin pg.DB
	store *store.Store
	defs  fakeDefinitions
	dlq   *fakeStreams
	clock *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Ledger is the clock as the passes ask the ledger for it.
func (c *clock) Ledger(context.Context) (time.Time, error) { return c.Now(), nil }

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type fakeDefinitions map[string]*pipeline.Definition

func (f fakeDefinitions) Definition(_ context.Context, name string, revision int) (*pipeline.Definition, error) {
	d, ok := f[fmt.Sprintf("%s/%d", name, revision)]
	if !ok {
		return nil, fmt.Errorf("no revision %d of %s", revision, name)
	}
	return d, nil
}

type fakeStreams struct{ made time.Time }

func (f *fakeStreams) LettersSince(context.Context) (time.Time, error) {
	return f.made, nil
}

const contactsYAML = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: email, to: Email, type: string}
  - {from: phone, to: Phone, type: string}
lanes: 2
chunk: {rows: %d, bytes: 50MB, age: 10s}
retry: {preset: default}
`

func definition(t testing.TB, revision, rows int) *pipeline.Definition {
	t.Helper()
	d, _, err := pipeline.ParseDefinition(fmt.Appendf(nil, contactsYAML, rows))
	if err != nil {
		t.Fatal(err)
	}
	d.Revision = revision
	return d
}

// operations are the pipeline contacts with another operation, by revision.
var operations = map[int]string{
	3: "operation: insert\ncorrelation: content\nkey: [event]\nmap:\n  - {from: email, to: Email, type: string}\n  - {from: phone, to: Phone, type: string}\n",
	4: "operation: insert\ncorrelation: External_Id__c\nkey: [event]\nmap:\n  - {from: id, to: External_Id__c, type: string, required: true}\n  - {from: email, to: Email, type: string}\n",
	5: "operation: update\nexternalId: Id\nmap:\n  - {from: id, to: Id, type: id, required: true}\n  - {from: email, to: Email, type: string}\n  - {from: phone, to: Phone, type: string}\n",
	6: "operation: update\nexternalId: External_Id__c\nmap:\n  - {from: email, to: Email, type: string}\n  - {from: id, to: External_Id__c, type: string, required: true}\n",
	7: "operation: delete\nexternalId: External_Id__c\nmap:\n  - {from: id, to: External_Id__c, type: string, required: true}\n",
	8: "operation: upsert\nexternalId: External_Id__c\nversion: at\nunknownMembers: ignore\nmap:\n  - {from: id, to: External_Id__c, type: string, required: true}\n  - {from: email, to: Email, type: string}\n  - {from: phone, to: Phone, type: string}\n",
}

func operation(t testing.TB, revision int) *pipeline.Definition {
	t.Helper()
	text := "apiVersion: bulkhead/v1\nkind: Pipeline\nname: contacts\norg: main\nobject: Contact\nlanes: 2\nchunk: {rows: 1000, bytes: 50MB, age: 10s}\n"
	d, _, err := pipeline.ParseDefinition([]byte(text + operations[revision]))
	if err != nil {
		t.Fatal(err)
	}
	d.Revision = revision
	return d
}

func newLedger(t testing.TB) *ledger {
	t.Helper()
	db := testkit.NewLedger(t)
	l := &ledger{
		t: t, admin: db.AdminPool(t), store: store.New(db.Pool(t, "retrier")),
		defs:  fakeDefinitions{"contacts/1": definition(t, 1, 1000), "contacts/2": definition(t, 2, 1000)},
		dlq:   &fakeStreams{made: noon},
		clock: &clock{now: noon},
	}
	for revision := range operations {
		l.defs[fmt.Sprint("contacts/", revision)] = operation(t, revision)
	}
	l.exec(`INSERT INTO extractor.pipelines (name) VALUES ('contacts')`)
	for i, column := range []string{"External_Id__c", "Email", "Phone", "Id"} {
		l.exec(`INSERT INTO extractor.columns (pipeline_id, ordinal, name) SELECT id, $1, $2 FROM extractor.pipelines`, i, column)
	}
	return l
}

// passes are those of one instance, with a jitter that is always half.
func (l *ledger) passes() *Passes {
	return New(Config{
		Store: l.store, Definitions: l.defs, Streams: l.dlq, Logger: testkit.Logger(l.t), Clock: l.clock.Ledger,
		Random: func() float64 { return 0.5 }, Gather: time.Millisecond,
	})
}

func (l *ledger) exec(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.admin.Exec(l.t.Context(), sql, args...); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
}

func (l *ledger) count(sql string, args ...any) int {
	l.t.Helper()
	var n int
	if err := l.admin.QueryRow(l.t.Context(), sql, args...).Scan(&n); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// failing is one failed record of a chunk.
type failing struct {
	row, record int
	key, entity string
	seq         int
	class, code string
	outcome     string // default failed
	attempt     int    // default 1
	generation  int
	disposition string // default retry
	revision    int    // default 1
	lane        int
	columns     []int // default all
	run         string
	email       string // that the record names; default the row's
	lost        bool   // its payload
	ambiguous   bool
	version     record.Version
}

func (f failing) payload() []byte {
	if f.lost {
		return []byte{}
	}
	members := []string{`"id":"` + f.entity + `"`}
	if slices.Contains(f.columns, 1) {
		members = append(members, `"email":"`+cmp.Or(f.email, f.entity+"@x.example")+`"`)
	}
	if slices.Contains(f.columns, 2) {
		members = append(members, `"phone":"555"`)
	}
	return []byte("{" + strings.Join(members, ",") + "}")
}

// reconciled writes the outcome of a chunk with these failures, as the reconciler does. It returns their ids, in order.
func (l *ledger) reconciled(chunk uuid.UUID, failures ...failing) []int64 {
	l.t.Helper()
	seen := map[int]bool{}
	for _, f := range failures {
		seen[f.row] = true
	}
	l.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
		VALUES ($1, 'contacts', 'main', $2, 'JobComplete', $3, 0, $3, 0, 0, 0, $4, $5, 0, 'works')`,
		chunk, "750"+chunk.String()[:12], len(seen), bytes.Repeat([]byte("f"), len(seen)), make([]byte, 18*len(seen)))
	runs := map[string][4]int{}
	var ids []int64
	for _, f := range failures {
		if f.outcome == "" {
			f.outcome = "failed"
		}
		if f.attempt == 0 {
			f.attempt = 1
		}
		if f.disposition == "" {
			f.disposition = "retry"
		}
		if f.revision == 0 {
			f.revision = 1
		}
		if f.columns == nil {
			f.columns = []int{0, 1, 2}
		}
		var bits record.Bitmap
		for _, n := range f.columns {
			bits.Set(n)
		}
		n := runs[f.run]
		switch {
		case f.disposition == "dead":
			n[2]++
		case f.disposition == "unresolved":
			n[3]++
		case f.class == "reference":
			n[1]++
		default:
			n[0]++
		}
		runs[f.run] = n
		var letter any
		switch f.disposition {
		case "dead":
			letter = uuid.UUID(record.LetterID("contacts", f.key, f.generation))
		case "unresolved":
			letter = uuid.UUID(record.UnresolvedID("contacts", f.key, f.generation, chunk))
		}
		definition := l.defs[fmt.Sprint("contacts/", f.revision)]
		cells := make([]string, len(definition.Header()))
		for i, column := range definition.Header() {
			cells[i] = map[string]string{"External_Id__c": f.entity, "Id": f.entity, "Email": f.entity + "@x.example", "Phone": "555"}[column]
		}
		var id int64
		err := l.admin.QueryRow(l.t.Context(), `INSERT INTO reconciler.failures
			(chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
			 attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts, ambiguous, version)
			VALUES ($1, $2, $3, 'contacts', $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, now(),
			 $14, $15, $16, $17, 'it failed', '{Email}', '', $18, $19, $23, $20, $21, $22, $24, $25) RETURNING id`,
			chunk, f.row, f.record, f.revision, f.lane, f.run, f.key, uuid.UUID(record.HashKey("contacts", f.key)), f.generation, f.entity,
			uuid.UUID(definition.EntityHash(f.entity)), f.seq, []byte(bits), f.attempt, f.outcome, f.class, f.code, f.disposition, letter,
			cells, f.payload(),
			fmt.Sprintf(`[{"n":%d,"chunk":"%s","job_id":"750000000000001","at":"2026-03-01T11:00:00Z","class":"%s","code":"%s","message":"it failed"}]`, f.attempt, chunk, f.class, f.code),
			definition.Header(), f.ambiguous, []byte(f.version),
		).Scan(&id)
		if err != nil {
			l.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for run, n := range runs {
		l.exec(`INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded)
			VALUES ($1, 'contacts', $2, 0, $3, $4, $5, $6, 0)`, chunk, run, n[2], n[0], n[1], n[3])
	}
	return ids
}

// ended writes the outcome of a resend chunk: everything landed.
func (l *ledger) ended(chunk uuid.UUID) {
	l.t.Helper()
	l.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
		SELECT chunk, pipeline, org, '750', 'JobComplete', rows, rows, 0, 0, 0, 0, convert_to(repeat('l', rows), 'UTF8'),
		       convert_to(repeat('x', 18 * rows), 'UTF8'), 0, 'works' FROM retrier.chunks WHERE chunk = $1`, chunk)
}

// ordered writes a letter that ops was told to replay, taken by the retrier.
func (l *ledger) ordered(key string, generation int, stage, state, taker string) uuid.UUID {
	l.t.Helper()
	id := uuid.UUID(record.LetterID("contacts", key, generation))
	l.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state, taker)
		VALUES ($1, 'contacts', 1, '', $2, $3, $4, 'e', 'data', 'X', 'm', '{}', $5, 'f', now(), $6, $7)`,
		id, key, uuid.UUID(record.HashKey("contacts", key)), generation, stage, state, taker)
	return id
}

// resolve writes what the reconciler made of a decision on an unresolved record.
func (l *ledger) resolve(failure int64, decision string) {
	l.t.Helper()
	l.exec(`INSERT INTO reconciler.resolutions (failure_id, letter_id, chunk, pipeline, run, key_hash, generation, decision, sf_id, reason, by)
		SELECT id, letter_id, chunk, pipeline, run, key_hash, generation, $2, '', 'not in the org', 'kim' FROM reconciler.failures WHERE id = $1`, failure, decision)
}

// sealed is what stands in a resend chunk.
type sealed struct {
	operation, keyField, space, csv string
	header                          []string
	entries                         [][]*flowv1.ManifestEntry // by row
}

func (l *ledger) sealed(chunk uuid.UUID) sealed {
	l.t.Helper()
	var (
		s              sealed
		manifest, data []byte
	)
	if err := l.admin.QueryRow(l.t.Context(), `SELECT c.operation, c.external_id_field, c.space, c.header, c.manifest, p.data
		FROM retrier.chunks c JOIN retrier.pieces p USING (chunk) WHERE c.chunk = $1`, chunk).Scan(&s.operation, &s.keyField, &s.space, &s.header, &manifest, &data); err != nil {
		l.t.Fatal(err)
	}
	raw, err := rowfile.DecodePiece(data)
	if err != nil {
		l.t.Fatal(err)
	}
	m, err := rowfile.DecodeManifest(manifest)
	if err != nil {
		l.t.Fatal(err)
	}
	s.csv = string(raw)
	for _, row := range m.GetRows() {
		s.entries = append(s.entries, row.GetRecords())
	}
	return s
}

func (l *ledger) openChunk() uuid.UUID {
	l.t.Helper()
	var id uuid.UUID
	if err := l.admin.QueryRow(l.t.Context(), `SELECT chunk FROM retrier.chunks WHERE reconciled_at IS NULL ORDER BY seal_no LIMIT 1`).Scan(&id); err != nil {
		l.t.Fatalf("no open resend chunk: %v", err)
	}
	return id
}

// keysOf are the keys in a chunk, row by row.
func (l *ledger) keysOf(chunk uuid.UUID) []string {
	l.t.Helper()
	rows, err := l.admin.Query(l.t.Context(), `SELECT f.key FROM retrier.resent r JOIN reconciler.failures f ON f.id = r.failure_id WHERE r.chunk = $1 ORDER BY r.row, r.record`, chunk)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, key)
	}
	return out
}
