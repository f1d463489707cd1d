package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/bench/internal/floor"
	"bulkhead/services/e2e/bench/internal/others"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/report"
	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/origin"
)

// loadFlags say what is loaded, for every command that loads.
type loadFlags struct {
	frame, publishers int
	failing           float64
	chunk             people.Chunk
	keys              bool
	bin, buffers      string
	env               []string
}

func (o *loadFlags) add(cmd *cobra.Command, chunk people.Chunk) {
	f := cmd.Flags()
	f.IntVar(&o.frame, "frame", 500, "records in a frame")
	f.IntVar(&o.publishers, "publishers", 8, "frames that are on their way at a time")
	f.Float64Var(&o.failing, "failing", 0.05, "part of the rows that the org refuses when it sees them first")
	f.IntVar(&o.chunk.Rows, "chunk-rows", chunk.Rows, "rows of a chunk at most")
	f.Int64Var(&o.chunk.Bytes, "chunk-bytes", chunk.Bytes, "bytes of a chunk at most")
	f.DurationVar(&o.chunk.Age, "chunk-age", chunk.Age, "age at which a chunk is sealed though it is not full")
	f.BoolVar(&o.keys, "keys", false, "the publisher gives each record a key (default: it is made from the content)")
	f.StringVar(&o.bin, "bin", "", "directory with the programs that are measured (default: they are built)")
	f.StringVar(&o.buffers, "shared-buffers", "", "PostgreSQL's setting (default: that of one-machine mode, 128MB)")
	f.StringArrayVar(&o.env, "env", nil, "`NAME=VALUE` for every program that is measured, such as GOGC=50; may be repeated")
}

