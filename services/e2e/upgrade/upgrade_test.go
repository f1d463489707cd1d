// Package upgrade brings a ledger that the release before has filled to this release's schemas.
//
// What is tried here: the ledger alone, with statements of programs of the release before; and, with the tag `upgrade` (make upgrade), those programs themselves,
// built from their revision, beside today's.
//
// What always holds: no row changes its meaning by a migration; what the program of the release before writes during a rolling upgrade is read
// rightly; and each service's role may read every view of the schemas that it reads, and write nothing of another service.
package upgrade

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// first are the migrations of the release before: the first file of each service.
func first(t *testing.T) []pg.Migrations {
	t.Helper()
	var out []pg.Migrations
	for _, m := range testkit.AllMigrations(t) {
		const name = "migrations/00001_init.sql"
		text, err := fs.ReadFile(m.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, pg.Migrations{Service: m.Service, FS: fstest.MapFS{path.Clean(name): {Data: text}}})
	}
	return out
}

// fill is what programs of the release before leave: a fresh chunk with an outcome, one in flight, a replay of a letter, refused records of two
// generations, a record that waits, and a pipeline that stands.
const fill = `
INSERT INTO extractor.pipelines (name) VALUES ('contacts');
INSERT INTO extractor.columns (pipeline_id, ordinal, name) VALUES (1, 0, 'Ext__c');
INSERT INTO ops.orgs (name, yaml, applied_by) VALUES ('main', '', 'kim');
INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ('contacts', 1, '', '', 'kim');
INSERT INTO ops.actions (id, idempotency_key, kind, request_digest, reason, by, letters, skipped)
    VALUES (gen_random_uuid(), 'a', 'replay', '', 'repaired', 'kim', 1, 0);
INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
    VALUES ('00000000-0000-0000-0000-000000000001', 'contacts', 'main', 'j', 'JobComplete', 2, 1, 0, 0, 1, 0, 'lm', convert_to(repeat('0', 36), 'UTF8'), 0, 'works');
INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded)
    VALUES ('00000000-0000-0000-0000-000000000001', 'contacts', 'r', 1, 0, 1, 0, 0, 0);
INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
    attempt, outcome, class, code, message, fields, sf_id, disposition, header, cells, payload, attempts)
    VALUES ('00000000-0000-0000-0000-000000000001', 1, 0, 'contacts', 1, 0, 'r', 'b', '00000000-0000-0000-0000-00000000000b', 0, 'b', gen_random_uuid(), 1, 1, '\x01', now(),
    1, 'missing', 'transient', 'MISSING', '', '{}', '', 'retry', '{Ext__c}', '{b}', '{}', '[]');
INSERT INTO retrier.taken (chunk) VALUES ('00000000-0000-0000-0000-000000000001');
INSERT INTO retrier.waiting (failure_id, unit_chunk, unit_row, pipeline, revision, lane, run, key_hash, entity_hash, generation, seq, idx, class, code, attempt, reason, due_at)
    VALUES (1, '00000000-0000-0000-0000-000000000001', 1, 'contacts', 1, 0, 'r', '00000000-0000-0000-0000-00000000000b', gen_random_uuid(), 0, 1, 1, 'transient', 'MISSING', 1, '', now());
` + sealing

// sealing is what a program of the release before writes while it seals, submits, refuses and accounts: before the upgrade, and during it.
const sealing = `
WITH made AS (
    INSERT INTO extractor.chunks (chunk, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header, rows, records, bytes, manifest, first_seq)
    SELECT c::uuid, 'contacts', 1, k, 'main', 'Contact', 'upsert', 'Ext__c', 'main/Contact/Ext__c', 0, '{Ext__c}', 2, 2, 10, '', 1
    FROM (VALUES (gen_random_uuid(), 'fresh'), (gen_random_uuid(), 'replay')) v (c, k)
    RETURNING chunk, pipeline, kind, records)
INSERT INTO extractor.chunk_runs (chunk, pipeline, run, kind, records) SELECT chunk, pipeline, 'r', kind, records FROM made;
INSERT INTO extractor.records (pipeline_id, generation, idx, row, seq, accepted_at, key_hash, entity_hash, content_hash, chunk, columns)
    VALUES (1, 0, 0, 0, 1, now(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '\x01');
INSERT INTO extractor.dead (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, payload, seq, idx, accepted_at, dead_at)
    SELECT gen_random_uuid(), 'contacts', 1, 'r', 'k', gen_random_uuid(), g, '', 'data', 'X', '', '{}', '', 1, 0, now(), now() FROM generate_series(0, 1) g;
INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state)
    VALUES (gen_random_uuid(), 'contacts', 1, 'fresh', 'main', 'main/Contact/Ext__c', 0, 1, 'claimed');
INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
    attempt, outcome, class, code, message, fields, sf_id, disposition, header, cells, payload, attempts)
    VALUES (gen_random_uuid(), 0, 0, 'contacts', 1, 0, 'r', 'c', gen_random_uuid(), 0, 'c', gen_random_uuid(), 1, 2, '\x01', now(),
    2, 'failed', 'transient', 'UNKNOWN_EXCEPTION', '', '{}', '', 'retry', '{Ext__c}', '{c}', '{}', '[]');
`

