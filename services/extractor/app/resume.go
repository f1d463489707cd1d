package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/extractor/internal/extract"
	"bulkhead/services/extractor/internal/store"
)

// ErrUnreachable marks that PostgreSQL or NATS cannot be reached.
var ErrUnreachable = errors.New("cannot be reached")

// Resume lets a pipeline go on that stopped because its stream was made again or shortened. It is a person's word that what is missing
// is lost; nothing else gives it. It takes longer where messages have to be stored again, and may be called again when it broke off.
func Resume(ctx context.Context, cfg Config, env service.Env, pipeline string) (err error) {
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("extractor configuration: %w", err)
	}
	db, conn, done, err := reach(ctx, cfg, env)
	if err != nil {
		return err
	}
	defer done()
	r, err := extract.Resume(ctx, store.New(db), conn, pipeline)
	if err != nil {
		return err
	}
	env.Logger.Warn("pipeline resumed", "pipeline", pipeline, "reads_after", r.After, "lanes_moved", r.Raised,
		"stored_again", r.Again.Messages(), "from_seq", r.Again.From, "through_seq", r.Again.Through, "behind_seq", r.Again.Behind,
		"missing", missing(r.Lost))
	return nil
}

// missing says which sequences were given up, as the log gives it.
func missing(lost []bus.Range) string {
	var out []string
	for _, l := range lost {
		out = append(out, fmt.Sprintf("%d-%d", l.From, l.Through))
	}
	return strings.Join(out, " ")
}

// reach opens ledger and broker for one action; done closes what it opened.
func reach(ctx context.Context, cfg Config, env service.Env) (db pg.DB, conn *bus.Conn, done func(), err error) {
	if f := cfg.Footing; f != nil {
		return f.DB, f.Bus, func() {}, nil
	}
	pool, err := pg.Open(ctx, cfg.DSN, pg.Options{AppName: "bulkhead-" + Name + "-resume", MaxConns: 2})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("ledger: %w", errors.Join(ErrUnreachable, err))
	}
	conn, err = bus.Connect(cfg.NATSURL, bus.ConnectOptions{Name: Name + "-resume", Logger: env.Logger})
	if err != nil {
		pool.Close()
		return nil, nil, nil, fmt.Errorf("broker: %w", errors.Join(ErrUnreachable, err))
	}
	return pool, conn, func() { conn.Close(); pool.Close() }, nil
}
