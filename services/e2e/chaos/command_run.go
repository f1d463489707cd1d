package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/plan"
	"bulkhead/services/e2e/chaos/internal/report"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/origin"
)

// runFlags are those of the command run.
type runFlags struct {
	seeds    int
	first    uint64
	seed     uint64
	kept     bool
	points   bool
	planFile string
	jobs     int
	keep     string
	keepAll  bool
	report   string
	bin      string
	planted  string
	nats     int
	complete bool
}

func newRun() *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Make runs from seeds, a line each",
		Long: `Make runs from seeds. Each seed decides the load and the faults of its run, and prints one line. A run with findings prints them, and keeps
everything that is needed to judge it again; of others only what a report needs is kept.

With --points there are no seeds, but runs in which the services die at one crash point after the other, until they died at each. From 200
seeds on, and with --complete, such runs follow for the points that no seed died at.

With --nats 3 the broker is a cluster of three servers, with three replicas of each stream, and its nodes are killed, cut off, emptied and restarted.

With --planted the processes contain that bug, and the runs end with the first that finds it: exit code 0 when it was found, 1 when not.`,
		Example: `  chaos run --seeds 200 --report report
  chaos run --seed 17
  chaos run --points
  chaos run --seeds 20 --nats 3
  chaos run --planted ack_before_commit --seeds 50`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.IntVar(&o.seeds, "seeds", 20, "how many seeds are run")
	f.Uint64Var(&o.first, "first", 1, "the first of them; the others follow it")
	f.Uint64Var(&o.seed, "seed", 0, "run this seed alone and keep everything")
	f.BoolVar(&o.kept, "kept", false, "run the seeds that once failed, instead of others")
	f.BoolVar(&o.points, "points", false, "make runs that are about crash points alone, instead of seeds; their seeds begin with --first")
	f.StringVar(&o.planFile, "plan", "", "run the plan in this file, such as plan.json of a run that was kept")
	f.IntVar(&o.jobs, "jobs", 1, "runs at a time; times are comparable only with 1")
	f.StringVar(&o.keep, "keep", defaultKeep(), "directory under which runs are kept, in one of their own for each call")
	f.BoolVar(&o.keepAll, "keep-all", false, "keep everything of runs that passed too")
	f.StringVar(&o.report, "report", "", "write the report to this name with .json and .md behind it (default: report in the directory of the runs)")
	f.StringVar(&o.bin, "bin", "", "directory with the binaries under test (default: they are built)")
	f.StringVar(&o.planted, "planted", "", "build the processes with this planted bug, and find it")
	f.IntVar(&o.nats, "nats", 1, "servers of the broker: 1, or 3 for a cluster")
	f.BoolVar(&o.complete, "complete", false, fmt.Sprintf("fail when a kind of fault struck too seldom, a crash point was not died at, or runs were too few, too small or too slow; always so from %d seeds on", completeFrom))
	cmd.MarkFlagsMutuallyExclusive("seed", "seeds", "kept", "plan", "points")
	for _, own := range []string{"kept", "plan", "points"} { // what they run says by itself on what
		cmd.MarkFlagsMutuallyExclusive("nats", own)
	}
	return cmd
}

func (o *runFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	declared, err := points()
	if err != nil {
		return err
	}
	oneSeed := cmd.Flags().Changed("seed")
	plans, err := o.plans(declared, oneSeed)
	if err != nil {
		return err
	}
	dir, err := o.session()
	if err != nil {
		return err
	}
	bin, err := o.binaries(ctx, dir, plans)
	if err != nil {
		return err
	}
	bar := newBar(cmd.ErrOrStderr(), len(plans))
	set := drive.Set{
		Plans: plans, Dir: dir, Bin: bin, Jobs: o.jobs, KeepAll: o.keepAll || oneSeed, UntilFound: o.planted != "",
		Commit: origin.Commit(ctx), Machine: origin.Machine(), Out: bar.above(cmd.OutOrStdout()), Phase: bar.phase,
	}
	outcome, err := drive.Many(ctx, set)
	if err == nil && o.planted == "" && (o.points || o.all(len(plans))) {
		outcome, err = sweep(ctx, set, o.first+uint64(len(plans)), declared, outcome)
	}
	bar.done()
	if o.bin == "" {
		// They are large, and made again by the next call.
		if removed := os.RemoveAll(bin); removed != nil && err == nil {
			err = removed
		}
	}
	if err != nil {
		return err
	}
	if o.planted != "" {
		return o.verdictOnInstrument(cmd, outcome)
	}
	return o.sumUp(cmd, dir, declared, outcome)
}