type said struct {
	Accepted, Refused, Versioned, Resolves, Waiting, Failures, Bounded, Ambiguous, Unresolved int
	CaseSensitive                                                                             bool
}

func read(t *testing.T, admin *pgxpool.Pool) said {
	t.Helper()
	rows, err := admin.Query(t.Context(), `SELECT
		(SELECT sum(accepted)::int FROM extractor_pub.chunk_runs) AS accepted,
		(SELECT count(*)::int FROM extractor_pub.dead WHERE accepted) AS refused,
		(SELECT count(*)::int FROM extractor_pub.records WHERE version IS NOT NULL) + (SELECT count(*)::int FROM extractor_pub.chunks WHERE versioned) AS versioned,
		(SELECT count(*)::int FROM submitter.submissions WHERE resolves OR versioned) AS resolves,
		(SELECT count(*)::int FROM retrier_pub.waiting) AS waiting,
		(SELECT count(*)::int FROM reconciler_pub.failures WHERE disposition = 'retry') AS failures,
		(SELECT count(*)::int FROM reconciler_pub.failures WHERE tries <> 0) AS bounded,
		(SELECT count(*)::int FROM reconciler_pub.failures WHERE ambiguous OR version IS NOT NULL) AS ambiguous,
		(SELECT count(*)::int FROM reconciler_pub.resolutions) AS unresolved,
		(SELECT bool_or(case_sensitive) FROM ops_pub.definitions) AS case_sensitive`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[said])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestALedgerOfTheReleaseBeforeIsUpgraded(t *testing.T) {
	db := testkit.Database(t, first(t)...)
	admin := db.AdminPool(t)
	if _, err := admin.Exec(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	for _, m := range testkit.AllMigrations(t) {
		if err := pg.Migrate(t.Context(), db.AdminDSN, m); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("what was counted counts as it did", func(t *testing.T) {
		if diff := cmp.Diff(said{Accepted: 2, Refused: 1, Waiting: 1, Failures: 2, Bounded: 1}, read(t, admin)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("what a program of the release before writes meanwhile is counted, too", func(t *testing.T) {
		if _, err := admin.Exec(t.Context(), sealing); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(said{Accepted: 4, Refused: 2, Waiting: 1, Failures: 3, Bounded: 1}, read(t, admin)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a migrated ledger has the tables and views of a new one", func(t *testing.T) {
		if diff := cmp.Diff(columns(t, testkit.Database(t).AdminPool(t)), columns(t, admin)); diff != "" {
			t.Error(diff)
		}
	})
}

func columns(t *testing.T, admin *pgxpool.Pool) []string {
	t.Helper()
	rows, err := admin.Query(t.Context(), `SELECT table_schema || '.' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
		FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Tables and views that a migration adds are granted by it: a role that reads a service's views reads all of them.
func TestEachRoleReadsWholeSchemasAndWritesItsOwnAlone(t *testing.T) {
	admin := testkit.Database(t).AdminPool(t)
	rows, err := admin.Query(t.Context(), `SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, r.rolname AS role,
			has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_table_privilege(r.oid, c.oid, 'SELECT') AS reads,
			has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS writes
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_roles r
		WHERE r.rolname = ANY ($1) AND c.relkind IN ('r', 'p', 'v') AND (n.nspname = ANY ($2) OR n.nspname LIKE '%\_pub')
		ORDER BY 1, 2, 4`, roles(), pg.Services)
	if err != nil {
		t.Fatal(err)
	}
	type grant struct {
		Schema, Name, Kind, Role string
		Reads, Writes            bool
	}
	grants, err := pgx.CollectRows(rows, pgx.RowToStructByName[grant])
	if err != nil {
		t.Fatal(err)
	}
	readers := map[[2]string]bool{}
	for _, g := range grants {
		if g.Reads {
			readers[[2]string{g.Schema, g.Role}] = true
		}
	}
	for _, g := range grants {
		own := pg.RoleOf(g.Schema) == g.Role
		switch {
		case strings.HasSuffix(g.Schema, "_pub"):
			if g.Writes || readers[[2]string{g.Schema, g.Role}] && !g.Reads {
				t.Errorf("%s on view %s.%s: reads %t, writes %t", g.Role, g.Schema, g.Name, g.Reads, g.Writes)
			}
		case own && !g.Reads, !own && (g.Reads || g.Writes), g.Name == "goose_version" && g.Writes:
			t.Errorf("%s on table %s.%s: reads %t, writes %t", g.Role, g.Schema, g.Name, g.Reads, g.Writes)
		}
	}
	if len(grants) == 0 || len(readers) < len(pg.Services) {
		t.Errorf("%d grants looked at", len(grants))
	}
}

func roles() []string {
	var out []string
	for _, s := range pg.Services {
		out = append(out, pg.RoleOf(s))
	}
	slices.Sort(out)
	return out
}
