package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/services/e2e/bench/internal/stages"
	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/internal/marked"
)

// readFor bounds reading one profile.
const readFor = time.Minute

// newStages tells of a profile by stages of a record's way.
func newStages() *cobra.Command {
	var page string
	cmd := &cobra.Command{
		Use:   "stages DIR",
		Short: "Say what each stage of a record's way took, from what run --profile wrote",
		Long: `Say what each stage of a record's way took, from the directory that run --profile wrote: the services by function, PostgreSQL by whose sessions
they were, the broker as a whole; in microseconds of CPU for each record, as a table of Markdown.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("stages takes one directory: that of run --profile")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, err := stagesOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if page == "" {
				fmt.Fprint(cmd.OutOrStdout(), table)
				return nil
			}
			if err := marked.Write(page, "bench stages", table); err != nil {
				return fmt.Errorf("--markdown: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&page, "markdown", "", "write the table into this `file`, or to its place in it if it is a page that has one")
	return cmd
}

// stagesOf reads what a profiled run wrote.
func stagesOf(ctx context.Context, dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, trial.ResultFile)) //nolint:gosec // the caller's own
	if err != nil {
		return "", err
	}
	var res trial.Result
	if err := json.Unmarshal(text, &res); err != nil {
		return "", fmt.Errorf("%s: %w", trial.ResultFile, err)
	}
	if res.Records < 1 {
		return "", fmt.Errorf("%s tells of no records", trial.ResultFile)
	}
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	pprof := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", "-unit=ms", filepath.Join(dir, "services-cpu.pb.gz")) //nolint:gosec // the caller's own
	var complaint bytes.Buffer
	pprof.Stderr = &complaint
	traces, err := pprof.Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	shares, err := stages.Read(bytes.NewReader(traces))
	if err != nil {
		return "", err
	}
	return stageTable(&res, shares), nil
}

// stageTable is what each stage took for one record. A profile sees most of what a process does: its parts are of what the kernel says that it used.
func stageTable(res *trial.Result, shares []stages.Share) string {
	var b strings.Builder
	b.WriteString("| stage | µs of CPU a record |\n| --- | ---: |\n")
	line := func(name string, seconds float64) {
		fmt.Fprintf(&b, "| %s | %.2f |\n", name, seconds/float64(res.Records)*1e6)
	}
	for _, s := range shares {
		line(s.Stage, s.Part*res.CPU.Services)
	}
	line("**services**", res.CPU.Services)
	for _, name := range slices.SortedFunc(maps.Keys(res.PostgresBy), func(x, y string) int {
		return cmp.Or(cmp.Compare(res.PostgresBy[y], res.PostgresBy[x]), cmp.Compare(x, y))
	}) {
		line("PostgreSQL: "+name, res.PostgresBy[name])
	}
	line("**PostgreSQL**", res.CPU.Postgres)
	line("**nats-server**", res.CPU.Broker)
	line("**together**", res.CPU.Product())
	return b.String()
}