// all says that so many runs must have tried everything.
func (o *runFlags) all(runs int) bool { return o.complete || runs >= completeFrom }

// defaultKeep is where runs are kept unless told otherwise.
func defaultKeep() string { return filepath.Join(os.TempDir(), "bulkhead-chaos") }

// session makes the directory of this call.
func (o *runFlags) session() (string, error) {
	root, err := filepath.Abs(o.keep)
	if err != nil {
		return "", fmt.Errorf("--keep: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("--keep: %w", err)
	}
	dir, err := os.MkdirTemp(root, time.Now().Format("20060102-150405-"))
	if err != nil {
		return "", fmt.Errorf("--keep: %w", err)
	}
	// The database server runs as an account of its own where this one is root, and must be able to reach its files below.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("--keep: %w", err)
	}
	return dir, nil
}

// binaries builds what is put under test, unless it is there.
func (o *runFlags) binaries(ctx context.Context, dir string, plans []history.Plan) (string, error) {
	if o.bin != "" {
		return filepath.Abs(o.bin)
	}
	bin := filepath.Join(dir, "bin")
	var tags []string
	if o.planted != "" || len(plans) > 0 && plans[0].Planted != "" {
		tags = append(tags, "planted")
	}
	if err := stack.Build(ctx, bin, tags...); err != nil {
		return "", fmt.Errorf("build the binaries under test: %w", err)
	}
	return bin, nil
}

// verdictOnInstrument says whether a planted bug was found.
func (o *runFlags) verdictOnInstrument(cmd *cobra.Command, outcome drive.Outcome) error {
	for i, v := range outcome.Verdicts {
		if len(v.Findings) == 0 {
			continue
		}
		var said []string
		for _, f := range v.Findings {
			if word := f.Invariant + " " + f.Name; !slices.Contains(said, word) {
				said = append(said, word)
			}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "planted %s: found by seed %d, the %d. run: %s\n", o.planted, v.Seed, i+1, strings.Join(said, ", "))
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "planted %s: not found in %d runs (%d told nothing)\n", o.planted, len(outcome.Verdicts), outcome.Harness)
	return errFound
}

// sumUp writes the report and says how it ended.
func (o *runFlags) sumUp(cmd *cobra.Command, dir string, declared []plan.Point, outcome drive.Outcome) error {
	names := pointNames(declared)
	var demands *report.Demands
	switch {
	case o.points:
		demands = &report.Demands{Points: demandedPoints(declared)}
	case o.all(len(outcome.Dirs)):
		demands = demandsOf(declared, o.nats > 1)
	}
	r := report.New(typed(), names, demands)
	r.Retried = outcome.Retried
	for _, d := range outcome.Dirs {
		if d == "" {
			continue
		}
		if err := r.Add(d); err != nil {
			return err
		}
	}
	r.Done()
	name := o.report
	if name == "" {
		name = filepath.Join(dir, "report")
	}
	if err := writeReport(cmd, r, name); err != nil {
		return err
	}
	return verdictOf(r)
}

func pointNames(declared []plan.Point) []string {
	var out []string
	for _, p := range declared {
		out = append(out, p.Name)
	}
	return out
}

// demandedPoints are those that runs can bring about.
func demandedPoints(declared []plan.Point) []string {
	return pointNames(slices.DeleteFunc(slices.Clone(declared), func(p plan.Point) bool { return !plan.Swept(p) }))
}

// writeReport stores both forms and prints the way to them.
func writeReport(cmd *cobra.Command, r *report.Report, name string) error {
	text, err := r.JSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".json", text, 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.WriteFile(name+".md", []byte(r.Page()), 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s; report: %s.md and .json\n", r.Headline(), name)
	return nil
}

// verdictOf is the exit code of a report.
func verdictOf(r *report.Report) error {
	switch {
	case r.OK():
		return nil
	case r.Failed > 0 || r.Harness == 0:
		return errFound
	default:
		return fmt.Errorf("%d runs told nothing", r.Harness)
	}
}
