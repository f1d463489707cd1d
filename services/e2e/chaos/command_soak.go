package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/soak"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/internal/marked"
	"bulkhead/services/e2e/internal/progress"
	"bulkhead/services/e2e/origin"
)

// soakCommand names the place of the report on a page.
const soakCommand = "chaos soak"

// soakFlags are those of the command soak, and of them those that it shares with run.
type soakFlags struct {
	runFlags
	soak     soak.Options
	failing  float64
	markdown string
}

func newSoak() *cobra.Command {
	var o soakFlags
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Carry millions of records while one process after the other is killed",
		Long: `Publish records as fast as they are taken, of which some fail at first, and kill one process at steady intervals: each service, the broker and the
ledger in turn, in an order that the seed decides. In the end every record is looked for: in the balance, in the org, among the dead letters. While records
are published, memory, goroutines, open files, sessions, leases and whatever must not pile up are looked at every few seconds, and must stay flat.

Processes have the product's own waits, NATS syncs every write, and so does PostgreSQL. Ten million records take some ten minutes, 10 GB of disk and 8 GB of
memory, most of it the simulated org's. It fails (exit code 1) when anything is missing, twice there, stale or grown; and when too little was seen to say
so, or not everything was killed, unless it was to be --brief.`,
		Example: `  chaos soak
  chaos soak --records 300000 --kill-every 5s --sample 1s --brief
  chaos soak --seed 7 --failing 10
  chaos soak --markdown docs/reliability.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.Int64Var(&o.soak.Load.Records, "records", 10_000_000, "how many records are published")
	f.Float64Var(&o.failing, "failing", 2, "of a hundred records, how many fail at first: most meet a lock and land later, 15 in a hundred of them die")
	f.DurationVar(&o.soak.Every, "kill-every", 20*time.Second, "the time from one kill to the next")
	f.Uint64Var(&o.soak.Seed, "seed", 1, "decides who is killed when")
	f.DurationVar(&o.soak.Sample, "sample", 5*time.Second, "the time from one look at all processes to the next")
	f.Int64Var(&o.soak.Rate, "rate", 0, "records a second that are published at most; 0: as many as are taken")
	f.BoolVar(&o.soak.Brief, "brief", false, "do not demand that it lasts long enough to say what is flat, nor that everything is killed")
	f.StringVar(&o.markdown, "markdown", "", "write the report into this `file`, or to its place in it if it is a page that has one")
	f.StringVar(&o.keep, "keep", defaultKeep(), "directory under which samples and logs are kept, in one of their own for each call")
	f.StringVar(&o.bin, "bin", "", "directory with the binaries under test (default: they are built)")
	return cmd
}

func (o *soakFlags) check() error {
	parts := o.failing * 100
	switch {
	case o.soak.Load.Records < 1:
		return errors.New("--records must be at least 1")
	case o.failing < 0 || o.failing > 100 || math.Abs(parts-math.Round(parts)) > 1e-6:
		return errors.New("--failing is of a hundred records: from 0 to 100, in steps of a hundredth")
	case o.soak.Every <= 0 || o.soak.Sample <= 0:
		return errors.New("--kill-every and --sample must be more than nothing")
	case o.soak.Rate < 0:
		return errors.New("--rate must be at least 0")
	}
	o.soak.Load.Failing = int(math.Round(parts))
	if o.markdown == "" {
		return nil
	}
	if err := marked.Check(o.markdown, soakCommand); err != nil { // not after minutes
		return fmt.Errorf("--markdown: %w", err)
	}
	return nil
}

func (o *soakFlags) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	if err := o.check(); err != nil {
		return err
	}
	session, err := o.session()
	if err != nil {
		return err
	}
	disk, err := origin.Disk(session)
	if err != nil {
		return err
	}
	bar := progress.New(cmd.ErrOrStderr())
	defer bar.Done()
	bar.Phase("build", 0)
	if o.soak.Bin, err = o.binaries(ctx, session, nil); err != nil {
		return err
	}
	if o.bin == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(o.soak.Bin)) }() // they are large, and made again by the next call
	}
	data := filepath.Join(session, "cluster")
	if o.soak.Cluster, err = stack.OpenCluster(ctx, data); err != nil {
		return err
	}
	defer func() {
		left := filepath.Join(session, stack.NATS)
		err = errors.Join(err, o.soak.Cluster.Close(context.WithoutCancel(ctx)), keepLog(session, data), os.RemoveAll(data), os.RemoveAll(left))
	}()
	o.soak.Dir, o.soak.Phase, o.soak.At, o.soak.Said = session, bar.Phase, bar.At, bar.Said
	res, err := soak.Run(ctx, o.soak)
	bar.Done()
	if err != nil {
		return fmt.Errorf("%w; kept in %s", err, session)
	}
	res.Command, res.Commit, res.Machine, res.Disk = typed(), origin.Commit(ctx), origin.Machine(), disk
	res.Date = time.Now().UTC().Format(time.DateOnly)
	return o.tell(cmd, session, &res)
}

// keepLog puts what PostgreSQL wrote beside the logs of the others.
func keepLog(session, data string) error {
	err := os.Rename(filepath.Join(data, "postgres.log"), filepath.Join(session, history.LogsDir, "postgres.log"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // it did not come that far
	}
	return err
}

// tell keeps the result, and says how it ended.
func (o *soakFlags) tell(cmd *cobra.Command, session string, res *soak.Result) error {
	if err := history.WriteJSON(filepath.Join(session, soak.ResultFile), res); err != nil {
		return err
	}
	if o.markdown != "" {
		if err := marked.Write(o.markdown, soakCommand, res.Markdown()); err != nil {
			return fmt.Errorf("--markdown: %w", err)
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s; kept in %s\n", res.Markdown(), res.Line(), session)
	if len(res.Findings) > 0 {
		return errFound
	}
	return nil
}
