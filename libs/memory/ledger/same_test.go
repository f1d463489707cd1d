package ledger_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// seeds fill tables whose constraints tie columns together; the product's own statements would hit them too rarely.
var seeds = []string{
	`INSERT INTO extractor.pipelines (name) VALUES ('contacts'), ('accounts')`,
	`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
		SELECT id, 'contacts', 'main', '750', 'JobComplete', 3, 1, 1, 1, 0, 0, 'lfu', convert_to(repeat('0', 54), 'UTF8'), 1, 'works' FROM unnest($1::uuid[]) AS u (id)`,
	`INSERT INTO submitter.lanes (space, lane) VALUES ('s', 0), ('s', 1), ('s', 2)`,
}

// words are what texts are taken from, by the name of the argument.
var words = map[string][]string{
	"pipeline": {"contacts", "accounts"}, "name": {"contacts", "accounts"}, "run": {"r1", "r2", ""}, "space": {"s"}, "org": {"main"},
	"state": {"claimed", "created", "bound", "submitted", "watching", "finished", "open", "replaying", "landed", "died_again"}, "kind": {"fresh", "replay", "resend"},
	"class": {"data", "unresolved", "reference", ""}, "code": {"X", ""}, "outcome": {"failed", "missing"}, "disposition": {"dead", "retry", "unresolved"},
	"decision": {"landed", "not_landed"}, "job_state": {"JobComplete", "Open"}, "owner": {"one", "two"}, "standing": {"works", "blocked"}, "letters": {"[]"},
	"idempotency_key": {"a", "b"}, "milliseconds": {"1000"},
}

// draw makes an argument of a type that PostgreSQL told.
func draw(r *rand.Rand, name string, oid uint32, ids []uuid.UUID, base time.Time) any {
	text := func() string {
		pool := words[name]
		if pool == nil {
			pool = []string{"a", "b", ""}
		}
		return pool[r.IntN(len(pool))]
	}
	at := func() time.Time { return base.Add(time.Duration(r.IntN(9)-4) * 24 * time.Hour) }
	n := func() int64 { return int64(r.IntN(4)) }
	several := 1 + r.IntN(3)
	switch {
	case strings.HasPrefix(name, "max") || strings.HasPrefix(name, "most") || strings.Contains(name, "page") || name == "limit":
		n = func() int64 { return 1000 }
	case strings.Contains(name, "after") || name == "was":
		n = func() int64 { return 0 }
	}
	switch oid {
	case pgtype.UUIDOID:
		return ids[r.IntN(len(ids))]
	case pgtype.TextOID, pgtype.VarcharOID:
		return text()
	case pgtype.Int2OID:
		return int16(r.IntN(2))
	case pgtype.Int4OID:
		return int32(n()) //nolint:gosec // small
	case pgtype.Int8OID:
		return n()
	case pgtype.Float8OID:
		return float64(3600 * (1 + r.IntN(3)))
	case pgtype.BoolOID:
		return r.IntN(2) == 0
	case pgtype.ByteaOID:
		return []byte{byte(r.IntN(3))}
	case pgtype.TimestamptzOID:
		return at()
	case pgtype.DateOID:
		return at()
	case pgtype.JSONBOID:
		return []byte(`[]`)
	case pgtype.UUIDArrayOID:
		return ids[:1+r.IntN(len(ids)-1)]
	case pgtype.TextArrayOID:
		out := make([]string, several)
		for i := range out {
			out[i] = text()
		}
		return out
	case pgtype.Int4ArrayOID:
		out := make([]int32, several)
		for i, lane := range r.Perm(len(out)) {
			out[i] = int32(r.IntN(3)) //nolint:gosec // small
			if strings.HasPrefix(name, "lane") {
				out[i] = int32(lane) //nolint:gosec // as above; each once, since which of two rows for one lane is stored is left open
			}
		}
		return out
	case pgtype.Int8ArrayOID:
		out := make([]int64, several)
		for i := range out {
			out[i] = n()
		}
		return out
	case pgtype.ByteaArrayOID:
		return [][]byte{{1}, {0, 2}}
	}
	return nil
}

