package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/power"
	"bulkhead/services/e2e/chaos/internal/report"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/origin"
)

func newPower() *cobra.Command {
	o := powerFlags{targets: history.CutTargets()}
	cmd := &cobra.Command{
		Use:   "power",
		Short: "Cut the power of NATS and PostgreSQL, again and again",
		Long: `Cut the power of NATS, of PostgreSQL, of both at the same moment, and of the whole machine, while records flow: what a server wrote and had not
synced is lost, and it starts again on what its disk had. The judge says what became of each record; beside it a witness writes to the servers until
the moment of each cut, and looks whether everything that was acknowledged is there.

With --unsafe a server is given settings that acknowledge before they sync (sync_interval of two minutes; synchronous_commit off), and the runs end
with the first that finds a loss: exit code 0 when one was found, 1 when not.

Servers write to file systems of their own, which takes root and loop devices.`,
		Example: `  chaos power --rounds 50
  chaos power --rounds 20 --targets machine
  chaos power --rounds 10 --unsafe nats`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.IntVar(&o.rounds, "rounds", 50, "how many cuts there are")
	f.Uint64Var(&o.first, "first", 1, "the seed of the first run; the others follow it")
	f.StringSliceVar(&o.targets, "targets", o.targets, "who loses power, dealt evenly: "+strings.Join(history.CutTargets(), ", "))
	f.StringVar(&o.unsafe, "unsafe", "", fmt.Sprintf("give this server unsafe settings, and find what that loses: %s or %s", stack.NATS, stack.Postgres))
	f.StringVar(&o.keep, "keep", defaultKeep(), "directory under which runs are kept, in one of their own for each call; disks are there too")
	f.BoolVar(&o.keepAll, "keep-all", false, "keep everything of runs that passed too")
	f.StringVar(&o.report, "report", "", "write the report to this name with .json and .md behind it (default: report in the directory of the runs)")
	f.StringVar(&o.bin, "bin", "", "directory with the binaries under test (default: they are built)")
	return cmd
}

// powerFlags are those of the command power, and of them those that it shares with run.
type powerFlags struct {
	runFlags
	rounds  int
	targets []string
	unsafe  string
}

func (o *powerFlags) check() error {
	if o.rounds < 1 {
		return errors.New("--rounds must be at least 1")
	}
	for _, t := range o.targets {
		if !slices.Contains(history.CutTargets(), t) {
			return fmt.Errorf("--targets: nobody is called %q: %s", t, strings.Join(history.CutTargets(), ", "))
		}
	}
	switch {
	case len(o.targets) == 0:
		return errors.New("--targets names nobody")
	case o.unsafe != "" && o.unsafe != stack.NATS && o.unsafe != stack.Postgres:
		return fmt.Errorf("--unsafe: %s or %s", stack.NATS, stack.Postgres)
	}
	return nil
}

func (o *powerFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := o.check(); err != nil {
		return err
	}
	dir, err := o.session()
	if err != nil {
		return err
	}
	plans := power.Plans(o.first, o.rounds, o.targets, o.unsafe)
	bin, err := o.binaries(ctx, dir, plans)
	if err != nil {
		return err
	}
	bar := newBar(cmd.ErrOrStderr(), len(plans))
	outcome, err := drive.Many(ctx, drive.Set{
		Plans: plans, Dir: dir, Bin: bin, Jobs: 1, KeepAll: o.keepAll, UntilFound: o.unsafe != "",
		Commit: origin.Commit(ctx), Machine: origin.Machine(), Out: bar.above(cmd.OutOrStdout()), Phase: bar.phase,
	})
	bar.done()
	if o.bin == "" {
		err = errors.Join(err, os.RemoveAll(bin)) // they are large, and made again by the next call
	}
	if err != nil {
		return err
	}
	return o.sumUp(cmd, dir, outcome)
}

// sumUp writes the report and says how it ended.
func (o *powerFlags) sumUp(cmd *cobra.Command, dir string, outcome drive.Outcome) error {
	r := report.New(typed(), nil, nil)
	r.Retried = outcome.Retried
	sum := power.NewSum()
	for i, d := range outcome.Dirs {
		if d == "" {
			continue
		}
		if err := r.Add(d); err != nil {
			return err
		}
		if outcome.Verdicts[i].Checked == nil {
			continue // it told nothing
		}
		if err := sum.Add(d); err != nil {
			return err
		}
	}
	r.Done()
	if sum.Cuts < sum.Planned {
		r.Gaps = append(r.Gaps, fmt.Sprintf("%d of %d power cuts happened", sum.Cuts, sum.Planned))
	}
	name := o.report
	if name == "" {
		name = filepath.Join(dir, "report")
	}
	if err := writeReport(cmd, r, name); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), sum.Line())
	if o.unsafe == "" {
		return verdictOf(r)
	}
	for _, v := range outcome.Verdicts {
		if n := losses(v); n > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "unsafe %s: its losses were found, %d findings\n", o.unsafe, n)
			return nil
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "unsafe %s: no loss was found in %d power cuts\n", o.unsafe, sum.Cuts)
	return errFound
}

// losses are the findings that say that something acknowledged is gone.
func losses(v history.Verdict) int {
	n := 0
	for _, f := range v.Findings {
		if f.Name == "lost" {
			n++
		}
	}
	return n
}
