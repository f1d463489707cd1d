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
	exitUsage       = 2
	exitUnreachable = 6
)

// resumeTimeout bounds the one command that an operator waits for: messages that have to be stored again are about a thousand a second. It goes on where
// it stopped when it is typed again.
const resumeTimeout = 30 * time.Minute

func main() { os.Exit(run()) }

func run() int {
	cfg := app.DefaultConfig()
	if len(os.Args) > 1 && os.Args[1] == "resume" {
		return resume(&cfg, os.Args[2:])
	}
	return service.Main(service.Program{
		Name:   app.Name,
		Config: &cfg,
		Verbs:  []string{"resume PIPELINE             let a pipeline go on whose stream is not the one that was read"},
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

// resume runs `extractor resume PIPELINE`, with the configuration of the service.
func resume(cfg *app.Config, args []string) int {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		fmt.Fprintln(os.Stderr, "usage: extractor resume PIPELINE\n\n"+
			"Lets a pipeline go on that stopped because its stream was made again, shortened or put back: what is missing from it is given up.\n"+
			"Messages that nobody has read under sequences that were read are stored again behind them; publishers are refused meanwhile, and try again.\n"+
			"Configured by BULKHEAD_CONFIG or the environment, like the service.")
		return exitUsage
	}
	err := service.LoadConfig(os.Getenv("BULKHEAD_CONFIG"), cfg)
	if err == nil {
		err = cfg.Check()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "extractor: %v\n", err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), resumeTimeout)
	defer cancel()
	if err := app.Resume(ctx, *cfg, service.NewEnv(app.Name, os.Stderr, service.LogLevel()), args[0]); err != nil {
		fmt.Fprintf(os.Stderr, "extractor: %v\n", err)
		if errors.Is(err, app.ErrUnreachable) {
			return exitUnreachable
		}
		return exitFailed
	}
	return 0
}
