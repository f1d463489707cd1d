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
	ctx, stop := untilSignal()
	defer stop()
	return cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// untilSignal gives a context that ends with the first Ctrl-C or SIGTERM. From then on another one ends the process at once: a person who asks twice does
// not want to wait for what the first one began, whatever holds that up.
func untilSignal() (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals) // before the context ends, so that whoever saw it end may rely on it
		cancel()
	}()
	return ctx, cancel
}
