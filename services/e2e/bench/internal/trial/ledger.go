package trial

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/salesforce"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/meter"
)

//go:embed queries.sql
var queriesSQL string

// queries are the statements by name.
var queries = func() map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(queriesSQL, "-- name: ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		out[name] = text
	}
	return out
}()

// askFor bounds one question to the ledger.
const askFor = time.Minute

// ledger is our own connection to the database. What it costs is known: its backend is a process.
type ledger struct {
	conn    *pgx.Conn
	backend int
}

func openLedger(ctx context.Context, dsn string) (*ledger, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l := &ledger{conn: conn}
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&l.backend); err != nil {
		l.close()
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
}

func (l *ledger) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = l.conn.Close(ctx) // it only read
}

// cost is what our questions took so far.
func (l *ledger) cost() (time.Duration, error) { return meter.Own(l.backend) }

func (l *ledger) landed(ctx context.Context, pipeline string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := l.conn.QueryRow(ctx, queries["landed"], pipeline).Scan(&n); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	return n, nil
}

// size is how large the database is, and how much was ever written to the log of its server.
func (l *ledger) size(ctx context.Context) (database, wal int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := l.conn.QueryRow(ctx, queries["size"]).Scan(&database, &wal); err != nil {
		return 0, 0, fmt.Errorf("ledger: %w", err)
	}
	return database, wal, nil
}

// count asks a question whose answer is one number.
func (l *ledger) count(ctx context.Context, query string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if err := l.conn.QueryRow(ctx, queries[query]).Scan(&n); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	return n, nil
}

// full says how many records of chunks that were sealed because they were full landed at their first try, and when the ledger knew the last of them.
func (l *ledger) full(ctx context.Context, pipeline string, c people.Chunk) (landed int64, at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	nearly := c.Bytes - c.Bytes/100 // the row that did not fit any more would have made it full
	if err := l.conn.QueryRow(ctx, queries["full"], pipeline, c.Rows, nearly).Scan(&landed, &at); err != nil {
		return 0, time.Time{}, fmt.Errorf("ledger: %w", err)
	}
	return landed, at, nil
}

// safety are the settings that decide whether what was acknowledged is on disk.
func (l *ledger) safety(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return pairs[string](ctx, l.conn, queries["safety"])
}

// backends are the server's processes by process id: whose session each serves, or what it does for all.
func (l *ledger) backends(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return pairs[string](ctx, l.conn, queries["backends"])
}

// collections are the calls of sObject Collections that the chunks without a job needed, by what these carry: what was said of each call goes when its
// chunk is reconciled.
func (l *ledger) collections(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return pairs[int64](ctx, l.conn, queries["collections"], salesforce.MaxCollectionRows)
}

// jobs are all jobs that were made, with what each carries: fresh records, or such as are sent again.
func (l *ledger) jobs(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return pairs[string](ctx, l.conn, queries["jobs"])
}

// chunks are counted by what they carry.
func (l *ledger) chunks(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return pairs[int64](ctx, l.conn, queries["chunks"])
}

// idLength is that of a Salesforce id in an outcome's row_ids; a row that did not land has zero bytes there.
const idLength = 18

// reconciled says when the ledger knew of each row that it landed, by the row's Salesforce id.
func (l *ledger) reconciled(ctx context.Context, pipeline string) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	rows, err := l.conn.Query(ctx, queries["outcomes"], pipeline)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	out := map[string]time.Time{}
	var ids []byte
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&ids, &at}, func() error {
		for ; len(ids) >= idLength; ids = ids[idLength:] {
			if ids[0] != 0 {
				out[string(ids[:idLength])] = at
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}

func pairs[V any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) (map[string]V, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	out := map[string]V{}
	var name string
	var value V
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error { out[name] = value; return nil }); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}