// canonical writes a value so that two clocks a little apart make no difference.
func canonical(v any, now time.Time) string {
	switch v := v.(type) {
	case time.Time:
		if d := v.Sub(now); d.Abs() < 6*time.Hour {
			return "about now"
		}
		return v.UTC().Format(time.RFC3339)
	case float64:
		return fmt.Sprint(math.Round(v / 100))
	case pgtype.Numeric:
		f, err := v.Float64Value()
		return fmt.Sprint(f.Float64, err)
	case [16]byte:
		return uuid.UUID(v).String()
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = canonical(v[i], now)
		}
		return strings.Join(parts, ",")
	case []byte:
		return fmt.Sprintf("%x", v)
	}
	return fmt.Sprintf("%v", v)
}

// answer is all that a statement says: its rows in no order, its tag and its error.
func answer(ctx context.Context, db pg.DB, sql string, args []any, now time.Time) (rows []string, said string) {
	r, err := db.Query(ctx, sql, args...)
	if err == nil {
		for r.Next() {
			values, scanErr := r.Values()
			if scanErr != nil {
				return nil, scanErr.Error()
			}
			parts := make([]string, len(values))
			for i := range values {
				parts[i] = canonical(values[i], now)
			}
			rows = append(rows, strings.Join(parts, "|"))
		}
		r.Close()
		err = r.Err()
	}
	if err != nil {
		if code(err) == "" {
			return nil, err.Error()
		}
		return nil, code(err)
	}
	slices.Sort(rows)
	return rows, r.CommandTag().String()
}

var limitOne = regexp.MustCompile(`LIMIT 1\b`)

// The product's statements in a random order with random arguments: both ledgers say the same, and hold the same in the end.
func TestTheLedgersAgree(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const steps = 2500
	all := queries(t)
	var names []string
	for name, text := range all {
		// What another transaction would have to end, what only a connection of its own can tell, and the repairs of planted mistakes are no matter here.
		if !strings.Contains(text, "set_config") && !strings.Contains(text, "hashtext") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprintf("on seed %d", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // to be repeated
			postgres, memory := testkit.Database(t).AdminPool(t), pg.DB(whole(t))
			now := time.Now().UTC().Truncate(time.Second)
			ids := make([]uuid.UUID, 5)
			for i := range ids {
				ids[i] = uuid.NewSHA1(uuid.Nil, []byte{byte(i)})
			}
			for _, sql := range seeds {
				var args []any
				if strings.Contains(sql, "$1") {
					args = []any{ids[:2]}
				}
				for _, db := range []pg.DB{postgres, memory} {
					if _, err := db.Exec(ctx, sql, args...); err != nil {
						t.Fatal(err)
					}
				}
			}
			oids := map[string][]uint32{}
			changes := 0
			for step := range steps {
				name := names[r.IntN(len(names))]
				sql := all[name]
				types, ok := oids[name]
				if !ok {
					types = parameters(t, postgres, sql)
					oids[name] = types
				}
				args := make([]any, len(types))
				for i, oid := range types {
					args[i] = draw(r, argumentName(name, i), oid, ids, now)
				}
				want, wantSaid := answer(ctx, postgres, sql, args, now)
				got, gotSaid := answer(ctx, memory, sql, args, now)
				if limitOne.MatchString(sql) && len(want) == len(got) {
					want, got = nil, nil // which one of equals is left open
				}
				if gotSaid != wantSaid || !slices.Equal(got, want) {
					t.Fatalf("step %d, %s with %v:\n%s\nPostgreSQL: %s %q\nin memory:  %s %q", step, name, args, sql, wantSaid, want, gotSaid, got)
				}
				if strings.HasSuffix(wantSaid, " 1") && !strings.HasPrefix(wantSaid, "SELECT") {
					changes++
				}
			}
			if changes < steps/50 {
				t.Errorf("only %d of %d steps changed anything", changes, steps)
			}
			for _, table := range tables(t, postgres) {
				sql := "SELECT count(*) FROM " + table
				if got, want := number(t, memory, sql), number(t, postgres, sql); got != want {
					t.Errorf("%s holds %d rows, in PostgreSQL %d", table, got, want)
				}
			}
		})
	}
}

func tables(t testing.TB, db pg.DB) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = ANY ($1) ORDER BY 1`, pg.Services)
	must(t, err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return out
}

// parameters asks PostgreSQL for the types of a statement's parameters.
func parameters(t testing.TB, db pg.DB, sql string) []uint32 {
	t.Helper()
	tx := begin(t, db)
	description, err := tx.Prepare(t.Context(), sql, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	must(t, tx.Rollback(t.Context()))
	return description.ParamOIDs
}
