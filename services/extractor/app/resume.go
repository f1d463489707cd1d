package app

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/extractor/internal/extract"
	"bulkhead/services/extractor/internal/store"
)

// ErrUnreachable marks that PostgreSQL or NATS cannot be reached.
var ErrUnreachable = errors.New("cannot be reached")

// Resume lets a pipeline go on that stopped because its stream was made again or shortened. It is a person's word that what is missing
// is lost; nothing else gives it.
func Resume(ctx context.Context, cfg Config, env service.Env, pipeline string) (err error) {
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("extractor configuration: %w", err)
	}
	db, err := pg.Open(ctx, cfg.DSN, pg.Options{AppName: "bulkhead-" + Name + "-resume", MaxConns: 2})
	if err != nil {
		return fmt.Errorf("ledger: %w", errors.Join(ErrUnreachable, err))
	}
	defer db.Close()
	conn, err := bus.Connect(cfg.NATSURL, bus.ConnectOptions{Name: Name + "-resume", Logger: env.Logger})
	if err != nil {
		return fmt.Errorf("broker: %w", errors.Join(ErrUnreachable, err))
	}
	defer conn.Close()
	info, err := bus.Info(ctx, conn, bus.RecordsStream(pipeline))
	if err != nil {
		return err
	}
	r, err := extract.Resume(ctx, store.New(db), info, pipeline)
	if err != nil {
		return err
	}
	env.Logger.Warn("pipeline resumed", "pipeline", pipeline, "reads_after", r.After, "lanes_moved", r.Raised)
	return nil
}
