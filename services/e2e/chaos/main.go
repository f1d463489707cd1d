package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/report"
)

// Exit codes.
const (
	exitPassed      = 0
	exitFound       = 1
	exitHarness     = 2
	exitInterrupted = 130
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// typed is the command line of this process as somebody would type it in the repository, for reports.
func typed() string {
	return "go run ./services/e2e/chaos " + strings.Join(os.Args[1:], " ")
}

// errFound says that the runs themselves have told what is wrong: nothing more is printed.
var errFound = errors.New("found")

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := &cobra.Command{
		Use:           "chaos",
		Short:         "Tries what Bulkhead promises: seeded faults, real processes, an independent judge",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(), newJudge(), newShrink(), newReport(), newPlan(), newOutage(), newPower(), newSoak())
	err := root.ExecuteContext(ctx)
	var h *drive.Harness
	switch {
	case err == nil:
		return exitPassed
	case errors.Is(err, errFound):
		return exitFound
	case ctx.Err() != nil && !errors.As(err, &h):
		fmt.Fprintln(errOut, "chaos: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintf(errOut, "chaos: %s\n", report.Line(err.Error()))
		return exitHarness
	}
}
