package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/chaos/internal/drive"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/report"
)

func newPlan() *cobra.Command {
	nats := 1
	cmd := &cobra.Command{
		Use:   "plan SEED",
		Short: "Print what a seed means",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			seed, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("%q is not a seed, a number from 0 on", args[0])
			}
			declared, err := points()
			if err != nil {
				return err
			}
			draw, err := drawn(nats)
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(draw(seed, declared), "", "  ")
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(text))
			return nil
		},
	}
	cmd.Flags().IntVar(&nats, "nats", nats, "servers of the broker: 1, or 3 for a cluster")
	return cmd
}

func newJudge() *cobra.Command {
	return &cobra.Command{
		Use:   "judge DIR...",
		Short: "Judge runs that were kept, with today's judge",
		Long:  "Judge runs that were kept, with today's judge, from their files alone. The verdict is stored in place of the one that was there.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			failed := false
			for _, dir := range dirs {
				v, err := drive.Judge(dir)
				if err != nil {
					return err
				}
				if err := history.WriteJSON(filepath.Join(dir, history.VerdictFile), v); err != nil {
					return err
				}
				p, err := history.ReadJSON[history.Plan](filepath.Join(dir, history.PlanFile))
				if err != nil {
					return err
				}
				note, err := history.ReadJSON[history.Run](filepath.Join(dir, history.RunFile))
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), report.RunLine(p, note, v))
				for _, f := range v.Findings {
					fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", report.Sentence(f))
				}
				failed = failed || !v.OK
			}
			if failed {
				return errFound
			}
			return nil
		},
	}
}

func newReport() *cobra.Command {
	var (
		name     string
		complete bool
	)
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "Sum up runs that were kept",
		Long:  "Sum up runs that were kept: directories of runs, or directories that hold some (seed-*).",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			declared, err := points()
			if err != nil {
				return err
			}
			dirs, err := runDirs(args)
			if err != nil {
				return err
			}
			var demands *report.Demands
			if complete || len(dirs) >= completeFrom {
				demands = demandsOf(declared, false)
			}
			r := report.New("chaos report "+strings.Join(args, " "), pointNames(declared), demands)
			for _, d := range dirs {
				if err := r.Add(d); err != nil {
					return err
				}
			}
			r.Done()
			if name == "" {
				fmt.Fprint(cmd.OutOrStdout(), r.Page())
			} else if err := writeReport(cmd, r, name); err != nil {
				return err
			}
			return verdictOf(r)
		},
	}
	cmd.Flags().StringVar(&name, "report", "", "write it to this name with .json and .md behind it, instead of printing it")
	cmd.Flags().BoolVar(&complete, "complete", false, "demand what is demanded of a complete report, whatever the number of runs")
	return cmd
}

// runDirs finds the directories of runs.
func runDirs(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		own, err := filepath.Glob(filepath.Join(a, history.RunFile))
		if err != nil {
			return nil, err
		}
		below, err := filepath.Glob(filepath.Join(a, "seed-*", history.RunFile))
		if err != nil {
			return nil, err
		}
		again := map[string]bool{} // runs that told nothing and were made again count once
		for _, f := range below {
			again[strings.TrimSuffix(filepath.Dir(f), "-again")] = again[strings.TrimSuffix(filepath.Dir(f), "-again")] || strings.HasSuffix(filepath.Dir(f), "-again")
		}
		for _, f := range append(own, below...) {
			if d := filepath.Dir(f); strings.HasSuffix(d, "-again") || !again[d] {
				out = append(out, d)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no run.json in these directories, or in a seed-* below them")
	}
	return out, nil
}
