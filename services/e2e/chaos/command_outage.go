package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/outage"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/origin"
)

func newOutage() *cobra.Command {
	var o runFlags
	m := outage.Options{}
	cmd := &cobra.Command{
		Use:   "outage",
		Short: "Measure how soon full speed is back after the org was away",
		Long: `Publish records at a steady rate, take the org away for two minutes, and measure how long it takes until as many records land in a second as
before, but for a tenth. Processes have the product's own waits. It takes about six minutes, and fails when it takes too long, or when not
everything that was published has landed in the end.`,
		Example: `  chaos outage
  chaos outage --how unavailable --report docs/outage`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runOutage(cmd, o, m) },
	}
	f := cmd.Flags()
	f.StringVar(&m.How, "how", outage.Refused, fmt.Sprintf("%s: nobody takes connections; %s: every answer is 503", outage.Refused, outage.Unavailable))
	f.DurationVar(&m.Away, "away", 2*time.Minute, "how long the org is away")
	f.DurationVar(&m.Within, "within", time.Minute, "the time in which full speed must be back")
	f.DurationVar(&m.Warm, "warm", 30*time.Second, "how long records are published before speed is measured")
	f.DurationVar(&m.Before, "before", time.Minute, "how long speed is measured before the org is away")
	f.IntVar(&m.Rate, "rate", 300, "how many records are published in a second")
	f.StringVar(&o.keep, "keep", defaultKeep(), "directory under which logs are kept, in one of their own for each call")
	f.StringVar(&o.report, "report", "", "write the figures to this name with .json behind it (default: outage in the directory of the logs)")
	f.StringVar(&o.bin, "bin", "", "directory with the binaries under test (default: they are built)")
	return cmd
}

func runOutage(cmd *cobra.Command, o runFlags, m outage.Options) (err error) {
	ctx := cmd.Context()
	if m.Rate < 1 || m.Away <= 0 || m.Within <= 0 || m.Before <= 0 || m.Warm < 0 {
		return errors.New("--rate, --away, --within and --before must be more than nothing, and --warm at least that")
	}
	session, err := o.session()
	if err != nil {
		return err
	}
	if m.Bin, err = o.binaries(ctx, session, nil); err != nil {
		return err
	}
	if o.bin == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(m.Bin)) }() // they are large, and made again by the next call
	}
	data := filepath.Join(session, "cluster")
	if m.Cluster, err = stack.OpenCluster(ctx, data); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Cluster.Close(context.WithoutCancel(ctx)), os.RemoveAll(data)) }()
	m.Dir = session
	m.Said = func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }
	figures, err := outage.Run(ctx, m)
	if err != nil {
		return fmt.Errorf("%w; kept in %s", err, session)
	}
	figures.Commit, figures.Machine = origin.Commit(ctx), origin.Machine()
	name := o.report
	if name == "" {
		name = filepath.Join(session, "outage")
	}
	if err := history.WriteJSON(name+".json", figures); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s for %.0f s: %.0f records a second before, full speed after %.1f s; %d published, %d landed, %d dead; figures: %s.json\n",
		figures.How, figures.AwaySeconds, figures.Before, figures.BackSeconds, figures.Published, figures.Landed, figures.Dead, name)
	for _, w := range figures.Wrong {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", w)
	}
	if len(figures.Wrong) > 0 {
		return errFound
	}
	return nil
}
