// Command extractor reads each pipeline's records, refuses what cannot be sent, recognises repeats, and seals the rest into chunks.
// `extractor migrate` makes its schema current. `extractor resume PIPELINE` lets a pipeline go on that stopped because its stream was
// made again, shortened or put back.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/extractor/app"
)

// Exit codes, the same as of every command.
const (
	exitFailed      = 1
	exitUnreachable = 6
	exitInterrupted = 130
)

// resumeTimeout bounds the one command that an operator waits for: messages that have to be stored again are about a thousand a second. It goes on where
// it stopped when it is typed again.
const resumeTimeout = 30 * time.Minute

func main() { os.Exit(run()) }

func run() int {
	cfg := app.DefaultConfig()
	return service.Main(service.Program{
		Name:   app.Name,
		Config: &cfg,
		Verbs: []service.Verb{{
			Name: "resume", Argument: "PIPELINE", Short: "let a pipeline go on whose stream is not the one that was read",
			Long: "lets a pipeline go on that stopped because its stream was made again, shortened or put back: what is missing from it is given up.\n" +
				"Messages that nobody has read under sequences that were read are stored again behind them; publishers are refused meanwhile, and try again.\n" +
				"It is configured like the service, which may run beside it, and is typed again when it broke off.",
			Run: func(ctx context.Context, env service.Env, name string) int { return resume(ctx, cfg, env, name) },
		}},
		Migrate: func(ctx context.Context, adminDSN, rolePassword string) error {
			return pg.Install(ctx, adminDSN, rolePassword, app.Migrations())
		},
		Run: func(ctx context.Context, env service.Env) error {
			a, err := app.New(ctx, cfg, env)
			if err != nil {
				return err
			}
			return a.Run(ctx)
		},
	})
}

// resume runs `extractor resume PIPELINE`.
func resume(ctx context.Context, cfg app.Config, env service.Env, name string) int {
	ctx, cancel := context.WithTimeout(ctx, resumeTimeout)
	defer cancel()
	err := app.Resume(ctx, cfg, env, name)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "extractor: %v\n", err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return exitInterrupted
	case errors.Is(err, app.ErrUnreachable):
		return exitUnreachable
	default:
		return exitFailed
	}
}
