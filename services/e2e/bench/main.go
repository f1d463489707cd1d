package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitMisuse      = 2
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

// usageError is a command line that asks for what cannot be.
type usageError struct{ error }

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := &cobra.Command{
		Use:           "bench",
		Short:         "Measures what a record costs",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	root.CompletionOptions.HiddenDefaultCmd = true
	began := false // a command line that does not get as far is misuse
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	root.AddCommand(newRun(), newTrickle(), newStages(), newPublish())
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		fmt.Fprintln(errOut, "bench: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(errOut, "bench: %v\n", err)
	if !began || errors.As(err, &usageError{}) {
		return exitMisuse
	}
	return exitFailed
}
