package watch

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bulkhead/services/e2e/chaos/internal/history"
)

//go:embed sample.sql
var sampleSQL string

//go:embed rest.sql
var restSQL string

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
		var marks map[string]map[string]string
		var progress map[string]int64
		if err := conn.QueryRow(ctx, sampleSQL).Scan(&marks, &progress); err != nil {
			return fmt.Errorf("read marks and progress: %w", err)
		}
		s.Marks, s.Progress = marks, progress
		return nil
	})
}

// lettersRead says up to which sequence ops has read the stream of letters.
func (l *ledger) lettersRead(ctx context.Context) (seq int64, err error) {
	err = l.with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM ops.checkpoints WHERE reader = 'dlq'").Scan(&seq)
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
