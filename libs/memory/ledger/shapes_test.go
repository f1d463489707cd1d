package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// tablesOfShapes are small and full of NULLs and of equal values.
var tablesOfShapes = []string{
	`CREATE SCHEMA shapes`,
	`CREATE TABLE shapes.t (id bigint PRIMARY KEY, a int, b int, s text, f boolean, at timestamptz, l int[])`,
	`CREATE TABLE shapes.u (id bigint PRIMARY KEY, a int, b int, s text, f boolean, at timestamptz, l int[])`,
	`CREATE UNIQUE INDEX u_ab ON shapes.u (a, b) WHERE f`,
	`CREATE INDEX t_a ON shapes.t (a)`,
	`CREATE VIEW shapes.v AS SELECT t.id, t.a, t.b + 1 AS b, t.s, t.f, t.at, t.l FROM shapes.t WHERE t.a IS NOT NULL UNION ALL
		SELECT u.id + 100, u.a, u.b, u.s, u.f, u.at, u.l FROM shapes.u`,
	`CREATE VIEW shapes.w AS SELECT DISTINCT ON (t.a) t.id, t.a, t.b, t.s, t.f, t.at, t.l FROM shapes.t ORDER BY t.a, t.b DESC, t.id`,
}

// shape writes random statements over them. Their rows are in a given order, or their order does not matter: then sorted is false.
type shape struct {
	*rand.Rand
	depth int
}

func (r *shape) of(choices ...string) string { return choices[r.IntN(len(choices))] }

func (r *shape) deep(make func() string, leaf func() string) string {
	if r.depth >= 3 || r.IntN(3) == 0 {
		return leaf()
	}
	r.depth++
	defer func() { r.depth-- }()
	return make()
}

// number is an expression of type int over the alias.
func (r *shape) number(x string) string {
	return r.deep(func() string {
		switch r.IntN(10) {
		case 0:
			return fmt.Sprintf("(%s %s %s)", r.number(x), r.of("+", "-", "*"), r.of("1", "2", "-1", x+".a"))
		case 1:
			return fmt.Sprintf("coalesce(%s, %s)", r.number(x), r.number(x))
		case 2:
			return fmt.Sprintf("nullif(%s, %s)", r.number(x), r.number(x))
		case 3:
			return fmt.Sprintf("%s(%s, %s)", r.of("greatest", "least"), r.number(x), r.number(x))
		case 4:
			return fmt.Sprintf("CASE WHEN %s THEN %s %s END", r.truth(x), r.number(x), r.of("", "ELSE "+r.number(x)))
		case 5:
			return fmt.Sprintf("(SELECT %s(q.b) FROM %s q WHERE q.a = %s.a AND %s)", r.of("max", "min", "count"), r.table(), x, r.truth("q"))
		case 6:
			return fmt.Sprintf("(SELECT q.b FROM %s q WHERE %s ORDER BY q.b %s, q.id LIMIT 1)", r.table(), r.truth("q"), r.direction())
		case 7:
			return fmt.Sprintf("(%s / nullif(%s, 0))", r.number(x), r.of(x+".a", x+".b", "2"))
		case 8:
			return fmt.Sprintf("%s.l[%s]", x, r.of("1", "2", x+".a"))
		default:
			return fmt.Sprintf("cardinality(ARRAY(SELECT DISTINCT q.a FROM %s q WHERE q.b = %s))", r.table(), r.number(x))
		}
	}, func() string {
		return r.of(x+".a", x+".b", x+".a", x+".b", "1", "0", "NULL::int", "length("+x+".s)", x+".id::int")
	})
}

