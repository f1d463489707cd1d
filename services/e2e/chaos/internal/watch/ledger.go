package watch

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"bulkhead/services/e2e/chaos/internal/history"
)

//go:embed sample.sql
var sampleSQL string

//go:embed rest.sql
var restSQL string

//go:embed letters.sql
var lettersSQL string

// ledger reads the database, by a connection that is made anew when it breaks.
type ledger struct {
	dsn  string
	conn *pgx.Conn
}

// with gives a connection for one bounded question.
func (l *ledger) with(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if l.conn == nil {
		conn, err := pgx.Connect(ctx, l.dsn)
		if err != nil {
			return fmt.Errorf("connect to the ledger: %w", err)
		}
		l.conn = conn
	}
	err := do(ctx, l.conn)
	if err != nil {
		l.close()
	}
	return err
}

func (l *ledger) close() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	_ = l.conn.Close(ctx) // it only read
	l.conn = nil
}

// sample fills in the marks and the progress.
func (l *ledger) sample(ctx context.Context, s *history.Sample) error {
	return l.with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return Sample(ctx, conn, s)
	})
}

// Asked answers questions to a ledger.
type Asked interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Sample fills in the marks and the progress.
func Sample(ctx context.Context, db Asked, s *history.Sample) error {
	rows, err := db.Query(ctx, sampleSQL)
	if err != nil {
		return fmt.Errorf("read marks and progress: %w", err)
	}
	marks, progress := map[string]map[string]string{}, map[string]int64{}
	var what, name, lane, value string
	if _, err = pgx.ForEachRow(rows, []any{&what, &name, &lane, &value}, func() error {
		if what == "mark" {
			if marks[name] == nil {
				marks[name] = map[string]string{}
			}
			marks[name][lane] = value
			return nil
		}
		n, err := strconv.ParseInt(value, 10, 64)
		progress[name] = n
		return err
	}); err != nil {
		return fmt.Errorf("read marks and progress: %w", err)
	}
	s.Marks, s.Progress = marks, progress
	return nil
}

// lettersRead says up to which sequence ops has read the stream of letters.
func (l *ledger) lettersRead(ctx context.Context) (seq int64, err error) {
	err = l.with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, lettersSQL).Scan(&seq)
		if err != nil {
			return fmt.Errorf("read how far letters were read: %w", err)
		}
		return nil
	})
	return seq, err
}

// open says what is still to be done, as "3 submissions".
func (l *ledger) open(ctx context.Context) ([]string, error) {
	var out []string
	err := l.with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, restSQL)
		if err != nil {
			return fmt.Errorf("read open work: %w", err)
		}
		var what string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&what, &n}, func() error {
			out = append(out, fmt.Sprintf("%d %s", n, what))
			return nil
		})
		return err
	})
	return out, err
}
