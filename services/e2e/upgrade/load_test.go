package upgrade

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// ballast makes the large tables large enough for a rewrite to be one: some thousand rows of what programs of the release before have written.
const ballast = `
INSERT INTO extractor.records (pipeline_id, generation, idx, row, seq, accepted_at, key_hash, entity_hash, content_hash, chunk, columns)
    SELECT 1, 0, 0, 0, n, now(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '\x01' FROM generate_series(1, 20000) n;
INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
    attempt, outcome, class, code, message, fields, sf_id, disposition, header, cells, payload, attempts)
    SELECT gen_random_uuid(), 0, 0, 'other', 1, 0, 'r', 'c', gen_random_uuid(), 0, 'c', gen_random_uuid(), n, 2, '\x01', now(),
    2, 'failed', 'data', 'X', '', '{}', '', 'dead', '{Ext__c}', '{c}', '{}', '[]' FROM generate_series(1, 5000) n;
INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state)
    SELECT gen_random_uuid(), 'other', 1, 'fresh', 'main', 'main/Contact/Ext__c', 0, n, 'reconciled' FROM generate_series(1, 5000) n;
`

// looking is what a program of the release before reads of other services while it works.
const looking = `SELECT
	(SELECT count(*) FROM (SELECT records FROM extractor_pub.chunk_runs WHERE kind = 'fresh' LIMIT 100) a)
	+ (SELECT count(*) FROM (SELECT generation FROM extractor_pub.dead LIMIT 100) b)
	+ (SELECT count(*) FROM (SELECT disposition FROM reconciler_pub.failures LIMIT 100) c)
	+ (SELECT count(*) FROM submitter_pub.submissions WHERE chunk = '00000000-0000-0000-0000-000000000001')
	+ (SELECT count(*) FROM extractor_pub.chunks WHERE reconciled_at IS NULL AND pipeline = 'contacts' AND lane = 7)`

// TestMigrationsRunWhileTheReleaseBeforeWorks: each migration after the first file of each service, in the order of their services and one by one, while four
// connections do without a pause what programs of the release before do: they seal, submit, refuse and account in transactions as the product makes them, and
// read the views of others by statements that were prepared before. Nothing of what they do may fail, nothing that they committed may be counted otherwise,
// and no large table may be written anew: a migration may build an index while writers wait, which takes a second or so for each million rows, but not copy a
// table. What it cannot show are programs of the release before themselves; `make upgrade` has those.
func TestMigrationsRunWhileTheReleaseBeforeWorks(t *testing.T) {
	db := testkit.Database(t, first(t)...)
	admin := db.AdminPool(t)
	for _, text := range []string{fill, ballast} {
		if _, err := admin.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	files := storage(t, admin)
	if len(files) < 3 {
		t.Fatalf("only %v are large", files)
	}

	var sealed atomic.Int64
	var writers sync.WaitGroup
	working, stop := context.WithCancel(t.Context())
	defer writers.Wait()
	defer stop()
	between := make(chan struct{}, 1) // rung by each seal
	atWork := func() {
		t.Helper()
		select {
		case <-between:
		case <-working.Done():
			t.FailNow()
		}
	}
	for range 4 {
		writers.Go(func() {
			defer stop() // one that fails ends it all
			for working.Err() == nil {
				// To its end, whatever stops us: what is undone must not be counted.
				ctx := context.WithoutCancel(working)
				err := pg.InTx(ctx, admin, "release.before", func(ctx context.Context, tx pgx.Tx) error {
					_, err := tx.Exec(ctx, sealing)
					return err
				})
				if err != nil {
					t.Errorf("a writer of the release before: %v", err)
					return
				}
				sealed.Add(1)
				err = pg.InTx(ctx, admin, "release.looks", func(ctx context.Context, tx pgx.Tx) error {
					var n int64
					return tx.QueryRow(ctx, looking).Scan(&n)
				})
				if err != nil {
					t.Errorf("a reader of the release before: %v", err)
					return
				}
				select {
				case between <- struct{}{}:
				default:
				}
			}
		})
	}
	steps := 0
	for _, step := range eachMigration(t) {
		atWork()
		if err := pg.Migrate(t.Context(), db.AdminDSN, step); err != nil {
			t.Errorf("step %d, of %s: %v", steps, step.Service, err)
		}
		steps++
		if now := storage(t, admin); !slices.Equal(files, keep(now, files)) {
			t.Errorf("a migration of %s has written a large table anew: %s", step.Service, cmp.Diff(files, now))
		}
	}
	atWork()
	stop()
	writers.Wait()
	if steps < 15 {
		t.Errorf("%d migrations ran", steps)
	}
	n := int(sealed.Load())
	t.Logf("%d migrations ran among %d seals", steps, n)
	got := read(t, admin)
	// Of the failures that were written after their table learned of bounds, nobody who writes knows one.
	if got.Bounded < 1 || got.Bounded > n+2 {
		t.Errorf("%d failures have a bound of their own", got.Bounded)
	}
	got.Bounded = 0
	if diff := cmp.Diff(said{Accepted: 2 * (n + 1), Refused: n + 1, Waiting: 1, Failures: n + 2}, got); diff != "" {
		t.Error(diff)
	}
}

// eachMigration is one step after the other: each brings one service one file further.
func eachMigration(t *testing.T) []pg.Migrations {
	t.Helper()
	var out []pg.Migrations
	for _, m := range testkit.AllMigrations(t) {
		names, err := fs.Glob(m.FS, "migrations/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		known := fstest.MapFS{}
		for i, name := range names {
			text, err := fs.ReadFile(m.FS, name)
			if err != nil {
				t.Fatal(err)
			}
			known[path.Clean(name)] = &fstest.MapFile{Data: text}
			if i == 0 {
				continue
			}
			upTo := fstest.MapFS{}
			for name, file := range known {
				upTo[name] = file
			}
			out = append(out, pg.Migrations{Service: m.Service, FS: upTo})
		}
	}
	return out
}

// storage names the file of each table that holds many rows: whoever writes a table anew gives it another one.
func storage(t *testing.T, admin *pgxpool.Pool) []string {
	t.Helper()
	rows, err := admin.Query(t.Context(), `SELECT n.nspname || '.' || c.relname || ' ' || pg_relation_filenode(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname = ANY ($1) AND pg_relation_size(c.oid) > 400000 ORDER BY 1`, pg.Services)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(fmt.Errorf("large tables: %w", err))
	}
	return out
}

// keep is what of a list stands in another.
func keep(list, of []string) (out []string) {
	for _, s := range list {
		if slices.Contains(of, s) {
			out = append(out, s)
		}
	}
	return out
}
