// Command ops holds the definitions and the streams, follows the dead letters, and serves the operator's API. `ops migrate` makes its
// schema current.
package main

import (
	"context"
	"os"

	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/ops/app"
)

func main() { os.Exit(run()) }

func run() int {
	config := app.DefaultConfig()
	return service.Main(service.Program{
		Name:   "ops",
		Config: &config,
		Migrate: func(ctx context.Context, adminDSN, rolePassword string) error {
			return pg.Install(ctx, adminDSN, rolePassword, app.Migrations())
		},
		Run: func(ctx context.Context, env service.Env) error {
			a, err := app.New(ctx, config, env)
			if err != nil {
				return err
			}
			return a.Run(ctx)
		},
	})
}
