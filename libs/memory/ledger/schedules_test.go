package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// session is a connection to each of the two ledgers, in the same transaction on both.
type session struct {
	postgres, memory pgx.Tx
	pid              int
	waits            bool // for a lock, in PostgreSQL
	sql              string
	said             [2]chan string // what each says of the statement that is under way
}

func (s *session) begin(t *testing.T, postgres, memory pg.DB) {
	t.Helper()
	s.postgres, s.memory = begin(t, postgres), begin(t, memory)
	must(t, s.postgres.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&s.pid))
}

func (s *session) end(t *testing.T, commit bool) {
	t.Helper()
	for _, tx := range []pgx.Tx{s.postgres, s.memory} {
		if commit {
			_ = tx.Commit(t.Context()) // one that failed cannot be
		} else {
			_ = tx.Rollback(t.Context())
		}
	}
	s.postgres, s.memory = nil, nil
}

// txOnly lets told ask in a transaction.
type txOnly struct {
	pg.DB
	tx pgx.Tx
}

func (x txOnly) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return x.tx.Query(ctx, sql, args...)
}

func (s *session) start(ctx context.Context, sql string) {
	s.sql = sql
	for i, tx := range []pgx.Tx{s.postgres, s.memory} {
		s.said[i] = make(chan string, 1)
		go func(to chan<- string) {
			tag, rows := told(ctx, txOnly{tx: tx}, sql, true)
			to <- fmt.Sprint(tag, rows)
		}(s.said[i])
	}
}

// follow waits until PostgreSQL has answered or waits for a lock, and wants the same of the ledger in memory.
func (s *session) follow(t *testing.T, admin pg.DB, where string) {
	t.Helper()
	for {
		select {
		case want := <-s.said[0]:
			s.waits = false
			if got := <-s.said[1]; got != want {
				t.Fatalf("%s: %s\nPostgreSQL: %s\nin memory:  %s", where, s.sql, want, got)
			}
			return
		case <-time.After(time.Millisecond):
		}
		if number(t, admin, `SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1`, s.pid) == 0 {
			continue
		}
		s.waits = true
		if len(s.said[1]) > 0 {
			t.Fatalf("%s: %s waits in PostgreSQL, in memory: %s", where, s.sql, <-s.said[1])
		}
		return
	}
}

// meeting is a random statement that may meet what other transactions hold. Rows are named by their key: what PostgreSQL makes of others that come to fit
// while it waits is not what happens here, see the package comment.
func meeting(r *rand.Rand) string {
	id, v := r.IntN(2), r.IntN(3)
	switch r.IntN(8) {
	case 0:
		return fmt.Sprintf(`INSERT INTO shapes.t (id, a, b) VALUES (%d, %d, 0) RETURNING id, a`, id, v)
	case 1:
		return fmt.Sprintf(`INSERT INTO shapes.t (id, a, b) VALUES (%d, %d, 0), (%d, %d, 1) ON CONFLICT DO NOTHING RETURNING id, a`, id, v, id+1, v)
	case 2:
		return fmt.Sprintf(`INSERT INTO shapes.t AS x (id, a, b) VALUES (%d, %d, 0) ON CONFLICT (id) DO UPDATE SET b = x.b + 1, a = excluded.a WHERE x.a <> %d RETURNING id, a, b`, id, v, v)
	case 3:
		return fmt.Sprintf(`UPDATE shapes.t SET b = b + 1, a = %d WHERE id = %d AND a <> %d RETURNING id, a, b`, v, id, v)
	case 4:
		return fmt.Sprintf(`DELETE FROM shapes.t WHERE id = %d AND b %% 2 = 0 RETURNING id, b`, id)
	case 5:
		return fmt.Sprintf(`SELECT id, a, b FROM shapes.t WHERE id = %d AND a >= %d FOR UPDATE`, id, v)
	case 6:
		return fmt.Sprintf(`UPDATE shapes.u SET a = 1, b = %d, f = true WHERE id = %d RETURNING id, a, b`, v, id)
	default:
		return fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)::text`, id)
	}
}

// passing is a random statement that never waits.
func passing(r *rand.Rand) string {
	switch r.IntN(3) {
	case 0:
		return fmt.Sprintf(`SELECT id, a FROM shapes.t ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED`, 1+r.IntN(2))
	case 1:
		return `UPDATE shapes.t SET b = b + 10 WHERE id IN (SELECT id FROM shapes.t ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, b`
	default:
		return `SELECT id, a, b FROM shapes.t UNION ALL SELECT id + 100, a, b FROM shapes.u ORDER BY 1`
	}
}

// Three transactions at a time that meet on a few rows: both ledgers wait at the same statements, and say the same of each.
func TestSchedules(t *testing.T) {
	t.Parallel()
	const steps = 800
	database := testkit.Database(t)
	// Who looks at the locks has a pool of his own: the sessions may take all of the other one.
	admin, postgres, memory := database.AdminPool(t), pg.DB(database.AdminPool(t)), pg.DB(whole(t))
	for _, db := range []pg.DB{postgres, memory} {
		for _, sql := range tablesOfShapes {
			if _, err := db.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		exec(t, db, `INSERT INTO shapes.u (id, a, b, f) SELECT n, 1, n + 10, true FROM generate_series(0, 3) AS s (n)`)
	}
	r := rand.New(rand.NewPCG(5, 11)) //nolint:gosec // to be repeated
	sessions := make([]*session, 3)
	for i := range sessions {
		sessions[i] = &session{}
	}
	t.Cleanup(func() {
		// What is under way ended with the test's context.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		for _, s := range sessions {
			if s.postgres != nil {
				_, _ = s.postgres.Rollback(ctx), s.memory.Rollback(ctx)
			}
		}
	})
	waited := 0
	for step := range steps {
		where := fmt.Sprintf("step %d", step)
		someoneWaits := false
		for _, s := range sessions {
			someoneWaits = someoneWaits || s.waits
		}
		s := sessions[r.IntN(len(sessions))]
		switch {
		case s.waits:
			continue
		case s.postgres == nil:
			s.begin(t, postgres, memory)
			continue
		case r.IntN(6) == 0:
			s.end(t, r.IntN(4) > 0)
			for _, other := range sessions {
				if other.waits {
					other.follow(t, admin, where+", after the end of another")
				}
			}
			continue
		case someoneWaits:
			// One waits at a time: nobody can wait in a circle, and nobody is overtaken.
			s.start(t.Context(), passing(r))
		default:
			s.start(t.Context(), meeting(r))
		}
		s.follow(t, admin, where)
		if s.waits {
			waited++
		}
	}
	if waited < steps/80 {
		t.Errorf("only %d statements waited", waited)
	}
	for range sessions { // one of them may wait for the others
		for _, s := range sessions {
			if s.postgres != nil && !s.waits {
				s.end(t, true)
				for _, other := range sessions {
					if other.waits {
						other.follow(t, admin, "at the end")
					}
				}
			}
		}
	}
	const all = `SELECT id, a, b FROM shapes.t UNION ALL SELECT id + 100, a, b FROM shapes.u ORDER BY 1`
	_, want := told(t.Context(), postgres, all, true)
	if _, got := told(t.Context(), memory, all, true); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("in the end PostgreSQL holds %v, memory %v", want, got)
	}
}
