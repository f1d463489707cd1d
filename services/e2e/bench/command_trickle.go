package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/report"
	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/internal/marked"
	"bulkhead/services/e2e/internal/progress"
	"bulkhead/services/e2e/origin"
)

func newTrickle() *cobra.Command {
	var (
		o         loadFlags
		perSecond int
		duration  time.Duration
		file      string
		page      string
		bounds    bool
	)
	cmd := &cobra.Command{
		Use:   "trickle",
		Short: "Publish records one by one and say how soon each has landed",
		Long: `Publish records one by one, each as a message of its own, at a steady pace, and say how soon each has landed: from its acknowledgement to when
the org had saved it, and to when the ledger knew that.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			records := int64(float64(perSecond) * duration.Seconds())
			if perSecond < 1 || records < 1 {
				return usageError{errors.New("--rate and --for must make at least one record")}
			}
			if page != "" {
				if err := marked.Check(page, "bench trickle"); err != nil { // not after minutes
					return usageError{fmt.Errorf("--markdown: %w", err)}
				}
			}
			ctx := cmd.Context()
			bar := progress.New(cmd.ErrOrStderr())
			defer bar.Done()
			bar.Phase("build", 0)
			bin, done, err := o.binaries(ctx)
			if err != nil {
				return err
			}
			defer done()
			opts := trial.TrickleOptions{PerSecond: perSecond, Options: o.options(records, bin, "")}
			opts.Progress = bar.At
			bar.Phase(fmt.Sprintf("%d records, %d a second", records, perSecond), records)
			res, err := trial.Trickle(ctx, opts)
			if err != nil {
				return err
			}
			bar.Done()
			from := fmt.Sprintf("Commit `%s`, on %s; chunks of %s, %.4g %% refused at first", origin.Commit(ctx), origin.Machine(), o.chunk.Age, o.failing*100)
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s", from, report.Trickle(res))
			if page != "" {
				if err := marked.Write(page, "bench trickle", report.TrickleMarkdown(from, res)); err != nil {
					return fmt.Errorf("--markdown: %w", err)
				}
			}
			if err := writeJSON(file, res); err != nil || !bounds {
				return err
			}
			return broken(report.TrickleBounds(res))
		},
	}
	chunk := people.Usual()
	chunk.Age = 500 * time.Millisecond
	o.add(cmd, chunk)
	f := cmd.Flags()
	f.Lookup("failing").DefValue = "0"
	o.failing = 0
	f.IntVar(&perSecond, "rate", 100, "records a second")
	f.DurationVar(&duration, "for", time.Minute, "how long")
	f.BoolVar(&bounds, "bounds", false, "fail when a bound does not hold")
	f.StringVar(&file, "json", "", "write the figures into this `file`")
	f.StringVar(&page, "markdown", "", "write the figures into this `file`, or to their place in it if it is a page that has one")
	return cmd
}

// writeJSON writes a value into a file; without a name nothing is written.
func writeJSON(file string, v any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("--json: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // a report is no secret
		return fmt.Errorf("--json: %w", err)
	}
	return nil
}
