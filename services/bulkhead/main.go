// Command bulkhead is the binary that people run: the operator's command line against ops' API, the simulator, and the
// all-in-one mode that starts every service in one process for laptops and demos.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"bulkhead/services/bulkhead/internal/cli"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
