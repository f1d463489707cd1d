package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// explainer asks for the plan of each query before it runs it.
type explainer struct {
	pg.DB
	t     *testing.T
	plans map[string][]plan // by the query's name
}

// plan is a node of a plan, as EXPLAIN writes it.
type plan struct {
	Node     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Plans    []plan `json:"Plans"`
}

// each calls tell for a node and all below it.
func (p plan) each(tell func(plan)) {
	tell(p)
	for _, sub := range p.Plans {
		sub.each(tell)
	}
}

func (e *explainer) explain(ctx context.Context, sql string, args []any) {
	e.t.Helper()
	var text string
	if err := e.DB.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+sql, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&text); err != nil {
		e.t.Fatal(err)
	}
	var roots []struct {
		Plan plan `json:"Plan"`
	}
	if err := json.Unmarshal([]byte(text), &roots); err != nil {
		e.t.Fatal(err)
	}
	name := strings.Fields(sql)[2] // -- name: …
	e.plans[name] = append(e.plans[name], roots[0].Plan)
}

func (e *explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, sql, args)
	return e.DB.Query(ctx, sql, args...)
}

func (e *explainer) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	e.explain(ctx, sql, args)
	return e.DB.QueryRow(ctx, sql, args...)
}

// What the server believes of a table may be old: it is filled by one transaction, and looked at some time afterwards.
func TestPlansDoNotRestOnStatistics(t *testing.T) {
	const rows = 10_000
	for name, believed := range map[string]int{"nothing was ever counted": 0, "there was one row when they were counted": 1, "there were a thousand": 1000} {
		t.Run(name, func(t *testing.T) {
			db := testkit.NewLedger(t)
			if db.InMemory() {
				return // it has no plans
			}
			admin := db.AdminPool(t)
			exec := func(sql string, args ...any) {
				t.Helper()
				if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
					t.Fatal(err)
				}
			}
			chunk := uuid.New()
			fill := func(from, to int) {
				exec(`INSERT INTO reconciler.failures
					(chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
					 attempt, outcome, class, code, message, fields, sf_id, disposition, header, cells, payload, attempts, row_records)
					SELECT $1::uuid, n, 0, 'contacts', 1, n % 2, '', n::text, gen_random_uuid(), 0, n::text, gen_random_uuid(), n, 0, '\x07'::bytea, now(),
					       1, 'failed', 'contention', 'UNABLE_TO_LOCK_ROW', '', '{}'::text[], '', 'retry', '{}'::text[], '{}'::text[], convert_to(repeat('x', 500), 'UTF8'), '[]'::jsonb, CASE WHEN n % 2 = 0 THEN 1 END
					FROM generate_series($2::int, $3::int) n`, chunk, from, to)
				exec(`INSERT INTO retrier.waiting (failure_id, unit_chunk, unit_row, pipeline, revision, lane, run, key_hash, entity_hash, generation, seq, idx, class, code, attempt, reason, due_at)
					SELECT id, chunk, row, pipeline, revision, lane, run, key_hash, entity_hash, 0, seq, idx, class, code, attempt, '', now()
					FROM reconciler.failures WHERE row BETWEEN $1 AND $2`, from, to)
			}
			exec(`ALTER TABLE retrier.waiting SET (autovacuum_enabled = false)`)
			exec(`ALTER TABLE reconciler.failures SET (autovacuum_enabled = false)`)
			fill(1, believed)
			if believed > 0 {
				exec(`ANALYZE retrier.waiting`)
				exec(`ANALYZE reconciler.failures`)
			}
			fill(believed+1, rows)

			seen := &explainer{DB: db.Pool(t, "retrier"), t: t, plans: map[string][]plan{}}
			s := New(seen)
			now := time.Now().Add(time.Minute)
			lanes, err := s.Lanes(t.Context())
			if err != nil || len(lanes) != 2 {
				t.Fatalf("%v, %v", lanes, err)
			}
			due, err := s.Due(t.Context(), lanes[0], now, rows)
			if err != nil || len(due) != rows/2 {
				t.Fatalf("%d are due: %v", len(due), err)
			}
			ids := make([]int64, 2000)
			for i := range ids {
				ids[i] = due[i].FailureID
			}
			if found, err := s.FailureRows(t.Context(), ids); err != nil || len(found) != len(ids) || found[ids[0]].RowRecords != 1 {
				t.Fatalf("%d rows: %v", len(found), err)
			}
			if n, err := s.CountDueUnits(t.Context(), lanes[1], now, rows); err != nil || n != rows/2 {
				t.Fatalf("%d units: %v", n, err)
			}
			if failures, err := s.Failures(t.Context(), chunk, rows/2, rows/2+500); err != nil || len(failures) != 500 {
				t.Fatalf("%d failures: %v", len(failures), err)
			}
			byIndex := map[string]bool{"NextLane": true, "FailureRows": true, "FailuresToRetry": true}
			for query, plans := range seen.plans {
				for _, p := range plans {
					scans := 0
					p.each(func(n plan) {
						if n.Relation == "waiting" || n.Relation == "failures" {
							scans++
							if byIndex[query] && n.Node == "Seq Scan" {
								t.Errorf("%s reads all of %s: %s", query, n.Relation, shown(p))
							}
						}
					})
					if scans > 1 && !byIndex[query] {
						t.Errorf("%s joins: %s", query, shown(p))
					}
				}
			}
		})
	}
}

func shown(p plan) string {
	out, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Sprint(p)
	}
	return string(out)
}
