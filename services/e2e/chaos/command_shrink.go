package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/report"
	"bulkhead/services/e2e/chaos/internal/shrink"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/origin"
)

func newShrink() *cobra.Command {
	var (
		o    runFlags
		opts shrink.Options
	)
	cmd := &cobra.Command{
		Use:   "shrink DIR",
		Short: "Find which faults of a failing run it takes",
		Long: `Run the plan of a failing run again and again with fewer faults, and print the smallest plan that still fails in the same way. Processes do
not repeat themselves exactly: a fault counts as needed when a number of tries without it passed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runShrink(cmd, args[0], o, opts) },
	}
	f := cmd.Flags()
	f.IntVar(&opts.Tries, "tries", 2, "tries without a fault that must pass before it counts as needed")
	f.IntVar(&opts.Runs, "runs", 40, "runs in all")
	f.StringVar(&o.keep, "keep", filepath.Join(defaultKeep(), "shrink"), "directory under which the runs are kept")
	f.StringVar(&o.bin, "bin", "", "directory with the binaries under test (default: they are built)")
	return cmd
}

func runShrink(cmd *cobra.Command, dir string, o runFlags, opts shrink.Options) (err error) {
	ctx := cmd.Context()
	p, err := history.ReadJSON[history.Plan](filepath.Join(dir, history.PlanFile))
	if err != nil {
		return err
	}
	v, err := history.ReadJSON[history.Verdict](filepath.Join(dir, history.VerdictFile))
	if err != nil {
		return err
	}
	if len(v.Findings) == 0 {
		return fmt.Errorf("%s passed: there is nothing to shrink", dir)
	}
	var names []string
	for _, f := range v.Findings {
		names = append(names, f.Name)
	}
	session, err := o.session()
	if err != nil {
		return err
	}
	o.planted = p.Planted
	bin, err := o.binaries(ctx, session, []history.Plan{p})
	if err != nil {
		return err
	}
	cluster, err := stack.OpenCluster(ctx, filepath.Join(session, "cluster"))
	if err != nil {
		return err
	}
	defer func() {
		if closed := cluster.Close(context.WithoutCancel(ctx)); closed != nil && err == nil {
			err = closed
		}
	}()
	n := 0
	try := func(ctx context.Context, p history.Plan) ([]history.Finding, error) {
		n++
		at := filepath.Join(session, fmt.Sprintf("try-%d", n))
		v, err := drive.Run(ctx, drive.Options{
			Plan: p, Dir: at, Bin: bin, Cluster: cluster, Commit: origin.Commit(ctx), Machine: origin.Machine(),
		})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "try %d: %d faults, %d findings (%s)\n", n, len(p.Faults), len(v.Findings), at)
		return v.Findings, nil
	}
	opts.Said = func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) }
	r, err := shrink.Smallest(ctx, p, names, try, opts)
	if err != nil {
		return err
	}
	small := filepath.Join(session, "plan.json")
	if err := history.WriteJSON(small, r.Plan); err != nil {
		return err
	}
	done := "each of them is needed"
	if !r.Complete {
		done = "not all of them were tried without: the bound of runs was reached"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d of %d faults left after %d runs; %s\n", len(r.Plan.Faults), len(p.Faults), r.Runs, done)
	for _, f := range r.Plan.Faults {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s at %.0f ms: %s %s %s%s\n", f.ID, f.At, f.Kind, f.Target, f.Point, f.OrgKind)
	}
	for i, f := range r.Findings {
		if i == 5 {
			break
		}
		fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", report.Sentence(f))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "once more: chaos run --plan %s\n", small)
	return nil
}