func (r *shape) truth(x string) string {
	return r.deep(func() string {
		switch r.IntN(14) {
		case 0, 1:
			return fmt.Sprintf("(%s AND %s)", r.truth(x), r.truth(x))
		case 2:
			return fmt.Sprintf("(%s OR %s)", r.truth(x), r.truth(x))
		case 3:
			return fmt.Sprintf("NOT %s", r.truth(x))
		case 4:
			return fmt.Sprintf("(%s %s (0 + %s, NULL, 2))", r.number(x), r.of("IN", "NOT IN"), r.number(x))
		case 5:
			return fmt.Sprintf("(%s %s (SELECT q.%s FROM %s q WHERE %s))", r.number(x), r.of("IN", "NOT IN"), r.of("a", "b"), r.table(), r.truth("q"))
		case 6:
			return fmt.Sprintf("%s (SELECT 1 FROM %s q WHERE q.a = %s.%s AND %s)", r.of("EXISTS", "NOT EXISTS"), r.table(), x, r.of("a", "b"), r.truth("q"))
		case 7:
			return fmt.Sprintf("(%s BETWEEN %s AND %s)", r.number(x), r.number(x), r.number(x))
		case 8:
			return fmt.Sprintf("(%s IS %sDISTINCT FROM %s)", r.number(x), r.of("", "NOT "), r.number(x))
		case 9:
			return fmt.Sprintf("((%s.a, %s.b) %s (%s, %s))", x, x, r.of("=", "<", ">=", "<>"), r.number(x), r.number(x))
		case 10:
			return fmt.Sprintf("(%s IS %s)", r.truth(x), r.of("TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "NULL"))
		case 11:
			return fmt.Sprintf("(%s.%s = %s (%s))", x, r.of("a", "b"), "ANY", r.of(x+".l", "ARRAY[1, NULL]", "'{}'::int[]", "ARRAY(SELECT q.a FROM shapes.u q)"))
		case 12:
			return fmt.Sprintf("(%s <> ALL (%s))", r.number(x), r.of(x+".l", "ARRAY[1, NULL]", "'{}'::int[]"))
		default:
			return fmt.Sprintf("(%s.s %s %s)", x, r.of("LIKE", "NOT LIKE"), r.of("'a%'", "'_'", x+".s", "NULL"))
		}
	}, func() string {
		return r.of(x+".f", x+".a = 1", x+".a IS NULL", x+".a < "+x+".b", x+".s = 'a'", x+".at > '2027-01-02'", x+".a = "+x+".b", "true", x+".id < 5", x+".s >= 'b'")
	})
}

func (r *shape) table() string     { return r.of("shapes.t", "shapes.u", "shapes.v", "shapes.w") }
func (r *shape) direction() string { return r.of("", "ASC", "DESC", "DESC NULLS LAST", "NULLS FIRST") }

func (r *shape) order(x string) string {
	return fmt.Sprintf("ORDER BY %s %s, %s %s, %s.id", r.of(x+".a", x+".b", x+".s", x+".at", x+".f", r.number(x)), r.direction(), r.of(x+".a", x+".s", x+".l"), r.direction(), x)
}

func (r *shape) aggregate(x string) string {
	filter := r.of("", "", fmt.Sprintf(" FILTER (WHERE %s)", r.truth(x)))
	return r.of(
		"count(*)"+filter, "count("+r.number(x)+")"+filter, "sum("+r.number(x)+")"+filter, "min("+x+".s)"+filter, "max("+x+".at)"+filter,
		"array_agg("+x+".b ORDER BY "+x+".b "+r.direction()+", "+x+".id)"+filter, "bool_or("+r.truth(x)+")"+filter, "bool_and("+x+".f)"+filter,
		"count(DISTINCT "+x+".b)"+filter, "string_agg("+x+".s, '-' ORDER BY "+x+".id DESC)"+filter, "array_agg(DISTINCT "+x+".a)"+filter,
	)
}

// statement is a random statement; sorted says that its rows come in a given order.
func (r *shape) statement() (sql string, sorted bool) {
	x, y := r.table(), r.table()
	switch r.IntN(14) {
	case 0, 1:
		return fmt.Sprintf("SELECT x.id, %s, %s FROM %s x WHERE %s %s LIMIT %s OFFSET %d",
			r.number("x"), r.truth("x"), x, r.truth("x"), r.order("x"), r.of("3", "100", "NULL"), r.IntN(3)), true
	case 2:
		return fmt.Sprintf("SELECT x.id, y.id, %s, %s FROM %s x %s JOIN %s y ON x.a = y.%s AND %s WHERE %s",
			r.number("x"), r.number("y"), x, r.of("", "LEFT"), y, r.of("a", "b"), r.truth("y"), r.truth("x")), false
	case 3:
		return fmt.Sprintf("SELECT x.id, y.id, y.f FROM %s x LEFT JOIN %s y ON %s WHERE %s", x, y, r.truth("y"), r.truth("y")), false
	case 4:
		return fmt.Sprintf("SELECT DISTINCT ON (x.%[1]s) x.id, x.a, x.b FROM %[2]s x WHERE %[3]s ORDER BY x.%[1]s %[4]s, x.b %[5]s, x.id",
			r.of("a", "s", "f"), x, r.truth("x"), r.direction(), r.direction()), true
	case 5:
		return fmt.Sprintf("SELECT x.a, %s, %s FROM %s x WHERE %s GROUP BY x.a HAVING %s ORDER BY 1 %s",
			r.aggregate("x"), r.aggregate("x"), x, r.truth("x"), r.of("true", "count(*) > 1", "bool_or(x.f)", "sum(x.b) IS NULL"), r.direction()), true
	case 6:
		return fmt.Sprintf("SELECT %s, %s FROM %s x WHERE %s", r.aggregate("x"), r.aggregate("x"), x, r.truth("x")), true
	case 7:
		return fmt.Sprintf("SELECT x.id, l.n, l.m FROM %s x %s JOIN LATERAL (SELECT y.id AS n, y.b AS m FROM %s y WHERE y.a = x.a AND %s %s LIMIT %d) AS l ON %s",
			x, r.of("", "LEFT"), y, r.truth("y"), r.order("y"), 1+r.IntN(2), r.of("true", "l.m > 0", "l.n = x.b")), false
	case 8:
		return fmt.Sprintf("SELECT x.a, x.s FROM %s x WHERE %s %s SELECT y.b, y.s FROM %s y WHERE %s ORDER BY 1 %s, 2 %s",
			x, r.truth("x"), r.of("UNION", "UNION ALL", "EXCEPT", "INTERSECT"), y, r.truth("y"), r.direction(), r.direction()), true
	case 9:
		return fmt.Sprintf("WITH c AS (SELECT x.a, count(*) AS n, max(x.b) AS b FROM %s x WHERE %s GROUP BY x.a) SELECT y.id, c.n, c.b FROM %s y %s JOIN c ON %s",
			x, r.truth("x"), y, r.of("", "LEFT"), r.of("c.a = y.a", "c.a = y.a AND c.n > 1", "c.b = y.b", "c.a IS NOT DISTINCT FROM y.a")), false
	case 10:
		return fmt.Sprintf("SELECT x.id, sum(x.b) OVER w, row_number() OVER (PARTITION BY x.f ORDER BY x.s %s, x.id), first_value(x.s) OVER (PARTITION BY x.f ORDER BY x.b, x.id), count(*) OVER (PARTITION BY x.s) FROM %s x WHERE %s WINDOW w AS (PARTITION BY x.a ORDER BY x.b %s)",
			r.direction(), x, r.truth("x"), r.direction()), false
	case 11:
		return fmt.Sprintf("SELECT x.id, unnest(x.l), x.a FROM %s x WHERE %s", x, r.truth("x")), false
	case 12:
		return fmt.Sprintf("SELECT x.id, e.v, e.n FROM %s x CROSS JOIN LATERAL unnest(x.l) WITH ORDINALITY AS e (v, n) WHERE %s AND (e.v = x.a) IS NOT TRUE", x, r.truth("x")), false
	default:
		return fmt.Sprintf("SELECT DISTINCT x.a, %s FROM %s x, %s y WHERE x.b = y.a AND %s AND %s", r.number("x"), x, y, r.truth("x"), r.truth("y")), false
	}
}

// change is a random statement that changes a table.
func (r *shape) change() string {
	id := r.IntN(12)
	v := func(choices ...string) string { return r.of(append(choices, "NULL")...) }
	row := fmt.Sprintf("%d, %s, %s, %s, %s, %s, %s", id, v("1", "2", "3", "0"), v("1", "2", "-1"), v("'a'", "'b'", "'ab'", "''"), v("true", "false"),
		v("'2027-01-01'", "'2027-01-03 04:05:06.789'", "'-infinity'"), v("'{1,2}'", "'{}'", "'{NULL,1}'", "'{3}'"))
	switch r.IntN(8) {
	case 0, 1:
		return fmt.Sprintf("INSERT INTO shapes.%s VALUES (%s)", r.of("t", "u"), row)
	case 2, 3:
		return fmt.Sprintf("INSERT INTO shapes.%s AS x VALUES (%s) ON CONFLICT (id) DO UPDATE SET a = coalesce(excluded.a, x.a + 1), (b, s) = (x.b, excluded.s || x.s) WHERE %s RETURNING *",
			r.of("t", "u"), row, r.truth("x"))
	case 4:
		return fmt.Sprintf("INSERT INTO shapes.u SELECT x.id + %d, x.a, x.b, x.s, true, x.at, x.l FROM %s x WHERE %s ORDER BY x.id ON CONFLICT DO NOTHING RETURNING id", r.IntN(2), r.of("shapes.t", "shapes.u"), r.truth("x"))
	case 5:
		return fmt.Sprintf("UPDATE shapes.%s AS x SET a = (%s) %% 5, f = %s WHERE %s RETURNING x.id, x.a, x.f", r.of("t", "t", "u"), r.number("x"), r.truth("x"), r.truth("x"))
	case 6:
		return fmt.Sprintf("UPDATE shapes.t AS x SET b = y.id FROM (SELECT q.a, max(q.id)::int AS id FROM shapes.u q GROUP BY q.a) AS y WHERE y.a = x.a AND %s", r.truth("x"))
	default:
		return fmt.Sprintf("DELETE FROM shapes.%s AS x WHERE x.id = %d AND %s", r.of("t", "u"), id, r.truth("x"))
	}
}

// told is the answer to a statement as text, with its rows in their order.
func told(ctx context.Context, db pg.DB, sql string, sorted bool) (string, []string) {
	rows, err := db.Query(ctx, sql)
	var out []string
	if err == nil {
		for rows.Next() {
			values, valuesErr := rows.Values()
			if valuesErr != nil {
				return valuesErr.Error(), nil
			}
			parts := make([]string, len(values))
			for i, v := range values {
				if at, ok := v.(time.Time); ok {
					v = at.UTC().Format(time.RFC3339Nano)
				}
				parts[i] = canonical(v, time.Time{})
			}
			out = append(out, strings.Join(parts, "|"))
		}
		rows.Close()
		err = rows.Err()
	}
	if err != nil {
		if code(err) == "" {
			return err.Error(), nil
		}
		return code(err), nil
	}
	if !sorted {
		slices.Sort(out)
	}
	return rows.CommandTag().String(), out
}

// Statements of every shape over tables full of NULLs: both ledgers give the same rows, in the same order where one is asked for.
func TestShapes(t *testing.T) {
	t.Parallel()
	const steps = 3000
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprintf("on seed %d", seed), func(t *testing.T) {
			t.Parallel()
			r := &shape{Rand: rand.New(rand.NewPCG(seed, 7))} //nolint:gosec // to be repeated
			postgres, memory := testkit.Database(t).AdminPool(t), pg.DB(whole(t))
			for _, sql := range tablesOfShapes {
				for _, db := range []pg.DB{postgres, memory} {
					if _, err := db.Exec(t.Context(), sql); err != nil {
						t.Fatalf("%s: %v", sql, err)
					}
				}
			}
			gave := 0
			for step := range steps {
				sql, sorted := r.change(), false
				if step > 20 && r.IntN(4) > 0 {
					sql, sorted = r.statement()
				}
				want, wantRows := told(t.Context(), postgres, sql, sorted)
				got, gotRows := told(t.Context(), memory, sql, sorted)
				if got != want || !slices.Equal(gotRows, wantRows) {
					t.Fatalf("step %d:\n%s\nPostgreSQL: %s %q\nin memory:  %s %q", step, sql, want, wantRows, got, gotRows)
				}
				if len(wantRows) > 0 {
					gave++
				}
			}
			if gave < steps/4 {
				t.Errorf("only %d of %d statements gave rows", gave, steps)
			}
		})
	}
}
