package stack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// witnessStream and witnessTable are the instrument's own, of which nobody else knows.
	witnessStream  = "CHAOS_WITNESS"
	witnessSubject = "chaos.witness"
	witnessTable   = "public.chaos_witness"
	// undefinedTable is PostgreSQL's code for a table that is not there.
	undefinedTable = "42P01"
)

// witness writes to a server, one thing after the other, each when the one before was acknowledged, and counts what was.
type witness struct {
	target string
	open   func(ctx context.Context) error
	// write writes until it cannot any more, which is the server's end or that of ctx, and counts acked up.
	write func(ctx context.Context) error
	acked int
	first chan struct{} // closed when something was acknowledged
	// left is how much of that is there.
	left func(ctx context.Context) (int, error)
}

// witnesses are those of one power cut, at work.
type witnesses struct {
	all  []*witness
	stop context.CancelFunc
	done sync.WaitGroup
}

// witnesses begins to write to the servers that are to lose power.
func (s *Stack) witnesses(ctx context.Context, o Outage) (*witnesses, error) {
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &witnesses{stop: stop}
	if o.Broker {
		w.all = append(w.all, s.brokerWitness())
	}
	if o.Ledger {
		w.all = append(w.all, s.ledgerWitness())
	}
	for _, one := range w.all {
		opening, cancel := context.WithTimeout(ctx, backWithin)
		err := one.open(opening)
		cancel()
		if err != nil {
			w.end()
			return nil, fmt.Errorf("witness of %s: %w", one.target, err)
		}
		w.done.Go(func() { _ = one.write(writing) }) // it always ends by an error: the server was taken away
	}
	return w, nil
}

func (w *witness) acknowledged() {
	if w.acked++; w.acked == 1 {
		close(w.first)
	}
}

// begun waits until each server has acknowledged something: a cut before that would show nothing.
func (w *witnesses) begun(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	for _, one := range w.all {
		select {
		case <-one.first:
		case <-ctx.Done():
			return fmt.Errorf("%s acknowledges nothing: %w", one.target, ctx.Err())
		}
	}
	return nil
}

// end has them write no more.
func (w *witnesses) end() {
	w.stop()
	w.done.Wait()
}

// kept asks what is left, when they have ended.
func (w *witnesses) kept(ctx context.Context) ([]Kept, error) {
	var out []Kept
	for _, one := range w.all {
		left, err := one.left(ctx)
		for err != nil {
			if !sleep(ctx, lookEvery) {
				return nil, fmt.Errorf("witness of %s: %w", one.target, err)
			}
			left, err = one.left(ctx)
		}
		// What was not acknowledged may be there all the same.
		out = append(out, Kept{Target: one.target, Acked: one.acked, Kept: min(left, one.acked)})
	}
	return out, nil
}

// brokerWitness publishes to a stream, which is there from cut to cut unless one takes it away.
func (s *Stack) brokerWitness() *witness {
	var (
		w      = &witness{target: NATS, first: make(chan struct{})}
		made   time.Time
		before uint64
	)
	w.open = func(ctx context.Context) error {
		return s.broker.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
				Name: witnessStream, Subjects: []string{witnessSubject}, Storage: jetstream.FileStorage, Replicas: 1,
			})
			if err == nil {
				made, before = stream.CachedInfo().Created, stream.CachedInfo().State.LastSeq
			}
			return err
		})
	}
	w.write = func(ctx context.Context) error {
		return s.broker.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			for {
				if _, err := js.Publish(ctx, witnessSubject, []byte("witness"), jetstream.WithRetryAttempts(0)); err != nil {
					return err
				}
				w.acknowledged()
			}
		})
	}
	w.left = func(ctx context.Context) (left int, err error) {
		err = s.broker.with(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, witnessStream)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil // and with it all that it held
			}
			if err != nil {
				return err
			}
			is := stream.CachedInfo()
			if is.Created.Equal(made) && is.State.LastSeq > before {
				left = max(int(is.State.LastSeq-before)-is.State.NumDeleted, 0) //nolint:gosec // few
			}
			return nil
		})
		return left, err
	}
	return w
}

// ledgerWitness commits rows by a session of its own, as the server has it: nothing makes its commits safer than they are.
func (s *Stack) ledgerWitness() *witness {
	var (
		w      = &witness{target: Postgres, first: make(chan struct{})}
		before int
		c      = s.o.Cluster
	)
	with := func(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
		return c.withConn(ctx, c.dsn(adminRole, c.admin, c.address(), s.database), do)
	}
	count := func(ctx context.Context, conn *pgx.Conn) (n int, err error) {
		err = conn.QueryRow(ctx, "SELECT count(*) FROM "+witnessTable).Scan(&n)
		return n, err
	}
	w.open = func(ctx context.Context) error {
		return with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+witnessTable+" (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
			if err == nil {
				before, err = count(ctx, conn)
			}
			return err
		})
	}
	w.write = func(ctx context.Context) error {
		return with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			for {
				if _, err := conn.Exec(ctx, "INSERT INTO "+witnessTable+" DEFAULT VALUES"); err != nil {
					return err
				}
				w.acknowledged()
			}
		})
	}
	w.left = func(ctx context.Context) (left int, err error) {
		err = with(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			n, err := count(ctx, conn)
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == undefinedTable {
				return nil // it was made, and is gone
			}
			left = max(n-before, 0)
			return err
		})
		return left, err
	}
	return w
}
