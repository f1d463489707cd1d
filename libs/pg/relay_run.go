package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Run publishes until ctx is done: woken by each Enqueue's notification and by the sweep. It never gives up; a database
// or broker that is away is tried again with growing waits. It returns nil.
func (r *Relay) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		r.listen(ctx, wake)
	}()
	defer func() { <-listening }()
	failures, said := 0, ""
	for ctx.Err() == nil {
		n, err := r.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			// A family's failure is logged, with its own wait, by the pass; what is left to say here is the database's.
			if len(r.fails) == 0 && err.Error() != said {
				r.o.Logger.WarnContext(ctx, "outbox cannot be read", "schema", r.schema, "error", err)
				said = err.Error()
			}
		default:
			failures, said = 0, ""
		}
		if n > 0 {
			continue
		}
		wait := r.o.Every
		if failures > 0 && len(r.fails) == 0 {
			wait = max(wait, r.backoff(failures))
		}
		if !pause(ctx, wait, wake) {
			return nil
		}
	}
	return nil
}

// listen keeps a connection of its own on which the notifications arrive. While it is away the sweep does the work.
func (r *Relay) listen(ctx context.Context, wake chan<- struct{}) {
	for failures := 0; ctx.Err() == nil; {
		err := r.listenOnce(ctx, wake, func() { failures = 0 })
		if ctx.Err() != nil {
			return
		}
		failures++
		r.o.Logger.DebugContext(ctx, "outbox listener is away, the sweep goes on", "schema", r.schema, "error", err)
		if !pause(ctx, r.backoff(failures), nil) {
			return
		}
	}
}

func (r *Relay) listenOnce(ctx context.Context, wake chan<- struct{}, connected func()) error {
	heard := func() {
		connected()
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	switch db := r.pool.(type) {
	case listener:
		return db.Listen(ctx, outboxChannel(r.schema), heard)
	case *pgxpool.Pool:
		return listen(ctx, db.Config().ConnConfig, outboxChannel(r.schema), heard)
	}
	return fmt.Errorf("listen: a ledger of type %T cannot", r.pool)
}

// listen keeps a connection of its own, and calls heard once after LISTEN too: what was committed just before it told nobody.
func listen(ctx context.Context, config *pgx.ConnConfig, channel string, heard func()) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		heard()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("wait for a notification: %w", err)
		}
	}
}

// backoff is the wait after so many failures in a row, with jitter.
func (r *Relay) backoff(failures int) time.Duration {
	wait := min(r.o.MaxBackoff, 50*time.Millisecond<<min(failures, 16))
	return wait/2 + time.Duration(r.o.Random()*float64(wait/2))
}

// pause waits, or until it is woken, and says whether to go on.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}
