// Command submitter carries sealed chunks to Salesforce by Bulk API 2.0, each once. `submitter migrate` makes its schema current. See package
// submit for the protocol.
package main

import (
	"context"
	"os"

	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/services/submitter/app"
)

func main() {
	cfg := app.DefaultConfig()
	os.Exit(service.Main(service.Program{
		Name:   app.Name,
		Config: &cfg,
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
	}))
}
