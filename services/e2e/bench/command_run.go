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
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/report"
	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/internal/marked"
	"bulkhead/services/e2e/internal/progress"
	"bulkhead/services/e2e/origin"
)

type runFlags struct {
	loadFlags
	records  []int64
	runs     int
	growth   bool
	bounds   bool
	load     bool
	largest  bool
	json     string
	markdown string
	profile  string
	alone    bool
}

func newRun() *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Load records and say what that took",
		Long: `Load records and say what that took: records a second, CPU and memory by process, API calls, bytes. Every run is on a cluster, a broker and an
org that are new, and counts only when each record landed once. Without --alone what the same simulator costs a streaming loop and other clients
stands beside it.

Unless --records or a flag about chunks says otherwise, the cases are those that have bounds: 200,000 and 1,000,000 records with default chunks, the
same with chunks for large loads (200,000 rows, 100 MB), 1,000,000 with the largest chunks; with --growth 10,000,000 with chunks for large loads,
and 1,000,000 beside them, both published at 40,000 a second.`,
		Example: `  bench run
  bench run --records 20000 --runs 1 --alone
  bench run --records 1000000,10000000 --runs 1 --alone --load
  bench run --records 1000000 --runs 1 --alone --profile /tmp/profile
  bench run --records 200000 --env GOGC=50 --json fifty.json
  bench run --records 1000000 --load --alone --nats 3
  bench run --growth --markdown docs/performance.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.add(cmd, people.Usual())
	f := cmd.Flags()
	f.Int64SliceVar(&o.records, "records", nil, "how many records; may be repeated")
	f.IntVar(&o.runs, "runs", 3, "runs of each case, of whose figures the medians are told")
	f.BoolVar(&o.largest, "largest", false, "with the largest chunks that the product takes")
	f.BoolVar(&o.load, "load", false, "with chunks for large loads")
	f.BoolVar(&o.growth, "growth", false, "measure growth: 10,000,000, once, beside 1,000,000, both at 40,000 a second")
	f.BoolVar(&o.bounds, "bounds", false, "fail when a bound does not hold that was measured")
	f.StringVar(&o.json, "json", "", "write every run and the medians into this `file`")
	f.StringVar(&o.markdown, "markdown", "", "write the tables into this `file`, or to their place in it if it is a page that has one")
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
	case o.load && o.largest:
		return usageError{errors.New("--load and --largest are different chunks: give one")}
	case o.runs < 1:
		return usageError{errors.New("--runs must be at least 1")}
	case o.profile != "" && (o.runs > 1 || len(o.records) != 1 || o.growth):
		return usageError{errors.New("--profile is for one run: give --runs 1 and one --records")}
	case o.nats != 1 && o.nats != 3 && o.nats != 5:
		return usageError{fmt.Errorf("--nats %d: 1, or 3 or 5 for a cluster", o.nats)}
	case o.failing < 0 || o.failing >= 1:
		return usageError{errors.New("--failing is a part: from 0 to below 1")}
	}
	if o.markdown == "" {
		return nil
	}
	if err := marked.Check(o.markdown, "bench run"); err != nil { // not after minutes
		return usageError{fmt.Errorf("--markdown: %w", err)}
	}
	return nil
}

// cases are what is loaded.
func (o *runFlags) cases(changed func(flag string) bool) []report.Case {
	switch {
	case o.load:
		o.chunk = people.Load()
	case o.largest:
		o.chunk = people.Largest()
	}
	own := o.load || o.largest || changed("records") || changed("failing") || changed("chunk-rows") || changed("chunk-bytes") || changed("chunk-age")
	var out []report.Case
	switch {
	case !own:
		out, o.chunk = standard(), people.Load() // as in the case that 10,000,000 are compared with
	case len(o.records) == 0:
		o.records = []int64{small, usual}
		fallthrough
	default:
		for _, n := range o.records {
			out = append(out, report.Case{Records: n, Chunk: o.chunk, Failing: o.failing})
		}
	}
	if o.growth {
		for _, n := range []int64{usual, huge} {
			out = append(out, report.Case{Records: n, Chunk: o.chunk, Failing: o.failing, Rate: report.SteadyRate})
		}
	}
	return out
}

func (o *runFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := o.check(); err != nil {
		return err
	}
	cases := o.cases(cmd.Flags().Changed)
	self, err := trial.Self()
	if err != nil {
		return err
	}
	disk, err := origin.Disk(os.TempDir())
	if err != nil {
		return err
	}
	rep := &report.Report{
		Command: "bench " + strings.Join(os.Args[1:], " "), Machine: origin.Machine(), Disk: disk, Commit: origin.Commit(ctx), Settings: o.words(),
	}
	bar := progress.New(cmd.ErrOrStderr())
	defer bar.Done()
	bar.Phase("build", 0)
	bin, done, err := o.binaries(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = o.all(ctx, cases, bin, self, bar, rep)
	bar.Done()
	if err == nil || len(rep.Cases) > 0 { // what was measured before something failed is told all the same
		fmt.Fprint(cmd.OutOrStdout(), rep.Table())
	}
	if err != nil {
		return err
	}
	if err := o.write(rep); err != nil {
		return err
	}
	if !o.bounds {
		return nil
	}
	return broken(rep.Bounds())
}

// broken is an error that names each bound that was measured and does not hold.
func broken(bounds []report.Bound) error {
	var errs []error
	for _, b := range bounds {
		if b.Broken() {
			errs = append(errs, fmt.Errorf("not held: %s: %.4g", b.What, b.Value))
		}
	}
	return errors.Join(errs...)
}

// write keeps the report in the files that are asked for.
func (o *runFlags) write(rep *report.Report) error {
	if err := writeJSON(o.json, rep); err != nil {
		return err
	}
	if o.markdown != "" {
		if err := marked.Write(o.markdown, "bench run", rep.Markdown()); err != nil {
			return fmt.Errorf("--markdown: %w", err)
		}
	}
	return nil
}

// all makes every run that is asked for, in rounds: each case once, then each once again. These machines are faster for some minutes and slower for
// others, which a ratio between two cases must not be made of; what is run only once has its turn in the round in the middle.
func (o *runFlags) all(ctx context.Context, cases []report.Case, bin, self string, bar *progress.Bar, rep *report.Report) error {
	results := make([][]*trial.Result, len(cases))
	for _, turn := range o.turns(cases) {
		c := cases[turn.of]
		name := fmt.Sprintf("%s; run %d of %d", c.Words(), len(results[turn.of])+1, turn.runs)
		res, err := o.measure(ctx, c, name, bin, self, bar)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", name, err), addAll(rep, cases, results))
		}
		results[turn.of] = append(results[turn.of], res)
	}
	if err := addAll(rep, cases, results); err != nil || o.alone {
		return err
	}
	return o.others(ctx, loads(cases), bin, bar, rep)
}

// turn is one run of a case, of so many.
type turn struct{ of, runs int }

// turns is the order of the runs.
func (o *runFlags) turns(cases []report.Case) []turn {
	var out []turn
	for round := range o.runs {
		for i, c := range cases {
			switch once := o.growth && c.Records == huge; {
			case !once:
				out = append(out, turn{i, o.runs})
			case round == o.runs/2:
				out = append(out, turn{i, 1})
			}
		}
	}
	return out
}

// addAll tells the report of every case that was measured.
func addAll(rep *report.Report, cases []report.Case, results [][]*trial.Result) error {
	for i, c := range cases {
		if len(results[i]) == 0 {
			continue
		}
		if err := rep.Add(c, results[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *runFlags) measure(ctx context.Context, c report.Case, name, bin, self string, bar *progress.Bar) (*trial.Result, error) {
	bar.Phase(name, c.Records)
	opts := o.options(c.Records, bin, self)
	opts.Chunk, opts.Failing, opts.Rate, opts.Progress = c.Chunk, c.Failing, c.Rate, bar.At
	if o.profile != "" {
		dir, err := filepath.Abs(o.profile)
		if err != nil {
			return nil, fmt.Errorf("--profile: %w", err)
		}
		opts.ProfileDir = dir
	}
	return trial.Run(ctx, opts)
}

// others loads the same records by other clients, on the same simulator.
func (o *runFlags) others(ctx context.Context, loads []int64, bin string, bar *progress.Bar, rep *report.Report) error {
	bar.Phase("fetch other clients", 0)
	clients, leftOut := others.Find(ctx, bin)
	rep.LeftOut = leftOut
	for _, n := range loads {
		if n >= huge {
			rep.LeftOut = append(rep.LeftOut, fmt.Sprintf("other clients, %d records: they keep all results in memory", n))
			continue
		}
		if err := o.clients(ctx, n, bin, clients, bar, rep); err != nil {
			return err
		}
	}
	return nil
}

// clients loads n records by each client. The streaming loop is ours and must work; another one that does not is left out.
func (o *runFlags) clients(ctx context.Context, n int64, bin string, clients []trial.Client, bar *progress.Bar, rep *report.Report) error {
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
		bar.Phase(fmt.Sprintf("%s, %d records", c.Name, n), 0)
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
