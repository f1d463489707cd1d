// Command loop loads files of CSV into an org and reads the results, and does nothing else: what the package floor says, as a small process of its own.
//
//	loop URL CLIENT-ID CLIENT-SECRET FILE...
//
// The last line of stdout is one JSON object; what its members mean stands in the package floor.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"bulkhead/services/e2e/bench/internal/floor"
)

func main() {
	os.Exit(run())
}

func run() int {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: loop URL CLIENT-ID CLIENT-SECRET FILE...")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out, err := floor.Run(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loop:", err)
		return 1
	}
	return 0
}