// binaries are built into a directory that goes at the end, unless one is named.
func (o *loadFlags) binaries(ctx context.Context) (bin string, done func(), err error) {
	if o.bin != "" {
		bin, err = filepath.Abs(o.bin)
		return bin, func() {}, err
	}
	dir, err := os.MkdirTemp("", "bulkhead-bench-bin-")
	if err != nil {
		return "", nil, fmt.Errorf("directory for programs: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) } // what is left of it is in the system's directory for that
	if err := parts.Build(ctx, dir); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

func (o *loadFlags) options(records int64, bin, self string) trial.Options {
	return trial.Options{
		Records: records, Frame: o.frame, Publishers: o.publishers, Failing: o.failing, Chunk: o.chunk, Keys: o.keys, Bin: bin, Self: self,
		SharedBuffers: o.buffers, Env: o.env,
	}
}

// words are the settings for people.
func (o *loadFlags) words() string {
	keys := "keys made from the content"
	if o.keys {
		keys = "keys given by the publisher"
	}
	return fmt.Sprintf("upserts of some 250 bytes, %.4g %% refused at first; frames of %d, %d on their way; chunks of %d rows, %d bytes or %s; %s%s",
		o.failing*100, o.frame, o.publishers, o.chunk.Rows, o.chunk.Bytes, o.chunk.Age, keys, strings.Join(append([]string{""}, o.env...), "; "))
}

type runFlags struct {
	loadFlags
	records []int64
	runs    int
	json    string
	profile string
	alone   bool
}

func newRun() *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Load records and say what that took",
		Long: `Load records and say what that took: records a second, CPU and memory by process, API calls, bytes. Every run is on a cluster, a broker and an
org that are new, and counts only when each record landed once. Without --alone what the same simulator costs a streaming loop and other clients
stands beside it.`,
		Example: `  bench run
  bench run --records 20000 --runs 1 --alone
  bench run --records 1000000 --runs 1 --alone --profile /tmp/profile
  bench run --records 200000 --env GOGC=50 --json fifty.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.add(cmd, people.Largest())
	f := cmd.Flags()
	f.Int64SliceVar(&o.records, "records", []int64{200_000, 1_000_000}, "how many records; may be repeated")
	f.IntVar(&o.runs, "runs", 3, "runs of each, of whose figures the medians are told")
	f.StringVar(&o.json, "json", "", "write every run and the medians into this `file`")
	f.StringVar(&o.profile, "profile", "", "write profiles and statistics of every part into this `directory`; costs some of what is measured")
	f.BoolVar(&o.alone, "alone", false, "leave out the streaming loop and other clients")
	return cmd
}

func (o *runFlags) check() error {
	for _, n := range o.records {
		if n < 1 {
			return usageError{fmt.Errorf("--records %d: at least 1", n)}
		}
	}
	switch {
	case o.runs < 1:
		return usageError{errors.New("--runs must be at least 1")}
	case o.profile != "" && (o.runs > 1 || len(o.records) > 1):
		return usageError{errors.New("--profile is for one run: give --runs 1 and one --records")}
	case o.failing < 0 || o.failing >= 1:
		return usageError{errors.New("--failing is a part: from 0 to below 1")}
	}
	return nil
}

func (o *runFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := o.check(); err != nil {
		return err
	}
	self, err := trial.Self()
	if err != nil {
		return err
	}
	rep := &report.Report{Command: "bench " + strings.Join(os.Args[1:], " "), Machine: origin.Machine(), Commit: origin.Commit(ctx), Settings: o.words()}
	bar := newBar(cmd.ErrOrStderr())
	defer bar.done()
	bar.phase("build", 0)
	bin, done, err := o.binaries(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = o.all(ctx, bin, self, bar, rep)
	bar.done()
	if err == nil || len(rep.Sizes) > 0 { // what was measured before something failed is told all the same
		fmt.Fprint(cmd.OutOrStdout(), rep.Table())
	}
	if err != nil || o.json == "" {
		return err
	}
	text, err := rep.JSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.json, text, 0o644); err != nil { //nolint:gosec // a report is no secret
		return fmt.Errorf("--json: %w", err)
	}
	return nil
}

// all makes every run that is asked for.
func (o *runFlags) all(ctx context.Context, bin, self string, bar *bar, rep *report.Report) error {
	for _, n := range o.records {
		if err := o.size(ctx, n, bin, self, bar, rep); err != nil {
			return err
		}
	}
	if o.alone {
		return nil
	}
	return o.others(ctx, bin, bar, rep)
}

func (o *runFlags) size(ctx context.Context, n int64, bin, self string, bar *bar, rep *report.Report) error {
	var runs []*trial.Result
	for i := range o.runs {
		name := fmt.Sprintf("%d records, run %d of %d", n, i+1, o.runs)
		bar.phase(name, n)
		opts := o.options(n, bin, self)
		opts.Progress = bar.at
		if o.profile != "" {
			dir, err := filepath.Abs(o.profile)
			if err != nil {
				return fmt.Errorf("--profile: %w", err)
			}
			opts.ProfileDir = dir
		}
		res, err := trial.Run(ctx, opts)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			if len(runs) > 0 {
				err = errors.Join(err, rep.Add(runs))
			}
			return err
		}
		runs = append(runs, res)
	}
	return rep.Add(runs)
}

// others loads the same records by other clients, on the same simulator.
func (o *runFlags) others(ctx context.Context, bin string, bar *bar, rep *report.Report) error {
	bar.phase("fetch other clients", 0)
	clients, leftOut := others.Find(ctx, bin)
	rep.LeftOut = leftOut
	for _, n := range o.records {
		if err := o.clients(ctx, n, bin, clients, bar, rep); err != nil {
			return err
		}
	}
	return nil
}

// clients loads n records by each client. The streaming loop is ours and must work; another one that does not is left out.
func (o *runFlags) clients(ctx context.Context, n int64, bin string, clients []trial.Client, bar *bar, rep *report.Report) error {
	dir, err := os.MkdirTemp("", "bulkhead-bench-csv-")
	if err != nil {
		return fmt.Errorf("directory for CSV: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left of it is in the system's directory for that
	files, _, err := floor.Write(dir, n)
	if err != nil {
		return err
	}
	load := func(c trial.Client) error {
		bar.phase(fmt.Sprintf("%s, %d records", c.Name, n), 0)
		res, err := trial.RunClient(ctx, c, bin, o.failing, n, files)
		if err == nil {
			rep.Clients = append(rep.Clients, res)
		}
		return err
	}
	if err := load(trial.Client{Name: "streaming loop", Command: []string{filepath.Join(bin, "loop")}}); err != nil {
		return err
	}
	for _, c := range clients {
		err := load(c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			rep.LeftOut = append(rep.LeftOut, fmt.Sprintf("%s, %d records: %s", c.Name, n, strings.Join(strings.Fields(err.Error()), " ")))
		}
	}
	return nil
}
