// Command retrier sends records again that did not land: later, regrouped, or never. `retrier migrate` makes its schema current.
package main

import (
	"context"
	"os"

	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/retrier/app"
)

func main() { os.Exit(run()) }

func run() int {
	var config app.Config
	return service.Main(service.Program{
		Name:   "retrier",
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
